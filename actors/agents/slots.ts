// Slots for each kind of task: a task takes one and gives it back. While it runs, a campaign may move slots from one
// kind to another; one that is taken moves when it is free.

export type Kind = "simulate" | "train" | "infer";

export interface Slots {
  /** How many a kind has, those on their way to another not counted. */
  count(kind: Kind): number;
  /** Takes a free slot, if there is one. */
  take(kind: Kind): boolean;
  /** Gives it back. */
  free(kind: Kind): void;
  /** Runs a task as soon as a slot of its kind is free; first come, first served. */
  run<T>(kind: Kind, task: () => Promise<T>): Promise<T>;
  /** Moves so many; those that are taken later, when they are free. */
  move(from: Kind, to: Kind, count: number): void;
  /** The share of the time of a kind's slots, so far, in which tasks had them. */
  busy(kind: Kind): number;
}

interface Counter {
  /** Slots that it has, or will have when all that are owed to others have gone. */
  count: number;
  taken: number;
  readonly owed: Kind[];
  readonly waiting: (() => void)[];
  /** Time of slots, taken ones and all, up to `at`. */
  takenMs: number;
  allMs: number;
  at: number;
}

/** `gained` hears of each slot that comes to a kind from another. */
export function slots(
  counts: Readonly<Record<Kind, number>>,
  gained: (kind: Kind) => void,
  now: () => number = () => performance.now(),
): Slots {
  const at = now();
  const counter = (count: number): Counter => ({ count, taken: 0, owed: [], waiting: [], takenMs: 0, allMs: 0, at });
  const kinds = { simulate: counter(counts.simulate), train: counter(counts.train), infer: counter(counts.infer) };

  /** The counter of a kind, whose times are told up to now: before each change. */
  function upToNow(kind: Kind): Counter {
    const one = kinds[kind];
    const at = now();
    one.takenMs += one.taken * (at - one.at);
    // Those that others are owed are this kind's while they are taken.
    one.allMs += Math.max(one.count, one.taken) * (at - one.at);
    one.at = at;
    return one;
  }

  function take(kind: Kind): boolean {
    const one = upToNow(kind);
    if (one.taken >= one.count) return false;
    one.taken++;
    return true;
  }

  function gain(kind: Kind): void {
    upToNow(kind).count++;
    // One that owes gives away what comes, and keeps what is taken: nothing is owed while a slot is free.
    const to = kinds[kind].owed.shift();
    if (to !== undefined) return gain(to);
    gained(kind);
    next(kind);
  }

  function next(kind: Kind): void {
    const one = kinds[kind];
    while (one.waiting.length > 0 && take(kind)) one.waiting.shift()!();
  }

  function free(kind: Kind): void {
    const one = upToNow(kind);
    one.taken--;
    const to = one.owed.shift();
    if (to === undefined) next(kind);
    else gain(to);
  }

  return {
    count: (kind) => kinds[kind].count,
    take,
    free,
    async run(kind, task) {
      if (kinds[kind].waiting.length > 0 || !take(kind)) {
        await new Promise<void>((resolve) => kinds[kind].waiting.push(resolve));
      }
      try {
        return await task();
      } finally {
        free(kind);
      }
    },
    move(from, to, count) {
      const one = upToNow(from);
      if (from === to) return;
      for (let moved = 0; moved < count && one.count > 0; moved++) {
        one.count--;
        // More run than it has from now on: the next that ends gives its slot away.
        if (one.taken > one.count) one.owed.push(to);
        else gain(to);
      }
    },
    busy(kind) {
      const { takenMs, allMs } = upToNow(kind);
      return allMs === 0 ? 0 : takenMs / allMs;
    },
  };
}
