// One who looks on at what actors are given and what they do: a simulator, which keeps it to play an actor again alone.
// A system that runs for its own sake has none.

import type { Ground } from "../actor.ts";
import type { Sender } from "../reference.ts";
import type { Handler } from "./kind.ts";

/** What in an actor's life is no message. */
export type Occasion = "begins" | "starts" | "stops";

export interface Onlooker<Cell> {
  /** Runs a handler for a message, in its place. */
  handle(cell: Cell, handler: Handler, message: unknown): unknown;
  /** Runs what is no message. */
  occasion?<T>(cell: Cell, what: Occasion, given: unknown, run: () => T): T;
  /** What an actor is to use for a reference, and for the ground of one life. */
  refer?(sender: Sender): Sender;
  ground?(cell: Cell, life: number, ground: Ground): Ground;
  /** Runs what the runtime does by itself in the middle of what an actor does. */
  aside?(run: () => void): void;
}

interface Looked {
  readonly home: { readonly onlooker: Onlooker<never> | undefined };
}

/** Runs what is no message, before the eyes of whoever looks on. */
export function looked<T>(cell: Looked, what: Occasion, given: unknown, run: () => T): T {
  const { onlooker } = cell.home;
  return onlooker?.occasion === undefined ? run() : onlooker.occasion(cell as never, what, given, run);
}
