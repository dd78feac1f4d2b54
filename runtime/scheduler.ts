// Who runs next: one queue of those that have work, drained in slices between which timers and I/O get their turn.

import type { Environment } from "./environment.ts";

/** Something with work to do. */
export interface Runnable {
  /** Does at most `budget` pieces of its work and answers how many it did. It queues itself again when work is left. */
  run(budget: number): number;
}

export interface SchedulerLimits {
  /** Pieces of work before timers and I/O get a turn. */
  readonly sliceMessagesMax: number;
  /** And time, for handlers that take long. */
  readonly sliceMs: number;
  /** Pieces of work before the next in the queue gets its turn. */
  readonly turnMessagesMax: number;
}

export const schedulerLimits: SchedulerLimits = { sliceMessagesMax: 1024, sliceMs: 1, turnMessagesMax: 64 };

export interface Scheduler {
  ready(runnable: Runnable): void;
  /** The event loop has turned: what is ready from here on need not wait for another turn of it. */
  turned(): void;
  /** How many are waiting for their turn. */
  waiting(): number;
}

/** A scheduler in a world. First come, first served, unless `choose` picks one of those that are ready. */
export function scheduler(
  environment: Environment,
  limits: SchedulerLimits = schedulerLimits,
  choose?: (ready: number) => number,
): Scheduler {
  const { sliceMessagesMax, sliceMs, turnMessagesMax } = limits;
  // How often the clock is read, at most: reading it costs as much as a small message. At least after the first one,
  // which may have computed for minutes.
  const checkEveryMax = 32;
  const trustMs = 2;
  let queue: (Runnable | undefined)[] = new Array(1024);
  let mask = queue.length - 1;
  let head = 0;
  let length = 0;
  let armed = false;
  let used = 0;
  let sliceEnds = 0;
  /** Until then timers are not late, as far as they are known to have had their turn. */
  let trustEnds = 0;

  function ready(runnable: Runnable): void {
    if (length > mask) grow();
    queue[(head + length) & mask] = runnable;
    length++;
    if (armed) return;
    armed = true;
    // Work that keeps arriving between microtasks would otherwise never let a timer in.
    if (used < sliceMessagesMax) environment.soon(drain);
    else environment.later(freshTurn);
  }

  function grow(): void {
    const larger: (Runnable | undefined)[] = new Array(queue.length * 2);
    for (let i = 0; i < length; i++) larger[i] = queue[(head + i) & mask];
    queue = larger;
    mask = queue.length - 1;
    head = 0;
  }

  function bringForward(index: number): void {
    const at = (head + index) & mask;
    [queue[head], queue[at]] = [queue[at], queue[head]];
  }

  function freshTurn(): void {
    used = 0;
    sliceEnds = environment.now() + sliceMs;
    trustEnds = sliceEnds + trustMs;
    drain();
  }

  // Platforms hand over what came together without a look at their timers: that is trusted for a while only.
  function turned(): void {
    if (armed) return;
    const now = environment.now();
    if (now >= trustEnds) return;
    used = 0;
    sliceEnds = now + sliceMs;
  }

  function drain(): void {
    let checkEvery = 1;
    let checkAt = used + checkEvery;
    try {
      while (length > 0) {
        if (choose !== undefined && length > 1) bringForward(choose(length));
        const next = queue[head]!;
        queue[head] = undefined;
        head = (head + 1) & mask;
        length--;
        // One that finds nothing to do still took a turn.
        used += next.run(Math.min(turnMessagesMax, checkAt - used)) || 1;
        if (used >= checkAt) {
          checkEvery = Math.min(checkEvery * 2, checkEveryMax);
          checkAt = used + checkEvery;
          if (used >= sliceMessagesMax || environment.now() >= sliceEnds) {
            used = sliceMessagesMax;
            break;
          }
        }
      }
    } finally {
      // Also where one throws, which none should: the others must not stand still for ever.
      if (length > 0) environment.later(freshTurn);
      else armed = false;
    }
  }

  return { ready, turned, waiting: () => length };
}
