// Pooled shared memory. Fresh memory streams at 1.4 GB/s and warm memory at 19: what was once allocated is kept, in
// size classes, and used again. Small slots are cut from slabs of a megabyte; a large slot is a slab of its own.

/** A piece of shared memory. Only whole slabs would ever cross to another thread, once, ahead of first use. */
export interface Slab {
  readonly buffer: SharedArrayBuffer;
  readonly slotsMax: number;
  slotsFree: number;
}

/** A place for one tensor. It belongs to whom it was given until it is given back. */
export interface Slot {
  readonly slab: Slab;
  readonly offset: number;
  /** Room, in bytes: the size of the slot's class. */
  readonly room: number;
}

export interface Slabs {
  /** Bytes of all slabs, in use or not. */
  readonly heldBytes: number;
  /** A slot of at least that many bytes, warm where there is one. Throws RangeError where there is no memory. */
  take(bytes: number): Slot;
  give(slot: Slot): void;
  /** The slots that nobody has. */
  free(): Iterable<Slot>;
  /** Forgets all slabs. */
  clear(): void;
}

/** What strict mode fills memory with that holds no tensor: as float64 it is -6.3e66, and as an integer absurd too. */
export const releasedByte = 0xcd;

const slotAlignment = 64;
const slabBytes = 1 << 20;
/** Beyond it, a slot is a slab of its own. */
const sharedSlotBytesMax = slabBytes / 8;
/** A large slot may go to a tensor of half its size rather than to none: a page fault costs more than the rest. */
const lookAhead = 4;

/** The room of the class that a length falls into: four classes to a doubling, so that at most a fifth is not used. */
export function classRoom(bytes: number): number {
  let step = slotAlignment;
  while (bytes > 8 * step) step *= 2;
  return Math.max(1, Math.ceil(bytes / step)) * step;
}

/** A pool that gives free slabs back to the system only where a new one would take it above `keepBytesMax`. */
export function slabs(keepBytesMax: number): Slabs {
  const free = new Map<number, Slot[]>();
  let heldBytes = 0;

  function slotsOf(room: number): Slot[] {
    let slots = free.get(room);
    if (slots === undefined) free.set(room, slots = []);
    return slots;
  }

  function warmSlot(room: number): Slot | undefined {
    const slot = slotsOf(room).pop();
    if (slot !== undefined || room <= sharedSlotBytesMax) return slot;
    for (let step = 0, larger = room; step < lookAhead; step++) {
      larger = classRoom(larger + 1);
      const found = free.get(larger)?.pop();
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function drop(bytesWanted: number): void {
    for (const [room, slots] of free) {
      for (const slab of new Set(slots.map((slot) => slot.slab))) {
        if (heldBytes + bytesWanted <= keepBytesMax) return;
        if (slab.slotsFree !== slab.slotsMax) continue;
        free.set(room, slotsOf(room).filter((slot) => slot.slab !== slab));
        heldBytes -= slab.buffer.byteLength;
      }
    }
  }

  function newSlot(room: number): Slot {
    const slotsMax = room > sharedSlotBytesMax ? 1 : Math.floor(slabBytes / room);
    const bytes = slotsMax * room;
    if (heldBytes + bytes > keepBytesMax) drop(bytes);
    const slab: Slab = { buffer: new SharedArrayBuffer(bytes), slotsMax, slotsFree: slotsMax };
    heldBytes += bytes;
    const slots = slotsOf(room);
    // The lowest is taken first, so that a slab that is hardly used touches few pages.
    for (let index = slotsMax - 1; index > 0; index--) slots.push({ slab, offset: index * room, room });
    return { slab, offset: 0, room };
  }

  return {
    get heldBytes() {
      return heldBytes;
    },
    take(bytes) {
      const room = classRoom(bytes);
      const slot = warmSlot(room) ?? newSlot(room);
      slot.slab.slotsFree -= 1;
      return slot;
    },
    give(slot) {
      slot.slab.slotsFree += 1;
      slotsOf(slot.room).push(slot);
    },
    *free() {
      for (const slots of free.values()) yield* slots;
    },
    clear() {
      free.clear();
      heldBytes = 0;
    },
  };
}
