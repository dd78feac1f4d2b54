// How frames stand in a log's segment: magic, version, epoch, sequence, length, and a CRC-32 over all that and the
// bytes, seeded with the stream and the opening, so that a segment that was swapped for another holds no good frame.
import { Buffer } from "node:buffer";
import { crc32 } from "../checksum.ts";
import type { Entry } from "../store.ts";
import { type DiskFile, readAll } from "./disk.ts";

const magic = 0x4c46_4853;
const version = 1;
const headBytes = 32;
const windowBytes = 2 ** 18;
export const magicBytes = 4;

/** The frames of one append, ready to write. */
export function framed(salt: number, epoch: number, first: number, frames: readonly Uint8Array[]): Uint8Array {
  const all = Buffer.alloc(frames.reduce((sum, frame) => sum + headBytes + frame.byteLength, 0));
  let at = 0;
  for (const [index, frame] of frames.entries()) {
    all.writeUInt32LE(magic, at);
    all.writeUInt32LE(version, at + 4);
    all.writeDoubleLE(epoch, at + 8);
    all.writeDoubleLE(first + index, at + 16);
    all.writeUInt32LE(frame.byteLength, at + 24);
    all.set(frame, at + headBytes);
    all.writeUInt32LE(
      sumOf(all.subarray(at, at + headBytes), all.subarray(at + headBytes, at + headBytes + frame.byteLength), salt),
      at + 28,
    );
    at += headBytes + frame.byteLength;
  }
  return all;
}

const sumOf = (head: Uint8Array, frame: Uint8Array, salt: number): number =>
  crc32(frame, crc32(head.subarray(0, 28), salt));

/** A window that nobody looks through now: frames are copied out of it, and no more of it is looked at than was read. */
let spare: Buffer | undefined;

/** The good frames from a place on, up to the first that is not: the tail may be torn, or still being written. */
export async function* framesIn(
  file: DiskFile,
  salt: number,
  frameBytesMax: number,
  from: number,
): AsyncGenerator<{ readonly entry: Entry; readonly end: number }, void, undefined> {
  let start = from;
  const first = spare ?? Buffer.allocUnsafeSlow(windowBytes);
  spare = undefined;
  try {
    let window = first;
    let length = await readAll(file, window, start);
    let at = 0;
    for (;;) {
      const wanted = length - at < headBytes ? headBytes : headBytes + window.readUInt32LE(at + 24);
      if (length - at >= headBytes) {
        const isFrame = window.readUInt32LE(at) === magic && window.readUInt32LE(at + 4) === version;
        if (!isFrame || wanted > headBytes + frameBytesMax) return;
      }
      if (length - at < wanted) {
        if (length < window.length) return;
        start += at;
        window = Buffer.allocUnsafeSlow(Math.max(windowBytes, wanted));
        length = await readAll(file, window, start);
        at = 0;
        if (length < wanted) return;
        continue;
      }
      const frame = window.subarray(at + headBytes, at + wanted);
      if (sumOf(window.subarray(at, at + headBytes), frame, salt) !== window.readUInt32LE(at + 28)) return;
      const [epoch, sequence] = [window.readDoubleLE(at + 8), window.readDoubleLE(at + 16)];
      at += wanted;
      yield { entry: { epoch, sequence, frame: new Uint8Array(frame) }, end: start + at };
    }
  } finally {
    spare = first;
  }
}
