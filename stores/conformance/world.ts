// The world that a case runs in: a clock that moves when it is told to, or the real one for stores that know no other.
// Tokens are not random, so that a case repeats; they are never the same twice within a process.
import type { StoreEnvironment } from "../store.ts";

export interface World extends StoreEnvironment {
  readonly clock: "virtual" | "real";
  /** Lets time pass, calling each timer at its time. */
  advance(ms: number): Promise<void>;
  /** What a promise comes to, while time passes; fails after `limitMs` of it. */
  until<T>(promise: Promise<T>, limitMs: number): Promise<T>;
  /** What is still amiss, or nothing: asked again for as long as a disk or a server may be busy. */
  settled(amiss: () => Promise<string | undefined>): Promise<string | undefined>;
}

/** How long a disk or a server may keep a call, in real time, beyond what the virtual clock allows. */
const busyMs = 5_000;

/** Work that nobody waits for has its own pace: what a clock says is over, a disk may still be doing. */
async function settled(amiss: () => Promise<string | undefined>): Promise<string | undefined> {
  // The waits are counted, and not the time: a machine that is busy elsewhere makes them late, as all else.
  for (let waited = 0, waitMs = 1;; waited += waitMs, waitMs = Math.min(2 * waitMs, 100)) {
    const found = await amiss();
    if (found === undefined || waited > busyMs) return found;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

let tokens = 0;
const token = (): string => (++tokens).toString(16).padStart(16, "0");

/** Lets everything run that waits for no timer. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const late = (limitMs: number): Error => new Error(`Hangs: not settled after ${limitMs} ms`);

/** A clock that stands still between two calls of `advance`. */
export function virtualWorld(): World {
  const timers = new Set<{ readonly at: number; readonly call: () => void }>();
  let now = 1_000;

  async function advance(ms: number): Promise<void> {
    const end = now + ms;
    for (;;) {
      let next: { readonly at: number; readonly call: () => void } | undefined;
      for (const timer of timers) if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
      if (next === undefined) break;
      timers.delete(next);
      now = Math.max(now, next.at);
      next.call();
      await turn();
    }
    now = end;
    await turn();
  }

  return {
    clock: "virtual",
    now: () => now,
    after(delayMs, call) {
      if (!(delayMs >= 0 && delayMs < 2 ** 31)) throw new RangeError(`Cannot wait ${delayMs} ms: timers fire at once`);
      const timer = { at: now + delayMs, call };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    token,
    advance,
    async until(promise, limitMs) {
      let isSettled = false;
      const settle = (): void => void (isSettled = true);
      promise.then(settle, settle);
      const end = now + limitMs;
      // What waits for a disk or a server waits in real time: it is given some at each step.
      for (let step = 0; !isSettled && now < end; step++) {
        for (let turns = 0; !isSettled && turns < 20; turns++) await turn();
        if (!isSettled && step > 2) await new Promise((resolve) => setTimeout(resolve, 1));
        if (!isSettled) await advance(Math.min(50 * 2 ** Math.min(step, 6), end - now));
      }
      // All the time that it was given has passed here; on a busy machine, what it waits for may not have had its turn.
      for (let waited = 0; !isSettled && waited < busyMs; waited += 5) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      if (isSettled) return promise;
      throw late(limitMs);
    },
    settled,
  };
}

/** The machine's own clock. */
export function realWorld(): World {
  const advance = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  return {
    clock: "real",
    now: () => performance.now(),
    after(delayMs, call) {
      const timer = setTimeout(call, delayMs);
      return () => clearTimeout(timer);
    },
    token,
    advance,
    async until(promise, limitMs) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const limit = new Promise<never>((_, reject) => void (timer = setTimeout(() => reject(late(limitMs)), limitMs)));
      try {
        return await Promise.race([promise, limit]);
      } finally {
        clearTimeout(timer);
      }
    },
    settled,
  };
}
