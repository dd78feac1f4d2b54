// A file of an arena, as words and bytes: mapped where the accelerator is there, else by positional calls on the same
// layout, so that processes of both kinds meet in one arena. Space is reserved before it is used.
import { Buffer } from "node:buffer";
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import type { Mapping, Native } from "./native.ts";
import type { Windows } from "./windows.ts";

export interface Memory {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
}

export interface Region {
  /** Takes space for all of a range; throws ENOSPC, with nothing taken. */
  reserve(from: number, to: number): void;
  /** Gives the space of a range back; without mapped memory, only where nothing follows that is in use. */
  yield(from: number, to: number): void;
  /** A 32-bit word, in one piece and in order with all others. */
  load(at: number): number;
  store(at: number, value: number): void;
  read(at: number, into: Uint8Array): void;
  write(at: number, from: Uint8Array): void;
  /** The memory itself, where it is mapped: the same for the same place each time. */
  memory(at: number, bytes: number): Memory | undefined;
  close(): void;
}

export interface RegionOptions {
  /** All that it may ever hold. It takes the space of what was reserved. */
  readonly bytes: number;
  readonly native: Native | undefined;
  /** What is mapped at once. No range that is asked for lies across two of them, but for large ones. */
  readonly windows: Windows;
}

const ownerOnly = 0o600;
const zeros = new Uint8Array(2 ** 18);
/** A call of the kernel takes no more than 2 GiB. */
const pieceBytesMax = 2 ** 30;

const tooShort = (): Error => Object.assign(new Error("Cannot read: the file ends early"), { code: "EIO" });
const noSpace = (): Error => Object.assign(new Error("Cannot write: the file system took nothing"), { code: "ENOSPC" });

function writeAll(descriptor: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    const count = writeSync(descriptor, bytes, done, Math.min(pieceBytesMax, bytes.byteLength - done), at + done);
    if (count === 0) throw noSpace();
    done += count;
  }
}

function readAll(descriptor: number, into: Uint8Array, at: number): void {
  for (let done = 0; done < into.byteLength;) {
    const count = readSync(descriptor, into, done, Math.min(pieceBytesMax, into.byteLength - done), at + done);
    if (count === 0) throw tooShort();
    done += count;
  }
}

/** Makes a region where there is none yet (EEXIST), with space for its beginning. Throws ENOSPC, and leaves nothing. */
export function createRegion(path: string, firstBytes: number, options: RegionOptions): Region {
  const descriptor = openSync(path, "wx+", ownerOnly);
  try {
    // The space first: who finds the file as long as it should be may look at its beginning.
    if (options.native !== undefined && firstBytes > 0) options.native.reserve(descriptor, 0, firstBytes);
    else writeAll(descriptor, new Uint8Array(firstBytes), 0);
    ftruncateSync(descriptor, options.bytes);
    return regionOf(descriptor, "change", options);
  } catch (error) {
    closeSync(descriptor);
    unlinkSync(path);
    throw error;
  }
}

/** Opens a region, or nothing where its file is shorter: mapped, it would end the process that looks behind its end. */
export function openRegion(path: string, how: "read" | "change", options: RegionOptions): Region | undefined {
  const descriptor = openSync(path, how === "read" ? "r" : "r+");
  if (fstatSync(descriptor).size >= options.bytes) return regionOf(descriptor, how, options);
  closeSync(descriptor);
  return undefined;
}

function regionOf(descriptor: number, how: "read" | "change", options: RegionOptions): Region {
  return options.native === undefined
    ? calledRegion(descriptor, options.bytes)
    : mappedRegion(descriptor, how, options.native, options);
}

function calledRegion(descriptor: number, bytes: number): Region {
  const word = Buffer.alloc(4);
  function cut(from: number): void {
    ftruncateSync(descriptor, from);
    ftruncateSync(descriptor, bytes);
  }
  return {
    reserve(from, to) {
      try {
        for (let at = from; at < to; at += zeros.length) {
          writeAll(descriptor, zeros.subarray(0, Math.min(zeros.length, to - at)), at);
        }
      } catch (error) {
        // What was taken goes back; behind the range nothing is in use.
        cut(from);
        throw error;
      }
    },
    yield: cut,
    load(at) {
      readAll(descriptor, word, at);
      return word.readUInt32LE(0);
    },
    store(at, value) {
      word.writeUInt32LE(value, 0);
      writeAll(descriptor, word, at);
    },
    read: (at, into) => readAll(descriptor, into, at),
    write: (at, from) => writeAll(descriptor, from, at),
    memory: () => undefined,
    close: () => closeSync(descriptor),
  };
}

/** How many ranges that lie across windows keep a mapping of their own for the next who comes to them. */
const ownMappingsMax = 512;
const ownStepBytes = 2 ** 20;
/** From here on new pages are made at once. Fewer may never be touched. */
const warmBytesMin = 2 ** 23;

function mappedRegion(
  descriptor: number,
  how: "read" | "change",
  native: Native,
  { bytes, windows }: RegionOptions,
): Region {
  const mapped: (Mapping | undefined)[] = [];
  const words: (Int32Array | undefined)[] = [];
  const octets: (Uint8Array | undefined)[] = [];
  const own = new Map<number, Mapping>();
  const retired: Mapping[] = [];

  function open(index: number): Mapping {
    const from = windows.begin(index);
    const mapping = native.map(descriptor, from, Math.min(windows.begin(index + 1), bytes) - from, how);
    mapped[index] = mapping;
    words[index] = new Int32Array(mapping.buffer, 0, mapping.buffer.byteLength >>> 2);
    octets[index] = new Uint8Array(mapping.buffer);
    return mapping;
  }

  function wordsAt(index: number): Int32Array {
    if (words[index] === undefined) open(index);
    return words[index]!;
  }

  function octetsAt(index: number): Uint8Array {
    if (octets[index] === undefined) open(index);
    return octets[index]!;
  }

  /** A mapping of its own for what is too large for a window. It begins at a page, as all that is large does. */
  function ownMapping(at: number, length: number): Mapping {
    const known = own.get(at);
    if (known !== undefined && known.buffer.byteLength >= length) return known;
    // Somebody may still look at the one that was too short.
    if (known !== undefined) retired.push(known);
    const [oldest] = own.keys();
    if (oldest !== undefined && own.size >= ownMappingsMax) {
      retired.push(own.get(oldest)!);
      own.delete(oldest);
    }
    // Rounded, so that the next one in the same place finds it long enough.
    const rounded = Math.min(bytes - at, Math.ceil(length / ownStepBytes) * ownStepBytes);
    const mapping = native.map(descriptor, at, rounded, how);
    if (how === "change") mapping.warm(0, length);
    own.set(at, mapping);
    return mapping;
  }

  return {
    reserve(from, to) {
      native.reserve(descriptor, from, to - from);
      const [first, last] = [windows.at(from), windows.at(to - 1)];
      // What is large and lies across windows is mapped for itself.
      if (to - from < warmBytesMin || (first < last && to - from > windows.largestBytes / 4)) return;
      for (let index = first; index <= last; index++) {
        const begin = Math.max(from, windows.begin(index));
        const end = Math.min(to, windows.begin(index + 1));
        (mapped[index] ?? open(index)).warm(begin - windows.begin(index), end - begin);
      }
    },
    yield: (from, to) => native.yield(descriptor, from, to - from),
    load(at) {
      const index = windows.at(at);
      return Atomics.load(wordsAt(index), (at - windows.begin(index)) >>> 2) >>> 0;
    },
    store(at, value) {
      const index = windows.at(at);
      Atomics.store(wordsAt(index), (at - windows.begin(index)) >>> 2, value | 0);
    },
    read(at, into) {
      for (let done = 0; done < into.byteLength;) {
        const index = windows.at(at + done);
        const offset = at + done - windows.begin(index);
        const octets = octetsAt(index).subarray(offset, offset + into.byteLength - done);
        if (octets.length === 0) throw tooShort();
        into.set(octets, done);
        done += octets.length;
      }
    },
    write(at, from) {
      for (let done = 0; done < from.byteLength;) {
        const index = windows.at(at + done);
        const offset = at + done - windows.begin(index);
        const octets = octetsAt(index);
        const count = Math.min(from.byteLength - done, octets.length - offset);
        if (count <= 0) throw noSpace();
        octets.set(from.subarray(done, done + count), offset);
        done += count;
      }
    },
    memory(at, length) {
      const index = windows.at(at);
      if (at + length > windows.begin(index + 1)) return { buffer: ownMapping(at, length).buffer, offset: 0 };
      return { buffer: (mapped[index] ?? open(index)).buffer, offset: at - windows.begin(index) };
    },
    close() {
      for (const mapping of [...mapped, ...own.values(), ...retired]) mapping?.close();
      closeSync(descriptor);
    },
  };
}
