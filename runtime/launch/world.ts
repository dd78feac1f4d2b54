// The world as it is: the machine's clock, timers, event loop and chance.

import { randomBytes } from "node:crypto";
import type { Environment } from "../environment.ts";

/** The real world. */
export const realWorld: Environment = {
  now: () => performance.now(),
  date: () => Date.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  soon: (call) => queueMicrotask(call),
  later: (call) => void setImmediate(call),
  token: () => randomBytes(8).toString("hex"),
};
