// Gives memory back that this opening does not use: at once when another finds none, and after a while in any case.
// What is kept is what the last while needed: a page that is touched anew costs more than all else.
import type { StoreEnvironment } from "../store.ts";
import type { Arena } from "./arena.ts";
import type { Space } from "./space.ts";

export interface TrimmingOptions {
  readonly arena: Arena;
  readonly space: Space;
  readonly environment: StoreEnvironment;
  /** So much stays, however long nobody needs it. */
  readonly keepBytes: number;
}

export interface Trimming {
  /** Something was given back to the arena. */
  freed(): void;
  /** Whether another has asked; then all that is not used goes. */
  look(): void;
  close(): void;
}

const tidyMs = 10_000;

export function trimming({ arena, space, environment, keepBytes }: TrimmingOptions): Trimming {
  let seen = arena.wanted;
  let peakBytes = 0;
  let cancelTimer: (() => void) | undefined;

  const spareBytes = (): number => space.reservedBytes - space.usedBytes;

  function tidy(): void {
    cancelTimer = undefined;
    space.trim(Math.max(keepBytes, peakBytes - space.usedBytes));
    peakBytes = space.usedBytes;
    // What was needed in this while may not be in the next.
    if (spareBytes() > keepBytes) cancelTimer = environment.after(tidyMs, tidy);
  }

  return {
    freed() {
      peakBytes = Math.max(peakBytes, space.usedBytes);
      if (cancelTimer === undefined && spareBytes() > keepBytes) cancelTimer = environment.after(tidyMs, tidy);
    },
    look() {
      const wanted = arena.wanted;
      if (wanted === seen) return;
      seen = wanted;
      space.trim(0);
    },
    close: () => cancelTimer?.(),
  };
}
