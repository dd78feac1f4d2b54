// What a publisher's log holds for those who come late: how much, in what runs, and the tensors that it pins.

import type { Position, TensorRef } from "../../stores/store.ts";

/** Tensors, and as whom they are pinned. */
export interface Held {
  readonly tensors: readonly TensorRef[];
  readonly holder: string;
}

/** Entries that were appended together, and go together. */
export interface Kept {
  /** Where the last of them stands. */
  readonly at: Position;
  readonly through: number;
  readonly bytes: number;
  readonly held: readonly Held[];
}

export interface Retained {
  readonly bytes: number;
  add(kept: Kept): void;
  /**
   * What is to go so that at most so many bytes stay, and of that nothing beyond a number; the last run always stays:
   * it tells a successor where to go on.
   */
  surplus(bytesMax: number, through: number): readonly Kept[];
  /** It was trimmed. */
  gone(surplus: readonly Kept[]): void;
  /** Forgets all: what it was is answered. */
  take(): readonly Kept[];
}

/** What is kept beyond what may be is not taken away with every append: a trim has its price. */
const slack = 1 / 8;

export function retained(release: (held: Held) => void): Retained {
  let runs: Kept[] = [];
  let first = 0;
  let bytes = 0;

  return {
    get bytes() {
      return bytes;
    },
    add(kept) {
      runs.push(kept);
      bytes += kept.bytes;
    },
    surplus(bytesMax, through) {
      if (bytes <= bytesMax) return [];
      const aim = bytesMax * (1 - slack);
      let left = bytes;
      let end = first;
      while (end < runs.length - 1 && left > aim && runs[end]!.through <= through) left -= runs[end++]!.bytes;
      return runs.slice(first, end);
    },
    gone(surplus) {
      for (const run of surplus) {
        bytes -= run.bytes;
        for (const held of run.held) release(held);
      }
      first += surplus.length;
      if (first < 64 || first * 2 < runs.length) return;
      runs = runs.slice(first);
      first = 0;
    },
    take() {
      const all = runs.slice(first);
      runs = [];
      first = 0;
      bytes = 0;
      return all;
    },
  };
}
