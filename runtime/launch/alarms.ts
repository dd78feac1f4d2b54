// Timers of a part of the system, which may end before they are due.

export interface Alarms {
  /** Calls it later; answers what takes that back. */
  after(delayMs: number, call: () => void): () => void;
  /** None of them rings any more. */
  clear(): void;
}

export function alarms(): Alarms {
  const timers = new Set<ReturnType<typeof setTimeout>>();

  return {
    after(delayMs, call) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        call();
      }, delayMs);
      timers.add(timer);
      return () => {
        clearTimeout(timer);
        timers.delete(timer);
      };
    },
    clear() {
      for (const timer of timers) clearTimeout(timer);
      timers.clear();
    },
  };
}
