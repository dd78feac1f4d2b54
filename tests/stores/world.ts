// The world of a store in tests: a clock that moves when it is told to, and tokens that are not random.
import { inspect } from "node:util";
import type { OpenOptions, StoreEnvironment } from "../../stores/store.ts";
import { assert } from "../suite.ts";
import { type ErrorCode, isShoalError, type ShoalError } from "../../stores/error.ts";

export interface World extends StoreEnvironment {
  /** Timers that have neither called nor been cancelled. */
  readonly timers: number;
  /** Moves the clock, calling each timer at its time, and lets what it started go on. */
  advance(ms: number): Promise<void>;
}

/** Lets everything run that waits for no timer. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export function world(): World {
  const timers = new Set<{ readonly at: number; readonly call: () => void }>();
  let now = 1_000;
  let tokens = 0;
  return {
    now: () => now,
    after(delayMs, call) {
      assert.ok(delayMs >= 0 && delayMs < 2 ** 31, `a timer of ${delayMs} ms`);
      const timer = { at: now + delayMs, call };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    token: () => (++tokens).toString(16).padStart(16, "0"),
    get timers() {
      return timers.size;
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.call();
        await turn();
      }
      now = end;
      await turn();
    },
  };
}

export const openOptions = (environment: StoreEnvironment, others: Partial<OpenOptions> = {}): OpenOptions => ({
  run: "run-1",
  environment,
  strict: true,
  thresholdBytes: 0,
  ...others,
});

/** The shoal error of a code that a call ends with; fails where it ends otherwise. */
export async function errorOf(code: ErrorCode, call: () => unknown): Promise<ShoalError> {
  try {
    await call();
  } catch (error) {
    if (isShoalError(error, code)) return error;
    throw new Error(`Expected ${code}, got another error: ${inspect(error)}`, { cause: error });
  }
  throw new Error(`Expected ${code}, and the call succeeded`);
}

/** Whether a promise has settled by now. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = (): void => void (settled = true);
  promise.then(mark, mark);
  await turn();
  return settled;
}
