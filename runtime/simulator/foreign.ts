// Clocks and dice that are not the runtime's. During a simulation they answer from its world, so that the same seed
// stays the same; whoever used them first is named, since in a real run they would not.

import type { Environment } from "../environment.ts";
import type { Random } from "../random.ts";

/** The first use of a clock or of dice that a replay could not repeat. */
export interface Foreign {
  readonly what: string;
  /** Who used it; nobody where it was the program, or code after an await. */
  readonly actor: string | undefined;
}

/** Puts the clock of whoever runs, and these dice, in place of the platform's; the answer puts them back. */
export function takeOver(clock: () => Environment, dice: Random, used: (what: string) => void): () => void {
  const { now } = Date;
  const { random } = Math;
  const performanceNow = performance.now;
  const { setTimeout, clearTimeout } = globalThis;
  const cancels = new WeakMap<object, () => void>();

  Date.now = () => (used("Date.now()"), Math.floor(clock().date()));
  Math.random = () => (used("Math.random()"), dice.next());
  performance.now = () => (used("performance.now()"), clock().now());
  Object.assign(globalThis, {
    setTimeout(call: (...values: unknown[]) => void, delayMs = 0, ...values: unknown[]): object {
      used("setTimeout()");
      const timer = { ref: () => timer, unref: () => timer, hasRef: () => true };
      cancels.set(timer, clock().after(Math.max(1, delayMs), () => call(...values)));
      return timer;
    },
    clearTimeout(timer: unknown): void {
      if (typeof timer === "object" && timer !== null && cancels.has(timer)) cancels.get(timer)!();
      else clearTimeout(timer as undefined);
    },
  });
  return () => {
    Date.now = now;
    Math.random = random;
    performance.now = performanceNow;
    Object.assign(globalThis, { setTimeout, clearTimeout });
  };
}
