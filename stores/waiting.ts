// Readers that wait for the next append to a stream: woken when this process appends, and after a time in any case.
import { cancelled } from "./cancellation.ts";
import type { StoreEnvironment } from "./store.ts";

export interface Waiting {
  /** Resolves at the next append to a stream here, or when the time is over. Rejects where the signal is aborted. */
  appended(name: string, waitMs: number, signal: AbortSignal | undefined): Promise<void>;
  wake(name: string): void;
  wakeAll(): void;
}

/** A timer of a runtime that is asked for more than 2^31 ms fires at once. */
const waitOnceMsMax = 2 ** 30;

export function waiting(environment: StoreEnvironment): Waiting {
  /** By the stream's name: it may not be there yet, and waiting must not make it appear. */
  const all = new Map<string, Set<() => void>>();

  function wake(name: string): void {
    for (const end of all.get(name) ?? []) end();
  }

  return {
    appended(name, waitMs, signal) {
      return new Promise((resolve, reject) => {
        const end = (): void => {
          readers.delete(end);
          if (readers.size === 0 && all.get(name) === readers) all.delete(name);
          cancelTimer();
          signal?.removeEventListener("abort", end);
          if (signal?.aborted) reject(cancelled(signal));
          else resolve();
        };
        const readers = all.get(name) ?? new Set();
        all.set(name, readers.add(end));
        const cancelTimer = environment.after(Math.min(waitMs, waitOnceMsMax), end);
        signal?.addEventListener("abort", end);
      });
    },
    wake,
    wakeAll() {
      for (const name of all.keys()) wake(name);
    },
  };
}
