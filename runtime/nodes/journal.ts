// Where a node keeps what it must not forget: its epoch as a claim, and what it committed as a log, both in the store
// that all nodes of the run call home.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { Claims, Entry, Logs, Position } from "../../stores/store.ts";
import type { Epoch, NodeName, StepRecord } from "../delivery/protocol.ts";
import type { Environment } from "../environment.ts";
import { commitIn, commitText } from "./annals.ts";
import { persistently } from "./patience.ts";

/** What the core asks of it, a promise each. None is answered before it is done, or nobody can say. */
export interface Journal {
  /** The highest epoch that is claimed for the node, 0 where none is. */
  standing(): Promise<Epoch>;
  claim(epoch: Epoch): Promise<boolean>;
  open(epoch: Epoch): Promise<"opened" | "fenced">;
  /** All that was committed, in order, in parts. */
  read(part: (records: readonly StepRecord[]) => void): Promise<void>;
  commit(epoch: Epoch, number: number, records: readonly StepRecord[]): Promise<"held" | "fenced" | "unknown">;
  trim(epoch: Epoch, through: number): Promise<void>;
}

export interface JournalParts {
  readonly node: NodeName;
  /** Nobody else's: whoever claims an epoch must be able to tell that it was itself. */
  readonly token: string;
  /** One process may be the node by it. Any may, unless set. */
  readonly ticket?: string | undefined;
  /** Of a name that is made for one process: whether nobody has been the node before. As the store says, unless set. */
  readonly isFirst?: boolean | undefined;
  readonly logs: Logs;
  readonly claims: Claims;
  readonly environment: Pick<Environment, "after">;
}

const entriesMax = 64;

export function journal({ node, token, ticket, isFirst, logs, claims, environment }: JournalParts): Journal {
  const name = `node/${node}`;
  const stream = `journal/${node}`;
  const started = ticket === undefined ? undefined : `${ticket}.`;
  /** Whether nothing stands there, nor has anybody been the node before who could still write it. */
  let isBlank = false;
  /** Where this process's commits stand, for trimming. */
  const positions = new Map<number, Position>();

  function ask<T>(what: string, call: () => Promise<T>): Promise<T> {
    return persistently(environment, `${what} of node ${node}`, call);
  }

  /** Refuses to be a node that another process is by the same ticket. */
  function refuseTwice(value: string | undefined): void {
    if (started === undefined || value?.startsWith(started) !== true) return;
    const text = `Cannot join as ${node}: another process has joined with the same file`;
    throw new ShoalError("Conflict", `${text}; a node is started once, by the process that leads the run`);
  }

  async function isNew(): Promise<boolean> {
    try {
      const read = (): Promise<readonly Entry[]> => logs.read(stream, undefined, { entriesMax: 1, waitMs: 0 });
      return (await ask("look into the journal", read)).length === 0;
    } catch (error) {
      if (isShoalError(error, "Lost")) return false;
      throw error;
    }
  }

  return {
    async standing() {
      if (isFirst === true) return 0;
      const standing = await ask("look up the epoch", () => claims.claimed(name));
      refuseTwice(standing?.value);
      // Whoever was the first has claimed nothing.
      return Math.max(standing?.epoch ?? 0, isFirst === false ? 1 : 0);
    },
    async claim(epoch) {
      if (isFirst === true && epoch === 1) return true;
      const { held, value } = await ask("claim an epoch", () => claims.claim(name, epoch, `${started ?? ""}${token}`));
      if (!held) refuseTwice(value);
      return held;
    },
    async open(epoch) {
      try {
        // Of the first process nobody before it has to be kept out: its first commit opens the journal.
        isBlank = epoch === 1 && (isFirst === true || await isNew());
        if (isBlank) return "opened";
        await ask("open the journal", () => logs.append(stream, epoch, []));
        return "opened";
      } catch (error) {
        if (isShoalError(error, "Fenced")) return "fenced";
        throw error;
      }
    },
    async read(part) {
      if (isBlank) return;
      let after: Position | undefined;
      let latest = { epoch: 0, number: 0 };
      while (true) {
        const from = after;
        let entries: readonly Entry[];
        try {
          entries = await ask("read the journal", () => logs.read(stream, from, { entriesMax, waitMs: 0 }));
        } catch (error) {
          // What is trimmed is not needed: a whole record of each actor stands behind it.
          const through = from === undefined ? trimmedThrough(error) : undefined;
          if (through === undefined) throw error;
          after = through;
          continue;
        }
        for (const { epoch, frame } of entries) {
          const { number, records } = commitIn(node, decoder.decode(frame));
          // One whose answer was lost was appended again, under its number.
          if (epoch === latest.epoch && number <= latest.number) continue;
          latest = { epoch, number };
          part(records);
        }
        const last = entries.at(-1);
        if (last === undefined) return;
        if (from !== undefined && !isBehind(last, from)) {
          const text =
            `Cannot read the journal of node ${node}: its store answers what stands before what was asked for`;
          throw new ShoalError("Corrupt", `${text}; run shoal conformance on it`);
        }
        after = { epoch: last.epoch, sequence: last.sequence };
      }
    },
    async commit(epoch, number, records) {
      try {
        positions.set(number, await logs.append(stream, epoch, [encoder.encode(commitText(epoch, number, records))]));
        return "held";
      } catch (error) {
        return isShoalError(error, "Fenced") ? "fenced" : "unknown";
      }
    },
    async trim(_, through) {
      const position = positions.get(through);
      if (position === undefined) return;
      await logs.trim(stream, position);
      for (const number of positions.keys()) if (number <= through) positions.delete(number);
    },
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function isBehind(a: Position, b: Position): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);
}

/** How far a log has been trimmed, as its error says. */
function trimmedThrough(error: unknown): Position | undefined {
  if (!isShoalError(error, "Lost")) return undefined;
  const { through } = Object(error.cause) as { readonly through?: Position };
  return Number.isSafeInteger(through?.epoch) && Number.isSafeInteger(through?.sequence) ? through : undefined;
}
