// Dead letters: messages that nobody will handle. The last ones are kept whole, all are counted.

import type { DeadLetter } from "../system.ts";

export interface Letters {
  readonly total: number;
  add(letter: DeadLetter): void;
  /** The last ones, oldest first. */
  list(): readonly DeadLetter[];
}

export function letters(keptMax: number): Letters {
  const ring: DeadLetter[] = [];
  let total = 0;
  return {
    get total() {
      return total;
    },
    add(letter) {
      if (keptMax > 0) ring[total % keptMax] = letter;
      total++;
    },
    list() {
      const oldest = total > keptMax ? total % keptMax : 0;
      return [...ring.slice(oldest), ...ring.slice(0, oldest)];
    },
  };
}
