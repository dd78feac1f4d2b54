// What the threads of one `memory:` store have in common, as words of shared memory: a few counts, who waits, stacks of
// what is free, and tables that grow. Each word changes in one atomic step, so that a thread may end between any two.
import { ShoalError } from "../error.ts";

/** The shared memory of a store: all that another thread needs to take part, beside the slabs that hold the tensors. */
export interface Ground {
  readonly control: SharedArrayBuffer;
  readonly entries: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
}

/** Threads that may have one store open at a time: a bit each in what a tensor is held by. */
export const threadsMax = 256;
/** Classes of slots, four to a doubling: more than any length up to 2^53 falls into. */
const classesMax = 256;

/** Words of the control block. */
export const closed = 0;
export const entryCount = 1;
export const slotCount = 2;
export const slabCount = 3;
/** Changes when room was left, or the line of those who wait for it has changed. */
export const left = 4;
/** Who came to the line so far. */
export const arrivals = 5;
/** Numbers of threads that were given out. */
export const joined = 6;
export const tensors = 7;
/** For each thread the arrival of the first who waits in it; 0 where nobody does. */
export const firstInLine = 16;

const controlWords = firstInLine + threadsMax;
/** Wide words behind them. */
export const usedBytes = 0;
const heldBytes = 1;
/** For each thread what it has taken of the room, and no tensor stands in yet. */
export const pendingBytes = 2;
const stackHeads = pendingBytes + threadsMax;
/** Stacks of what is free: entries, records of slots that no slab has, and slots by their class. */
export const freeEntries = 0;
export const blankSlots = 1;
export const slotsOfClass = 2;
const wideWords = stackHeads + slotsOfClass + classesMax;

export const entryWords = 32;
export const slotWords = 12;
const recordsMax = 2 ** 20;
const recordsAtFirst = 64;

/** What the runtimes have, and the compiler's library for them has not yet. */
type Growing = SharedArrayBuffer & { grow(bytes: number): void };

const growing = (words: number): Growing =>
  Reflect.construct(SharedArrayBuffer, [recordsAtFirst * words * 4, { maxByteLength: recordsMax * words * 4 }]);

/** Shared memory for a store that is empty. */
export function newGround(): Ground {
  return {
    control: new SharedArrayBuffer(controlWords * 4 + wideWords * 8),
    entries: growing(entryWords),
    slots: growing(slotWords),
  };
}

/**
 * A table of records in shared memory, as words and as numbers of two words each. A record's place is asked for before
 * the words are: they may be other views afterwards.
 */
export interface Table {
  /** The word in which a record begins; the record is there from now on. Throws CapacityExceeded. */
  at(record: number): number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly wide: Float64Array<SharedArrayBuffer>;
}

function table(buffer: SharedArrayBuffer, wordsEach: number, what: string): Table {
  let words = new Int32Array(buffer, 0, 0);
  let wide = new Float64Array(buffer, 0, 0);

  function reach(record: number): void {
    if (record >= recordsMax) {
      throw new ShoalError("CapacityExceeded", `Cannot allocate: store holds ${recordsMax} ${what} already`);
    }
    const wanted = (record + 1) * wordsEach * 4;
    while (buffer.byteLength < wanted) {
      try {
        // Another thread may have grown it further meanwhile, and then it refuses to shrink.
        (buffer as Growing).grow(Math.min(recordsMax * wordsEach * 4, buffer.byteLength * 2));
      } catch (error) {
        if (buffer.byteLength < wanted && !(error instanceof RangeError)) throw error;
      }
    }
    // Views of a fixed length: those that follow the buffer are many times slower.
    words = new Int32Array(buffer, 0, buffer.byteLength >> 2);
    wide = new Float64Array(buffer, 0, buffer.byteLength >> 3);
  }

  return {
    at(record) {
      const word = record * wordsEach;
      if (word >= words.length) reach(record);
      return word;
    },
    get words() {
      return words;
    },
    get wide() {
      return wide;
    },
  };
}

/** A stack that any thread may push to and pop from. */
export interface Stack {
  push(record: number): void;
  pop(): number | undefined;
  /** Takes all of it away. */
  takeAll(): number[];
}

export interface Words {
  readonly control: Int32Array<SharedArrayBuffer>;
  readonly wide: BigInt64Array<SharedArrayBuffer>;
  readonly entries: Table;
  readonly slots: Table;
  readonly used: number;
  readonly held: number;
  addHeld(bytes: number): void;
  /** Adds to what is used, and to what a thread has pending, where the sum stays within the capacity. */
  tryUse(bytes: number, capacityBytes: number, thread: number): boolean;
  /** A stack of a table's records, linked through that word of each. */
  stack(head: number, of: Table, link: number): Stack;
}

/** Reads and writes the ground; each thread has its own views of it. */
export function wordsOf(ground: Ground): Words {
  const control = new Int32Array(ground.control, 0, controlWords);
  const wide = new BigInt64Array(ground.control, controlWords * 4, wideWords);
  const low = 0xffff_ffffn;

  function stack(head: number, of: Table, link: number): Stack {
    const place = stackHeads + head;
    // A head is a record's number plus one, under a count that tells it from the same head at another time.
    const next = (was: bigint, record: number): bigint =>
      BigInt.asIntN(64, ((was >> 32n) + 1n) << 32n | BigInt(record));
    function pop(): number | undefined {
      for (;;) {
        const was = Atomics.load(wide, place);
        const top = Number(was & low);
        if (top === 0) return undefined;
        const word = of.at(top - 1);
        const below = Atomics.load(of.words, word + link);
        if (Atomics.compareExchange(wide, place, was, next(was, below)) === was) return top - 1;
      }
    }
    return {
      push(record) {
        const word = of.at(record);
        for (;;) {
          const was = Atomics.load(wide, place);
          Atomics.store(of.words, word + link, Number(was & low));
          if (Atomics.compareExchange(wide, place, was, next(was, record + 1)) === was) return;
        }
      },
      pop,
      takeAll() {
        const taken: number[] = [];
        let was = Atomics.load(wide, place);
        if ((was & low) === 0n) return taken;
        while (Atomics.compareExchange(wide, place, was, next(was, 0)) !== was) was = Atomics.load(wide, place);
        for (let top = Number(was & low); top !== 0;) {
          taken.push(top - 1);
          const word = of.at(top - 1);
          top = Atomics.load(of.words, word + link);
        }
        return taken;
      },
    };
  }

  return {
    control,
    wide,
    entries: table(ground.entries, entryWords, "tensors"),
    slots: table(ground.slots, slotWords, "slots"),
    get used() {
      return Number(Atomics.load(wide, usedBytes));
    },
    get held() {
      return Number(Atomics.load(wide, heldBytes));
    },
    addHeld: (bytes) => void Atomics.add(wide, heldBytes, BigInt(bytes)),
    tryUse(bytes, capacityBytes, thread) {
      const more = BigInt(bytes);
      for (;;) {
        const was = Atomics.load(wide, usedBytes);
        const sum = Number(was) + bytes;
        if (sum > capacityBytes) return false;
        // A thread can be ended where it calls or repeats something: not between these two.
        if (Atomics.compareExchange(wide, usedBytes, was, was + more) === was) {
          Atomics.add(wide, pendingBytes + thread, more);
          return true;
        }
      }
    },
    stack,
  };
}
