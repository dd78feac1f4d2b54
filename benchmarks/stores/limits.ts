// What the machine does at best: a copy between warm buffers, alone or read by another thread; a loop of pwrite and pread in place with the checksum
// that `file:` uses; and the same with a new file for each tensor, which is put under its name when it is whole.

import { closeSync, ftruncateSync, openSync, readSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as zlib from "node:zlib";
import { runtimeVersion } from "../serve.ts";
import type { Got, Medium } from "./medium.ts";

const pieceBytes = 2 ** 20;

const bytesOf = (data: Float64Array): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Things of one size each, used again: what is given back last is taken first, since it is warmest. */
function pool<T>(make: (bytes: number) => T): { take(bytes: number): T; give(bytes: number, thing: T): void } {
  const free = new Map<number, T[]>();
  return {
    take: (bytes) => free.get(bytes)?.pop() ?? make(bytes),
    give(bytes, thing) {
      const list = free.get(bytes);
      if (list === undefined) free.set(bytes, [thing]);
      else list.push(thing);
    },
  };
}

const buffers = pool((bytes) => new ArrayBuffer(bytes));

function got(data: Float64Array<ArrayBuffer>): Got {
  return { data, done: () => buffers.give(data.byteLength, data.buffer) };
}

interface Copied {
  readonly buffer: ArrayBuffer;
}

/** `isShared` tells whether another thread may be its other end. */
export function memcpyMedium(isShared: boolean = true): Medium {
  return {
    version: runtimeVersion(),
    settings: `copies between warm buffers of one process, in and out${isShared ? ", read by another thread" : ""}`,
    isShared,
    put(data) {
      const buffer = buffers.take(data.byteLength);
      new Float64Array(buffer).set(data);
      return { buffer } satisfies Copied;
    },
    get(ref) {
      const kept = new Float64Array((ref as Copied).buffer);
      const copy = new Float64Array(buffers.take(kept.byteLength));
      copy.set(kept);
      return got(copy);
    },
    async release(ref) {
      const { buffer } = ref as Copied;
      buffers.give(buffer.byteLength, buffer);
    },
  };
}

/** Writes at a position and sums up, a piece at a time while it lies in the cache. */
function written(fd: number, bytes: Uint8Array, position: number): number {
  let sum = 0;
  for (let done = 0; done < bytes.byteLength; done += pieceBytes) {
    const piece = bytes.subarray(done, done + pieceBytes);
    sum = zlib.crc32(piece, sum);
    if (writeSync(fd, piece, 0, piece.byteLength, position + done) < piece.byteLength) throw new Error("short write");
  }
  return sum;
}

function read(fd: number, bytes: number, position: number, sum: number): Got {
  const data = new Float64Array(buffers.take(bytes));
  const into = bytesOf(data);
  let found = 0;
  for (let done = 0; done < bytes; done += pieceBytes) {
    const piece = into.subarray(done, done + pieceBytes);
    if (readSync(fd, piece, 0, piece.byteLength, position + done) < piece.byteLength) throw new Error("short read");
    found = zlib.crc32(piece, found);
  }
  if (found !== sum) throw new Error("wrong bytes");
  return got(data);
}

interface Slot {
  readonly path: string;
  readonly bytes: number;
  readonly position: number;
  readonly sum: number;
}

/** Both sides have a file of their own that stays open, and places in it that are written again and again. */
export function loopMedium(folder: string): Medium {
  const path = join(folder, `loop-${process.pid}`);
  const own = openSync(path, "w+");
  const opened = new Map<string, number>([[path, own]]);
  let end = 0;
  const slots = pool((bytes) => {
    end += bytes;
    return end - bytes;
  });
  return {
    version: runtimeVersion(),
    settings: "one open file written in place, 1 MiB a call; CRC-32 of node:zlib",
    isShared: true,
    put(data) {
      const position = slots.take(data.byteLength);
      return { path, bytes: data.byteLength, position, sum: written(own, bytesOf(data), position) } satisfies Slot;
    },
    get(ref) {
      const { path, bytes, position, sum } = ref as Slot;
      let fd = opened.get(path);
      if (fd === undefined) opened.set(path, fd = openSync(path, "r"));
      return read(fd, bytes, position, sum);
    },
    async release(ref) {
      const { bytes, position } = ref as Slot;
      slots.give(bytes, position);
    },
  };
}

export function filesMedium(folder: string): Medium {
  let count = 0;
  return {
    version: runtimeVersion(),
    settings: "open, pwrite, close, rename for each; CRC-32 of node:zlib",
    isShared: true,
    put(data) {
      const path = join(folder, `${process.pid}-${count++}`);
      const fd = openSync(`${path}.temp`, "wx");
      ftruncateSync(fd, data.byteLength);
      const sum = written(fd, bytesOf(data), 0);
      closeSync(fd);
      renameSync(`${path}.temp`, path);
      return { path, bytes: data.byteLength, position: 0, sum } satisfies Slot;
    },
    get(ref) {
      const { path, bytes, sum } = ref as Slot;
      const fd = openSync(path, "r");
      try {
        return read(fd, bytes, 0, sum);
      } finally {
        closeSync(fd);
      }
    },
    release: async (ref) => unlinkSync((ref as Slot).path),
  };
}
