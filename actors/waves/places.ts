// Where actors that compute go: over all processes of the run, where it has several; else over the threads of the machine,
// although nobody said how many; and where a run has said that it has none, beside its program.

import { Actor, isShoalError, type System } from "../../runtime/mod.ts";

/** Ends as soon as it is there: that it could be made is all that it tells. */
export class Scout extends Actor {
  static readonly module: string = import.meta.url;
}

/** For a pool: one that says nothing is spread over all processes, and over the threads of this one. */
export interface PoolPlace {
  readonly on?: "threads";
  readonly nodes?: readonly string[];
}

export interface Places {
  readonly pool: PoolPlace;
  /** For an actor of its own. */
  readonly actor: { readonly on?: "threads" | "processes" };
}

export async function placesOf(system: System): Promise<Places> {
  for (const on of ["processes", "threads"] as const) {
    try {
      await system.stop(await system.spawn(Scout, undefined, { on }));
      return { pool: on === "threads" ? { on } : {}, actor: { on } };
    } catch (error) {
      if (!isShoalError(error, "BadInput")) throw error;
    }
  }
  return { pool: {}, actor: {} };
}

/**
 * Where so many go who compute without a pause, and where those go who must not wait for them, where they work at the same
 * time: in one process, in threads apart, if it has more of them.
 */
export async function apart(
  system: System,
  { pool }: Places,
  busy: number,
): Promise<{ readonly busy: PoolPlace; readonly others: PoolPlace }> {
  const threads = pool.on === "threads" ? await threadsOf(system) : [];
  if (threads.length <= busy) return { busy: pool, others: pool };
  return { busy: { nodes: threads.slice(0, busy) }, others: { nodes: threads.slice(busy) } };
}

/** The threads of this process: those that are spawned there come to one after the other. */
async function threadsOf(system: System): Promise<readonly string[]> {
  const all = new Set<string>();
  for (;;) {
    const scout = await system.spawn(Scout, undefined, { on: "threads" });
    await system.stop(scout);
    const thread = nodeOf(scout.id);
    if (all.has(thread)) return [...all];
    all.add(thread);
  }
}

const nodeOf = (id: string): string => id.slice(0, id.indexOf("/"));

/** The process in which an actor lives, by its address: `n2` of `n2-t1/3`. */
export const processOf = (id: string): string => nodeOf(id).replace(/-t\d+$/, "");
