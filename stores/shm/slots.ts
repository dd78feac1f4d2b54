// Which lines of the table are whose. A line that is free again is used before a new one, so that the table stays as
// short as the most that ever stood at once.
import { type Arena, slotsMax } from "./arena.ts";
import { Crowded } from "./space.ts";

export interface Slots<T> extends Iterable<T | undefined> {
  /** A free slot. Throws ENOSPC, or Crowded where there are no more. */
  take(): number;
  give(slot: number): void;
  set(slot: number, owner: T): void;
  get(slot: number): T | undefined;
}

export function slots<T>(arena: Arena): Slots<T> {
  const owners: (T | undefined)[] = [];
  const free: number[] = [];
  let reserved = 0;
  return {
    take() {
      const slot = free.pop();
      if (slot !== undefined) return slot;
      const next = owners.length;
      if (next >= slotsMax) throw new Crowded(`this opening holds ${slotsMax} tensors`);
      if (next >= reserved) {
        arena.reserveSlots(next + 1);
        reserved = arena.slotsReserved;
      }
      owners.push(undefined);
      arena.useSlots(next + 1);
      return next;
    },
    give(slot) {
      owners[slot] = undefined;
      free.push(slot);
    },
    set: (slot, owner) => void (owners[slot] = owner),
    get: (slot) => owners[slot],
    [Symbol.iterator]: () => owners.values(),
  };
}
