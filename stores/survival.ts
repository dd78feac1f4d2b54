// How much can end without a store's promises ending with it, in order.

import type { Survives } from "./store.ts";

const order: readonly Survives[] = ["nothing", "thread", "process", "host", "server", "power"];

/** Whether a store that survives one thing survives the other too. */
export function outlasts(survives: Survives, what: Survives): boolean {
  return order.indexOf(survives) >= order.indexOf(what);
}

export function isSurvives(value: unknown): value is Survives {
  return order.some((one) => one === value);
}
