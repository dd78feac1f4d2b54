// Signs of life: each process adds to a log of its own while it lives, and others see that it does. Nobody compares
// clocks: what counts is how long ago, by the watcher's own, there was something new.

import { isShoalError } from "../../stores/error.ts";
import type { Claims, Logs, Position } from "../../stores/store.ts";

export interface LeaseParts {
  readonly logs: Logs;
  readonly claims: Claims;
  readonly now: () => number;
  readonly leaseMs: number;
}

const streamOf = (node: string): string => `lease/${node}`;
const sign = new Uint8Array(1);
/** So many signs stand before they are trimmed. */
const signsMax = 32;

export type Beat = "held" | "fenced" | "unknown";

/** A node's own lease. Each call renews it; `fenced` where another process is the node. */
export function lease({ logs, claims }: LeaseParts, node: string, epoch: number): () => Promise<Beat> {
  let signs = 0;
  return async () => {
    try {
      const position = await logs.append(streamOf(node), epoch, [sign]);
      if (++signs % signsMax === 0) await logs.trim(streamOf(node), position);
      // Whoever begins has just claimed it. Later, where nobody refuses what is late, the claim still says who is the node.
      if (signs === 1) return "held";
      return ((await claims.claimed(`node/${node}`))?.epoch ?? 0) > epoch ? "fenced" : "held";
    } catch (error) {
      return isShoalError(error, "Fenced") ? "fenced" : "unknown";
    }
  };
}

interface Watched {
  after: Position | undefined;
  seenAt: number;
}

export interface Watch {
  /** From here on the node has a lease. */
  add(node: string): void;
  remove(node: string): void;
  /** Looks for signs of all; answers those whose lease has lapsed, each once. */
  look(): Promise<readonly string[]>;
  /** Nobody can be judged: the store does not answer, or was not asked. */
  excuse(): void;
}

/** Watches the leases of others. */
export function watch({ logs, now, leaseMs }: LeaseParts): Watch {
  const watched = new Map<string, Watched>();
  let lookedAt = now();

  function excuse(): void {
    const at = now();
    for (const one of watched.values()) one.seenAt = at;
  }

  async function lookFor(node: string, one: Watched): Promise<void> {
    try {
      const entries = await logs.read(streamOf(node), one.after, { waitMs: 0 });
      const last = entries.at(-1);
      if (last === undefined) return;
      one.after = { epoch: last.epoch, sequence: last.sequence };
    } catch (error) {
      // That it was trimmed is a sign too; of a store that does not answer nothing can be learnt.
      const { through } = Object(Object(error).cause) as { readonly through?: Position };
      if (isShoalError(error, "Lost") && through !== undefined) one.after = through;
    }
    one.seenAt = now();
  }

  return {
    add: (node) => void watched.set(node, { after: undefined, seenAt: now() }),
    remove: (node) => void watched.delete(node),
    async look() {
      const at = now();
      // Who was stopped, or starved, has seen nothing meanwhile, whatever there was to be seen.
      if (at - lookedAt > leaseMs / 2) excuse();
      lookedAt = at;
      await Promise.all([...watched].map(([node, one]) => lookFor(node, one)));
      const lapsed = [...watched].filter(([, { seenAt }]) => at - seenAt > leaseMs).map(([node]) => node);
      for (const node of lapsed) watched.delete(node);
      return lapsed;
    },
    excuse,
  };
}
