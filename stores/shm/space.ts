// Who has which part of an arena. Small tensors lie in slabs of slots of one size; large ones take ranges, which join
// their free neighbours when they are given back. What was used last is used first: a warm page is the fast one.
import { classRoom } from "../slabs.ts";
import type { Windows } from "./windows.ts";

/** A part of the arena. It belongs to whom it was given until it is given back. */
export interface Chunk {
  readonly offset: number;
  readonly room: number;
  readonly slab: Slab | undefined;
}

export interface Slab {
  readonly range: Chunk;
  readonly slots: number;
  free: number;
}

export interface SpaceOptions {
  readonly bytes: number;
  /** No range of up to an eighth of the largest lies in two of them. None unless set. */
  readonly windows: Windows | undefined;
  /** Takes space of the file system for a range; throws ENOSPC, with nothing taken. */
  readonly reserve: (from: number, to: number) => void;
  /** Gives space back: of any range, or only of all that follows the last that is in use. */
  readonly yield: (from: number, to: number) => void;
  readonly yields: "anywhere" | "at the end";
}

export interface Space {
  /** What the file system has given. */
  readonly reservedBytes: number;
  /** What somebody has, with what is lost beside it. */
  readonly usedBytes: number;
  /** Throws what `reserve` throws, or Crowded where no range is long enough. */
  take(bytes: number): Chunk;
  give(chunk: Chunk): void;
  /** Gives back to the file system what nobody has, but for so much. */
  trim(keepBytes: number): void;
}

/** There is memory, but nowhere in one piece; or others of the run have taken what there may be. */
export class Crowded extends Error {}

const pageBytes = 4_096;
/** What is reserved and given back at once. */
const blockBytes = 2 ** 16;
/** Of each size, the first slab is small, and each that follows as large as all before it. */
const slabBytes = { min: 2 ** 16, max: 2 ** 19 } as const;
/** So many slots at least: what is left over at its end is little. */
const slabSlotsMin = 4;
const slotBytesMax = 2 ** 16;
/** A new range takes so much of the file system at once, where that has it. */
const stepBytes = 2 ** 22;
/** How many of those of nearly its size are looked at for one that is long enough. */
const lookAt = 8;

const roundUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/** Ranges of a class are at least as long as its number says, and shorter than the next. */
function classOf(bytes: number): number {
  const pages = bytes / pageBytes;
  const doubling = Math.floor(Math.log2(pages));
  return 4 * doubling + Math.floor(4 * (pages / 2 ** doubling - 1));
}

export function space(options: SpaceOptions): Space {
  const { bytes, windows, reserve, yields } = options;
  /** Free ranges: their lengths by where they begin, and where they begin by where they end. */
  const lengths = new Map<number, number>();
  const begins = new Map<number, number>();
  /** Where free ranges of a class begin, the last one last. Some are gone: `lengths` knows. */
  const classes: number[][] = [];
  const slots = new Map<number, Chunk[]>();
  /** What all slabs of a size take together. */
  const slabbed = new Map<number, number>();
  /** One for each block that the file system has given. */
  const blocks = new Uint8Array(Math.ceil(bytes / blockBytes));
  let top = 0;
  let reservedBytes = 0;
  let usedBytes = 0;

  const largeBytes = windows === undefined ? Infinity : windows.largestBytes / 8;

  /** The first place from here on that such a range can begin at. */
  function fitting(at: number, length: number): number {
    if (windows === undefined || length > largeBytes) return at;
    for (let from = at;;) {
      const end = windows.begin(windows.at(from) + 1);
      if (from + length <= end) return from;
      from = end;
    }
  }

  function remember(at: number, length: number): void {
    lengths.set(at, length);
    begins.set(at + length, at);
    const list = classes[classOf(length)] ??= [];
    list.push(at);
    if (list.length > 1_024) classes[classOf(length)] = tidied(list, length);
  }

  function tidied(list: readonly number[], like: number): number[] {
    return [...new Set(list)].filter((at) => classOf(lengths.get(at) ?? 0) === classOf(like));
  }

  function forget(at: number, length: number): void {
    lengths.delete(at);
    begins.delete(at + length);
  }

  function found(length: number): number | undefined {
    for (let kind = classOf(length); kind < classes.length; kind++) {
      const list = classes[kind];
      if (list === undefined) continue;
      for (let index = list.length - 1, looked = 0; index >= 0 && looked < lookAt; index--) {
        const at = list[index]!;
        const has = lengths.get(at);
        if (has === undefined || classOf(has) !== kind) {
          list.splice(index, 1);
          continue;
        }
        looked += 1;
        const from = fitting(at, length);
        const left = at + has - (from + length);
        if (left < 0) continue;
        list.splice(index, 1);
        forget(at, has);
        if (from > at) remember(at, from - at);
        if (left > 0) remember(from + length, left);
        return from;
      }
    }
    return undefined;
  }

  /** The runs of blocks in a range that are reserved, or not. */
  function* runs(from: number, to: number, reserved: 0 | 1): Generator<[number, number], void, undefined> {
    for (let index = from; index < to;) {
      const start = blocks.indexOf(reserved, index);
      if (start < 0 || start >= to) return;
      const found = blocks.indexOf(1 - reserved, start);
      const end = found < 0 ? to : Math.min(found, to);
      yield [start, end];
      index = end;
    }
  }

  function reserveBlocks(from: number, to: number): void {
    for (const [start, end] of runs(from, to, 0)) {
      reserve(start * blockBytes, Math.min(bytes, end * blockBytes));
      blocks.fill(1, start, end);
      reservedBytes += (end - start) * blockBytes;
    }
  }

  function yieldBlocks(from: number, to: number): void {
    for (const [start, end] of runs(from, to, 1)) {
      options.yield(start * blockBytes, Math.min(bytes, end * blockBytes));
      blocks.fill(0, start, end);
      reservedBytes -= (end - start) * blockBytes;
    }
  }

  function ensure(at: number, length: number, aheadBytes: number): void {
    const [from, to] = [Math.floor(at / blockBytes), Math.ceil((at + length) / blockBytes)];
    const further = Math.min(blocks.length, to + Math.floor(aheadBytes / blockBytes));
    const missing = blocks.indexOf(0, from);
    if (missing < 0 || missing >= to) return;
    try {
      reserveBlocks(from, further);
    } catch (error) {
      if (further === to) throw error;
      reserveBlocks(from, to);
    }
  }

  function extended(length: number): number {
    const at = fitting(top, length);
    if (at + length > bytes) throw new Crowded();
    // The more there is already, the more may follow.
    ensure(at, length, Math.min(stepBytes, top));
    // What was passed over is there for who fits into it.
    if (at > top) remember(top, at - top);
    top = at + length;
    return at;
  }

  /** Slabs that nobody has a slot of. They are kept until there is no other way. */
  function dropSlabs(): boolean {
    let dropped = false;
    for (const [room, list] of slots) {
      const idle = new Set(list.map(({ slab }) => slab!).filter((slab) => slab.free === slab.slots));
      if (idle.size === 0) continue;
      slots.set(room, list.filter(({ slab }) => !idle.has(slab!)));
      for (const { range } of idle) {
        freeRange(range);
        slabbed.set(room, slabbed.get(room)! - range.room);
      }
      dropped = true;
    }
    return dropped;
  }

  function trim(keepBytes: number): void {
    if (keepBytes === 0) dropSlabs();
    if (reservedBytes - usedBytes <= keepBytes) return;
    // What follows the last is the coldest; then the longest first.
    yieldBlocks(Math.ceil(top / blockBytes), blocks.length);
    if (yields === "at the end") return;
    for (const [at, length] of [...lengths].sort(([, a], [, b]) => b - a)) {
      if (reservedBytes - usedBytes <= keepBytes) return;
      const [from, to] = [Math.ceil(at / blockBytes), Math.floor((at + length) / blockBytes)];
      if (from < to) yieldBlocks(from, to);
    }
  }

  function takeRange(length: number): Chunk {
    for (let isTrimmed = false;;) {
      const known = found(length);
      try {
        if (known !== undefined) ensure(known, length, 0);
        const offset = known ?? extended(length);
        usedBytes += length;
        return { offset, room: length, slab: undefined };
      } catch (error) {
        if (known !== undefined) join(known, length);
        if (dropSlabs()) continue;
        if (isTrimmed || error instanceof Crowded) throw error;
        // What is kept where it is of no use may be what is missing here.
        trim(0);
        isTrimmed = true;
      }
    }
  }

  function freeRange({ offset, room }: Chunk): void {
    usedBytes -= room;
    join(offset, room);
  }

  function join(offset: number, room: number): void {
    let [at, length] = [offset, room];
    const before = begins.get(at);
    if (before !== undefined) {
      length += at - before;
      forget(before, at - before);
      at = before;
    }
    const after = lengths.get(at + length);
    if (after !== undefined) {
      forget(at + length, after);
      length += after;
    }
    if (at + length === top) top = at;
    else remember(at, length);
  }

  function slot(room: number): Chunk {
    let list = slots.get(room);
    if (list === undefined) slots.set(room, list = []);
    const known = list.pop();
    if (known !== undefined) {
      known.slab!.free -= 1;
      return known;
    }
    const least = 2 ** Math.ceil(Math.log2(slabSlotsMin * room));
    const length = Math.min(slabBytes.max, Math.max(slabBytes.min, least, slabbed.get(room) ?? 0));
    const range = takeRange(length);
    slabbed.set(room, (slabbed.get(room) ?? 0) + length);
    const count = Math.floor(length / room);
    const slab: Slab = { range, slots: count, free: count - 1 };
    // The one before may have been dropped while the range was looked for.
    list = slots.get(room)!;
    for (let index = count - 1; index > 0; index--) list.push({ offset: range.offset + index * room, room, slab });
    return { offset: range.offset, room, slab };
  }

  return {
    get reservedBytes() {
      return reservedBytes;
    },
    get usedBytes() {
      return usedBytes;
    },
    take(wanted) {
      const room = classRoom(wanted);
      if (room <= slotBytesMax) return slot(room);
      return takeRange(roundUp(wanted > largeBytes ? roundUp(wanted, 2 ** 20) : room, pageBytes));
    },
    give(chunk) {
      if (chunk.slab === undefined) return freeRange(chunk);
      chunk.slab.free += 1;
      slots.get(chunk.room)!.push(chunk);
    },
    trim,
  };
}
