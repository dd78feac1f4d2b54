// What stands beside the cell of a durable actor: where its running step is, and what it waits for.

import type { Random } from "../random.ts";
import type { Birth, Kept } from "./states.ts";
import type { Timers } from "./timers.ts";

/** A durable actor beside its cell. */
export interface Keeping {
  readonly birth: Birth;
  /** What its last step left, sealed or committed: when it is to be read back, all is committed. */
  last: Kept | undefined;
  readonly timers: Timers;
  /** Waits for what it has done to be committed, to begin anew. */
  reloaded: (() => void) | undefined;
  isReloading: boolean;
  isBorn: (() => void) | undefined;
  owesSnapshot: boolean;
  /** Whether a handler runs. */
  inStep: boolean;
  /** Which step runs, and when it happens, for as often as it runs. */
  input: string;
  now: number;
  world: { readonly random: Random; readonly now: number } | undefined;
  /** Why the running step has failed without its handler's knowledge. */
  fault: Error | undefined;
}

export function newKeeping(birth: Birth, last: Kept | undefined, timers: Timers): Keeping {
  return {
    birth,
    last,
    timers,
    reloaded: undefined,
    isReloading: false,
    isBorn: undefined,
    owesSnapshot: false,
    inStep: false,
    input: "",
    now: 0,
    world: undefined,
    fault: undefined,
  };
}
