// When leases lapse: one timer for all of them. They lie in buckets of half the grace, so that a store with a million
// leases wakes a few times a second and not a million times, and each still ends within its lease plus the grace.
import type { StoreEnvironment } from "../store.ts";

/** A timer of a runtime that is asked for more than 2^31 ms fires at once. */
const delayMsMax = 2 ** 30;

export interface Leases<T> {
  add(item: T, deadline: number): void;
  remove(item: T, deadline: number): void;
  close(): void;
}

/** Calls `lapse` for each item at or after its deadline, and at most `graceMs` later where timers are punctual. */
export function leases<T>(environment: StoreEnvironment, graceMs: number, lapse: (item: T) => void): Leases<T> {
  const width = graceMs / 2;
  const buckets = new Map<number, Set<T>>();
  let next = Infinity;
  let cancelTimer = (): void => {};

  // Later than the deadline even where the division rounds.
  const bucketOf = (deadline: number): number => Math.floor(deadline / width) + 1;

  function schedule(bucket: number): void {
    cancelTimer();
    next = bucket;
    if (bucket === Infinity) return;
    const delayMs = Math.ceil(Math.max(0, bucket * width - environment.now()));
    cancelTimer = environment.after(Math.min(delayMs, delayMsMax), onTimer);
  }

  function onTimer(): void {
    const now = environment.now();
    const due: number[] = [];
    let rest = Infinity;
    for (const bucket of buckets.keys()) {
      if (bucket * width <= now) due.push(bucket);
      else rest = Math.min(rest, bucket);
    }
    // What has lapsed may be released by the program meanwhile, and then is in no bucket any more.
    const items = due.sort((a, b) => a - b).flatMap((bucket) => [...buckets.get(bucket)!]);
    for (const bucket of due) buckets.delete(bucket);
    schedule(rest);
    for (const item of items) lapse(item);
  }

  return {
    add(item, deadline) {
      const bucket = bucketOf(deadline);
      const items = buckets.get(bucket);
      if (items !== undefined) return void items.add(item);
      buckets.set(bucket, new Set([item]));
      if (bucket < next) schedule(bucket);
    },
    remove(item, deadline) {
      const bucket = bucketOf(deadline);
      const items = buckets.get(bucket);
      items?.delete(item);
      if (items?.size === 0) buckets.delete(bucket);
      if (buckets.size === 0) schedule(Infinity);
    },
    close() {
      cancelTimer();
      buckets.clear();
      next = Infinity;
    },
  };
}
