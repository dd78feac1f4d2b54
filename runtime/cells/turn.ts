// Whose turn it is in this thread: known for sure while a handler or a constructor runs, until it awaits; after that
// as far as the stack tells.

import type { LogSink } from "../log.ts";
import type { Target } from "../reference.ts";

/** An actor, the handler of it that is under way, and where what it says goes. */
export interface Acting extends Target {
  readonly handling?: { readonly name: string } | undefined;
  readonly extras?: { readonly name?: string } | undefined;
  readonly home?: { readonly log: LogSink; readonly onlooker?: { aside?(run: () => void): void } | undefined };
}

/** The actor whose code runs right now, if any. */
export const turn: { actor: Acting | undefined } = { actor: undefined };

/** The actors of each system of this thread. */
export const systems: Set<() => Iterable<Acting>> = new Set();

const framesMax = 200;

/** The actor whose handler has come to here, also where it has awaited before. Takes long: for what happens seldom. */
export function inside(): Acting | undefined {
  if (turn.actor !== undefined || systems.size === 0) return turn.actor;
  const stack = stackNow();
  for (const actors of systems) {
    for (const actor of actors()) {
      const { handling, className } = actor;
      if (handling !== undefined && stack.includes(` ${className}.${handling.name} (`)) return actor;
    }
  }
  return undefined;
}

function stackNow(): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = framesMax;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return stack;
}
