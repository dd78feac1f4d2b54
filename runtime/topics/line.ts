// What waits to go into a publisher's log, in order: it goes at the front, and what was not taken comes back there.

import type { Publishing } from "./publishing.ts";

export interface Line {
  /** How many wait. */
  readonly count: number;
  /** The first that still waits. */
  readonly head: Publishing | undefined;
  push(one: Publishing): void;
  /** The head goes. */
  shift(): void;
  /** These come back, before all others. */
  back(batch: readonly Publishing[]): void;
  /** Looks at all that wait; whoever is settled then waits no more. */
  each(call: (one: Publishing) => void): void;
}

export function line(): Line {
  let waiting: Publishing[] = [];
  let gone = 0;

  function reset(all: Publishing[]): void {
    waiting = all;
    gone = 0;
  }

  return {
    get count() {
      return waiting.length - gone;
    },
    get head() {
      while (gone < waiting.length && waiting[gone]!.settled) gone++;
      if (gone === waiting.length) reset([]);
      return waiting[gone];
    },
    push: (one) => void waiting.push(one),
    shift: () => void gone++,
    back(batch) {
      reset([...batch.filter(({ settled }) => !settled), ...waiting.slice(gone)]);
    },
    each(call) {
      const all = waiting.slice(gone);
      for (const one of all) if (!one.settled) call(one);
      reset(all.filter(({ settled }) => !settled));
    },
  };
}
