// The pool of shared memory of all threads of one store. A slot that one thread gives back is another's next one; the
// slab it lies in crosses to each thread once, over a port of its own, before anything that lies in it is heard of.
import { ShoalError } from "../error.ts";
import { crc32 } from "../checksum.ts";
import { classRoom, releasedByte } from "../slabs.ts";
import { blankSlots, slabCount, slotCount, slotsOfClass, type Stack, type Words } from "./words.ts";

/** A place for one tensor, by its number. */
export type Slot = number;

/** Hands slabs to the other threads, and takes in theirs. */
export interface Peers {
  /** Tells all others of a slab, or that one is no more. */
  announce(slab: number, buffer: SharedArrayBuffer | undefined): void;
  /** Takes in what has come. */
  drain(take: (slab: number, buffer: SharedArrayBuffer | undefined) => void): void;
}

export interface Pool {
  /** A slot of at least that many bytes, warm where there is one. Throws RangeError where there is no memory. */
  take(bytes: number): Slot;
  give(slot: Slot): void;
  /** The bytes at a slot; nothing where its slab has not come to this thread yet. */
  bytes(slot: Slot, length: number): Uint8Array | undefined;
  /** In strict mode: fills a slot whose tensor is gone, and remembers what it must still hold when it is taken. */
  fill(slot: Slot, length: number, tensor: readonly [index: number, generation: number]): void;
  /** The tensor that left a slot which is not as it was filled: somebody writes to what is no longer theirs. */
  damage(slot: Slot): readonly [index: number, generation: number] | undefined;
  /** The slots that there are, taken or not. */
  readonly slots: number;
  slabs(): Iterable<readonly [number, SharedArrayBuffer]>;
  /** A slab that another thread has told of. */
  accept(slab: number, buffer: SharedArrayBuffer | undefined): void;
  slab(number: number): SharedArrayBuffer | undefined;
  slabOf(slot: Slot): number;
  clear(): void;
}

/** Words of a slot's record; those from `offset` on are numbers of two words. */
const inSlab = 0;
const link = 1;
const offset = 1;
const room = 2;
const filledBytes = 3;
const filledSum = 8;
const formerIndex = 9;
const formerGeneration = 10;

const slabBytes = 1 << 20;
/** Of one slab: to find out that all of them are free takes time for each. */
const slotsMax = 256;
/** Beyond it, a slot is a slab of its own. */
const sharedSlotBytesMax = slabBytes / 8;
/** A large slot may go to a tensor of half its size rather than to none: a page fault costs more than the rest. */
const lookAhead = 4;

/** The number of the class that a room belongs to. */
function classOf(bytes: number): number {
  if (bytes <= 512) return bytes / 64;
  const doubling = Math.floor(Math.log2(bytes - 1));
  return 8 + 4 * (doubling - 9) + (bytes / 2 ** (doubling - 2) - 4);
}

const slotsIn = (bytes: number): number =>
  bytes > sharedSlotBytesMax ? 1 : Math.min(slotsMax, Math.floor(slabBytes / bytes));

/** A pool that gives free slabs back to the system only where a new one would take it above `keepBytesMax`. */
export function pool(words: Words, keepBytesMax: number, peers: Peers): Pool {
  const { control, slots } = words;
  const known = new Map<number, SharedArrayBuffer>();
  const blank = words.stack(blankSlots, slots, link);
  const stacks = new Map<number, Stack>();

  function stackOf(bytes: number): Stack {
    const number = classOf(bytes);
    let stack = stacks.get(number);
    if (stack === undefined) stacks.set(number, stack = words.stack(slotsOfClass + number, slots, link));
    return stack;
  }

  function accept(slab: number, buffer: SharedArrayBuffer | undefined): void {
    if (buffer === undefined) known.delete(slab);
    else known.set(slab, buffer);
  }

  function slab(number: number): SharedArrayBuffer | undefined {
    const buffer = known.get(number);
    if (buffer !== undefined) return buffer;
    peers.drain(accept);
    return known.get(number);
  }

  function slabOf(slot: Slot): number {
    const word = slots.at(slot);
    return Atomics.load(slots.words, word + inSlab);
  }

  function roomOf(slot: Slot): number {
    const word = slots.at(slot);
    return slots.wide[(word >> 1) + room]!;
  }

  function warm(bytes: number): Slot | undefined {
    let larger = bytes;
    for (let step = 0; step <= (bytes > sharedSlotBytesMax ? lookAhead : 0); step++) {
      const stack = stackOf(larger);
      const found = stack.pop();
      if (found !== undefined) {
        if (slab(slabOf(found)) !== undefined) return found;
        // It lies where this thread has not been let in yet.
        stack.push(found);
      }
      larger = classRoom(larger + 1);
    }
    return undefined;
  }

  /** Lets slabs go of which nobody has a slot. */
  function drop(bytesWanted: number): void {
    for (let bytes = 64; bytes < 2 ** 52; bytes = classRoom(bytes + 1)) {
      if (words.held + bytesWanted <= keepBytesMax) return;
      const stack = stackOf(bytes);
      const bySlab = new Map<number, Slot[]>();
      for (const slot of stack.takeAll()) {
        const number = slabOf(slot);
        const others = bySlab.get(number);
        if (others === undefined) bySlab.set(number, [slot]);
        else others.push(slot);
      }
      for (const [number, free] of bySlab) {
        const isWhole = free.length === slotsIn(bytes);
        if (!isWhole || words.held + bytesWanted <= keepBytesMax) {
          for (const slot of free.reverse()) stack.push(slot);
          continue;
        }
        known.delete(number);
        peers.announce(number, undefined);
        words.addHeld(-free.length * bytes);
        for (const slot of free) {
          const word = slots.at(slot);
          slots.wide[(word >> 1) + filledBytes] = 0;
          blank.push(slot);
        }
      }
    }
  }

  function record(number: number, at: number, bytes: number): Slot {
    const slot = blank.pop() ?? Atomics.add(control, slotCount, 1);
    const word = slots.at(slot);
    slots.wide[(word >> 1) + offset] = at;
    slots.wide[(word >> 1) + room] = bytes;
    slots.wide[(word >> 1) + filledBytes] = 0;
    Atomics.store(slots.words, word + inSlab, number);
    return slot;
  }

  function fresh(bytes: number): Slot {
    const count = slotsIn(bytes);
    if (words.held + count * bytes > keepBytesMax) drop(count * bytes);
    const buffer = new SharedArrayBuffer(count * bytes);
    const number = Atomics.add(control, slabCount, 1);
    words.addHeld(buffer.byteLength);
    known.set(number, buffer);
    peers.announce(number, buffer);
    const stack = stackOf(bytes);
    // The lowest is taken first, so that a slab that is hardly used touches few pages.
    for (let index = count - 1; index > 0; index--) stack.push(record(number, index * bytes, bytes));
    return record(number, 0, bytes);
  }

  function bytes(slot: Slot, length: number): Uint8Array | undefined {
    const word = slots.at(slot);
    const buffer = slab(Atomics.load(slots.words, word + inSlab));
    return buffer === undefined ? undefined : new Uint8Array(buffer, slots.wide[(word >> 1) + offset], length);
  }

  return {
    take(wanted) {
      const size = classRoom(wanted);
      return warm(size) ?? fresh(size);
    },
    give: (slot) => stackOf(roomOf(slot)).push(slot),
    bytes,
    fill(slot, length, [index, generation]) {
      const filled = bytes(slot, length)?.fill(releasedByte);
      if (filled === undefined) return;
      const word = slots.at(slot);
      slots.words[word + filledSum] = crc32(filled) | 0;
      slots.words[word + formerIndex] = index;
      slots.words[word + formerGeneration] = generation;
      slots.wide[(word >> 1) + filledBytes] = length;
    },
    damage(slot) {
      const word = slots.at(slot);
      const length = slots.wide[(word >> 1) + filledBytes]!;
      slots.wide[(word >> 1) + filledBytes] = 0;
      const filled = length === 0 ? undefined : bytes(slot, length);
      if (filled === undefined || (crc32(filled) | 0) === slots.words[word + filledSum]) return undefined;
      return [slots.words[word + formerIndex]!, slots.words[word + formerGeneration]!];
    },
    get slots() {
      return Atomics.load(control, slotCount);
    },
    slabs() {
      peers.drain(accept);
      return known;
    },
    accept,
    slab,
    slabOf,
    clear: () => known.clear(),
  };
}

/** What strict mode says of a tensor that was written to after it was gone. */
export const lateWrite = (id: string): ShoalError =>
  new ShoalError("Corrupt", `Tensor ${id} was written to after it was released`);
