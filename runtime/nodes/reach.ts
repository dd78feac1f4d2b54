// What actors and programs do with other nodes: start actors there, find them by name, watch and stop them.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { Claims } from "../../stores/store.ts";
import { type Cell, Phase } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Elsewhere } from "../cells/post.ts";
import { isDurable, nodeOf } from "../cells/posted.ts";
import { allotted } from "../cells/spawning.ts";
import type { Environment } from "../environment.ts";
import type { Allotted } from "../resources.ts";
import type { Ended, SpawnOptions } from "../system.ts";
import type { Classes } from "./classes.ts";
import { actorNames } from "./names.ts";
import type { Steward } from "./steward.ts";

export interface ReachParts {
  readonly engine: Engine;
  /** The own node's. */
  readonly name: string;
  readonly store: Claims;
  readonly environment: Environment;
  readonly classes: Classes;
  readonly steward: Steward;
  /** Whether a node whose process is gone has, or will have, another. */
  readonly succeeds: (node: string) => boolean;
  /** The node that knows what each has; nothing where nobody does. */
  readonly accounts: string | undefined;
}

type Reached = "spawn" | "name" | "find" | "watch" | "stop" | "allot" | "freed";

export interface Reach extends Pick<Elsewhere<Cell>, Reached> {
  /** Frees what an actor had that has ended: its name, and what was reserved for one that is durable. */
  ended(cell: Cell): void;
  /** An actor that was spawned from here on another node has ended. */
  childEnded(id: string): void;
}

/** The node of a thread: under which process that leads the run it was, where that was not the first. */
const threadPattern = /^.+-t\d+(?:@(\d+))?$/;
const attemptsMax = 3;

export function reach(parts: ReachParts): Reach {
  const { engine, name, store, environment, classes, steward, succeeds, accounts } = parts;
  const { home, program } = engine;
  const names = actorNames(store, environment, async (id) => {
    if (isDurable(id)) return false;
    const node = nodeOf(id);
    const [thread, leaderEpoch = 1] = threadPattern.exec(node) ?? [];
    if (thread !== undefined && Number(leaderEpoch) < ((await store.claimed("node/main"))?.epoch ?? 0)) return true;
    const claimed = await store.claimed(`node/${node}`);
    const of = id.slice(0, id.indexOf("/"));
    if (claimed === undefined || of === (claimed.epoch === 1 ? node : `${node}.${claimed.epoch}`)) return false;
    // Of an earlier process; the one that is the node now may have made it again.
    return !succeeds(node) || !await steward.request(node, "has", { id });
  });
  /** How those forget a child who would end it with themselves. */
  const children = new Map<string, () => void>();

  /** What a process was asked that is gone is gone with it: its successor can be asked again. */
  async function askAgain(node: string, what: string, argument: unknown): Promise<unknown> {
    for (let attempt = 1;; attempt++) {
      try {
        return await steward.request(node, what, argument);
      } catch (error) {
        if (!isShoalError(error, "Lost") || attempt === attemptsMax) throw error;
      }
    }
  }

  /** What an actor has spawned ends with it, wherever it lives. */
  function bring(by: Cell, node: string, id: string): void {
    const leaving = by.extra.leaving ??= new Set();
    const end = (): void => {
      children.delete(id);
      steward.note(node, "stop", { id, options: { now: true } });
    };
    leaving.add(end);
    children.set(id, () => by.extras?.leaving?.delete(end));
  }

  /** Why an actor was not made again that was to be; nothing where nobody knows. */
  async function whyRefused(id: string): Promise<Ended["error"]> {
    if (accounts === undefined) return undefined;
    return await steward.request(accounts, "refused", id).catch(() => null) as Ended["error"] | null ?? undefined;
  }

  function nameOfClass(cell: Cell): string {
    try {
      return classes.nameOf(cell.terms.Class);
    } catch {
      // One that only its own node can make can still be found and sent to.
      return "";
    }
  }

  function forget(cell: Cell): void {
    const actorName = cell.extras?.name;
    if (actorName !== undefined) names.release(actorName, cell.id).catch(() => {});
  }

  return {
    ended(cell) {
      const { durable } = cell.terms;
      const reason = cell.extras?.end?.reason;
      if (!durable || reason === "stopped") forget(cell);
      // It may have been made again since, in a process that knows nothing of what was reserved.
      if (durable && reason !== "system closed" && accounts !== undefined) steward.note(accounts, "ended", cell.id);
    },
    async spawn(by, lived, Class, input, options: SpawnOptions & { readonly [allotted]?: number }) {
      const { node = name, [allotted]: lease = 0, ...rest } = options;
      if (typeof rest.supervision?.on === "function") {
        const text = `Cannot spawn ${Class.name} on ${node}: supervision.on is a function, which stays in its thread`;
        throw new ShoalError("BadInput", `${text}; name a directive`);
      }
      const parent = by === program ? "" : name;
      const argument = { class: classes.nameOf(Class), input: input ?? null, options: rest, parent, lease };
      const { id } = await askAgain(node, "spawn", argument) as { readonly id: string };
      if (by !== program) {
        if (by.life !== lived || by.phase === Phase.ended) {
          steward.note(node, "stop", { id, options: { now: true } });
          const who = `${by.className} ${by.id}`;
          throw new ShoalError("Fenced", `Cannot spawn ${Class.name}: ${who} has ended its life ${lived}`);
        }
        bring(by, node, id);
      }
      return home.refer(engine.locate(id, Class.name), by, lived);
    },
    async allot(wanted) {
      if (accounts === undefined) throw new ShoalError("BadInput", `${wanted.what}: this system counts no resources`);
      return await steward.request(accounts, "allot", { from: name, wanted }) as Allotted;
    },
    freed(lease) {
      if (accounts !== undefined) steward.note(accounts, "freed", lease);
    },
    childEnded(id) {
      children.get(id)?.();
      children.delete(id);
    },
    async name(cell, actorName) {
      const { Class } = cell.terms;
      await names.take(actorName, { id: cell.id, class: nameOfClass(cell), className: Class.name });
      cell.extra.isPosted = true;
      if (cell.phase === Phase.ended) forget(cell);
    },
    async find(by, Class, actorName) {
      const named = await names.find(actorName);
      if (named === undefined) return undefined;
      // Its birth may have got no further than to its name.
      if (isDurable(named.id) && !await steward.request(nodeOf(named.id), "has", { id: named.id })) return undefined;
      if (named.className !== Class.name) {
        throw new ShoalError("Incompatible", `Cannot find ${actorName} as ${Class.name}: it is a ${named.className}`);
      }
      return home.refer(engine.locate(named.id, named.className), by, by.life);
    },
    watch(id, watcher) {
      let isWatching = true;
      const tell = (how: Ended): void => void (isWatching && watcher(how));
      const ask = (): void =>
        void steward.request(nodeOf(id), "watch", { id }).then(
          (how) => tell(how as Ended),
          async (error: unknown) => {
            // Whoever has its node now may have made it again, or knows that it is gone.
            if (isWatching && isShoalError(error, "Lost") && succeeds(nodeOf(id))) return ask();
            if (isShoalError(error, "ShuttingDown")) return tell({ id, reason: "system closed" });
            const why = await whyRefused(id);
            tell({ id, reason: "lost", ...why === undefined ? {} : { error: why } });
          },
        );
      ask();
      return () => {
        isWatching = false;
      };
    },
    async stop(id, stopping) {
      try {
        return await askAgain(nodeOf(id), "stop", { id, options: stopping }) as Ended;
      } catch (error) {
        // Whoever is gone is stopped.
        if (isShoalError(error, "Lost") || isShoalError(error, "Ended")) return { id, reason: "lost" };
        if (isShoalError(error, "ShuttingDown")) return { id, reason: "system closed" };
        throw error;
      }
    },
  };
}
