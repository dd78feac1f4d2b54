// The world as it is: the machine's clock, timers, event loop and chance.

import { randomBytes } from "node:crypto";
import type { Environment } from "../environment.ts";

/** Counted from 1970 and not from its own start, the clock of one thread is that of all threads of the process. */
const originMs = performance.timeOrigin;

/** As they were before an actor's clocks were looked on at: a recording asks of each use of those who it is. */
const { setTimeout, clearTimeout, setImmediate } = globalThis;
const clock = performance.now.bind(performance);
const calendar = Date.now;

/** What waits for nothing: a third of the price of `queueMicrotask` on Node. */
const turn = Promise.resolve();

/** The real world. */
export const realWorld: Environment = {
  now: () => originMs + clock(),
  date: () => calendar(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  soon: (call) => void turn.then(call),
  later: (call) => void setImmediate(call),
  token: () => randomBytes(8).toString("hex"),
};

/** A seed for a run that was given none. */
export function randomSeed(): number {
  return randomBytes(4).readUInt32LE();
}
