// A world whose clock, timers and turns of the event loop are the test's, and work that fills it.
import { type Environment } from "../../runtime/environment.ts";
import { type Runnable } from "../../runtime/scheduler.ts";
import { assert } from "../suite.ts";

export interface Loop extends Environment {
  /** How often a turn of the event loop was asked for. */
  readonly laters: number;
  /** What escaped from a call. */
  readonly thrown: unknown[];
  spend(ms: number): void;
  /** One call that is due in this turn, or else the next turn; false where there is nothing to do. */
  step(): boolean;
  /** Steps until nothing is left, or so many turns have passed. */
  run(turnsMax?: number): void;
}

export function loop(): Loop {
  const soons: (() => void)[] = [];
  let next: (() => void)[] = [];
  let now = 0;
  let laters = 0;
  const thrown: unknown[] = [];
  function guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      thrown.push(error);
    }
  }
  function step(): boolean {
    const soon = soons.shift();
    if (soon !== undefined) {
      guarded(soon);
      return true;
    }
    const due = next;
    next = [];
    for (const call of due) soons.push(call);
    return due.length > 0;
  }
  return {
    now: () => now,
    date: () => now,
    after: () => assert.fail("the scheduler sets no timers"),
    soon: (call) => void soons.push(call),
    later(call) {
      laters++;
      next.push(call);
    },
    token: () => "0",
    get laters() {
      return laters;
    },
    thrown,
    spend: (ms) => void (now += ms),
    step,
    run(turnsMax = 1e6) {
      const until = laters + turnsMax;
      while (laters < until && step());
    },
  };
}

/** One with so much work, which writes down each piece and queues itself again while some is left. */
export function worker(
  queue: { ready(runnable: Runnable): void },
  pieces: number,
  piece: () => void,
): Runnable & { left: number } {
  const self = {
    left: pieces,
    run(budget: number): number {
      let used = 0;
      while (used < budget && self.left > 0) {
        self.left--;
        used++;
        piece();
      }
      if (self.left > 0) queue.ready(self);
      return used;
    },
  };
  return self;
}
