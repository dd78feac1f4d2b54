// A world of its own for a system of actors: its time passes only when nothing is left to do, so that an hour of
// waiting takes no time at all, and what happens next is drawn from a seed.

import type { Environment } from "../environment.ts";
import type { Random } from "../random.ts";

export interface VirtualWorld extends Environment {
  /** Does one of the things that are due now; false where none is. */
  act(): boolean;
  /** Lets time pass until the next thing is due, and does it; false where nothing ever will be. */
  pass(): boolean;
}

interface Waiting {
  readonly at: number;
  /** Those due at the same time come in an order that the seed draws. */
  readonly order: number;
  readonly call: () => void;
  isCancelled: boolean;
}

/** When every simulation begins. */
const epochMs = Date.UTC(2000, 0, 1);

/** A world whose chance is `chance`. */
export function virtualWorld(chance: Random): VirtualWorld {
  let now = 0;
  const due: (() => void)[] = [];
  const heap: Waiting[] = [];

  function isBefore(a: Waiting, b: Waiting): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  function push(waiting: Waiting): void {
    let at = heap.push(waiting) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(waiting, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = waiting;
  }

  function pop(): Waiting | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    while (true) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, last)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = last;
    return first;
  }

  return {
    now: () => now,
    date: () => epochMs + now,
    after(delayMs, call) {
      const waiting = { at: now + Math.max(0, delayMs), order: chance.next(), call, isCancelled: false };
      push(waiting);
      return () => {
        waiting.isCancelled = true;
      };
    },
    soon: (call) => void due.push(call),
    later: (call) => void due.push(call),
    token: () => chance.hex(16),
    act() {
      if (due.length === 0) return false;
      const [call] = due.splice(chance.below(due.length), 1);
      call!();
      return true;
    },
    pass() {
      for (let next = pop(); next !== undefined; next = pop()) {
        if (next.isCancelled) continue;
        now = Math.max(now, next.at);
        next.call();
        return true;
      }
      return false;
    },
  };
}
