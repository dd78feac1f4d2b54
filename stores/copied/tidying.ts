// What is kept for the next use goes when there was none for a while: one timer for all that is pooled, which runs only
// while anything is.
import type { StoreEnvironment } from "../store.ts";

export interface Pool {
  /** Drops what nobody has used since the last call, and says whether anything is left. */
  tidy(): boolean | Promise<boolean>;
}

export interface Tidying {
  /** Something is pooled that may have to go. */
  touched(): void;
  close(): Promise<void>;
}

/** Whatever was not used between two turns goes: after `everyMs` at the earliest, and twice that at the latest. */
export function tidying(environment: StoreEnvironment, everyMs: number, pools: () => readonly Pool[]): Tidying {
  let cancelTimer: (() => void) | undefined;
  let running: Promise<void> | undefined;
  let isClosed = false;

  function arm(): void {
    if (!isClosed) cancelTimer ??= environment.after(everyMs, () => void (running = turn()));
  }

  async function turn(): Promise<void> {
    let isLeft = false;
    for (const pool of pools()) {
      // What cannot be tidied now is tried again at the next turn.
      if (await Promise.resolve().then(() => pool.tidy()).catch(() => true)) isLeft = true;
    }
    cancelTimer = undefined;
    if (isLeft) arm();
  }

  return {
    touched: arm,
    async close() {
      isClosed = true;
      cancelTimer?.();
      await running;
    },
  };
}
