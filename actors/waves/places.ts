// Where actors that compute go: over all processes of the run, where it has several; else over the threads of the machine,
// although nobody said how many; and where a run has said that it has none, beside its program.

import { Actor, isShoalError, type System } from "../../runtime/mod.ts";

/** Ends as soon as it is there: that it could be made is all that it tells. */
export class Scout extends Actor {
  static readonly module: string = import.meta.url;
}

export interface Places {
  /** For a pool: one that says nothing is spread over all processes, and over the threads of this one. */
  readonly pool: { readonly on?: "threads" };
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

/** The process in which an actor lives, by its address: `n2` of `n2-t1/3`. */
export function processOf(id: string): string {
  return id.slice(0, id.indexOf("/")).replace(/-t\d+$/, "");
}
