// Bytes on their way to a file or from it, summed up as they go: in pieces that still lie in the processor's cache
// when they are written or were just read, or, where they are many, one summed up while others are under way.
import { crc32 } from "../checksum.ts";
import { type Direct, type DiskFile, readAll, readNow, writeAll, writeNow } from "./disk.ts";

/** Up to here, on a disk that answers at once, one after the other: the way to the pool would take longer. */
const directBytesMax = 2 ** 23;
const directPieceBytes = 2 ** 20;
const writePieceBytes = 2 ** 20;
const readPieceBytes = 2 ** 22;
const underWayMax = 3;

interface Window {
  readonly pieceBytes: number;
  readonly underWayMax: number;
}

const windowOf = (isNear: boolean, bytes: number, pieceBytes: number): Window =>
  isNear && bytes <= directBytesMax ? { pieceBytes: directPieceBytes, underWayMax: 1 } : { pieceBytes, underWayMax };

/** Writes bytes at a position, and answers what they sum up to from a seed on: at once, where the disk does. */
export function writeSummed(
  file: DiskFile,
  bytes: Uint8Array,
  position: number,
  seed: number,
  isNear: boolean,
): number | Promise<number> {
  const { direct } = file;
  return direct !== undefined && bytes.byteLength <= directBytesMax
    ? writeDirectly(direct, bytes, position, seed)
    : writeInPieces(file, bytes, position, seed, isNear);
}

function writeDirectly(file: Direct, bytes: Uint8Array, position: number, seed: number): number {
  let sum = seed;
  for (let done = 0; done < bytes.byteLength; done += directPieceBytes) {
    const piece = bytes.subarray(done, done + directPieceBytes);
    sum = crc32(piece, sum);
    writeNow(file, piece, position + done);
  }
  return sum;
}

async function writeInPieces(
  file: DiskFile,
  bytes: Uint8Array,
  position: number,
  seed: number,
  isNear: boolean,
): Promise<number> {
  let sum = seed;
  const { pieceBytes, underWayMax } = windowOf(isNear, bytes.byteLength, writePieceBytes);
  const underWay: Promise<void>[] = [];
  try {
    for (let done = 0; done < bytes.byteLength; done += pieceBytes) {
      const piece = bytes.subarray(done, done + pieceBytes);
      sum = crc32(piece, sum);
      if (underWay.length >= underWayMax) await underWay.shift();
      underWay.push(handled(writeAll(file, piece, position + done)));
    }
  } finally {
    // Nothing may be under way when the file is closed: its number may be another's then.
    await all(underWay);
  }
  return sum;
}

/** What the first bytes of a file say of the others. */
export interface Beginning {
  /** What they sum up to begins with this, */
  readonly seed: number;
  /** after so many bytes. */
  readonly headBytes: number;
}

export interface Summed<B> {
  readonly beginning: B;
  readonly sum: number | undefined;
}

/**
 * Fills a buffer from a position in a file on, and answers what that sums up to, or nothing where the file is shorter.
 * What the first piece holds is looked at before the others are believed.
 */
export function readSummed<B extends Beginning>(
  file: DiskFile,
  into: Uint8Array,
  position: number,
  isNear: boolean,
  begin: (bytes: Uint8Array) => B,
): Summed<B> | Promise<Summed<B>> {
  const { direct } = file;
  return direct !== undefined && into.byteLength <= directBytesMax
    ? readDirectly(direct, into, position, begin)
    : readInPieces(file, into, position, isNear, begin);
}

async function readInPieces<B extends Beginning>(
  file: DiskFile,
  into: Uint8Array,
  position: number,
  isNear: boolean,
  begin: (bytes: Uint8Array) => B,
): Promise<Summed<B>> {
  const total = into.byteLength;
  const { pieceBytes, underWayMax } = windowOf(isNear, total, readPieceBytes);
  const underWay: { readonly piece: Uint8Array; readonly length: Promise<number> }[] = [];
  let asked = 0;
  const ask = (): void => {
    while (underWay.length < underWayMax && asked < total) {
      const piece = into.subarray(asked, asked + pieceBytes);
      underWay.push({ piece, length: handled(readAll(file, piece, position + asked)) });
      asked += piece.byteLength;
    }
  };
  let beginning: B | undefined;
  let sum = 0;
  try {
    for (ask(); underWay.length > 0; ask()) {
      const { piece, length } = underWay[0]!;
      const came = await length;
      underWay.shift();
      const isFirst = beginning === undefined;
      beginning ??= begin(piece.subarray(0, came));
      if (came < piece.byteLength) return { beginning, sum: undefined };
      // More on their way before this one is summed up.
      if (underWayMax > 1) ask();
      sum = isFirst ? crc32(piece.subarray(beginning.headBytes), beginning.seed) : crc32(piece, sum);
    }
    return { beginning: beginning ?? begin(into), sum };
  } finally {
    // What is read into may be somebody else's buffer as soon as this has ended.
    await all(underWay.map(({ length }) => length));
  }
}

function readDirectly<B extends Beginning>(
  file: Direct,
  into: Uint8Array,
  position: number,
  begin: (bytes: Uint8Array) => B,
): Summed<B> {
  let beginning: B | undefined;
  let sum = 0;
  for (let done = 0; done < into.byteLength || beginning === undefined; done += directPieceBytes) {
    const piece = into.subarray(done, done + directPieceBytes);
    const came = readNow(file, piece, position + done);
    if (beginning === undefined) {
      beginning = begin(piece.subarray(0, came));
      sum = crc32(piece.subarray(beginning.headBytes), beginning.seed);
    } else sum = crc32(piece, sum);
    if (came < piece.byteLength) return { beginning, sum: undefined };
  }
  return { beginning, sum };
}

/** A call whose failure is told later, where it is waited for. */
function handled<T>(call: Promise<T>): Promise<T> {
  call.catch(() => {});
  return call;
}

/** Waits for all, whatever becomes of them, and then throws what the first of them failed with. */
async function all(calls: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(calls)) if (result.status === "rejected") throw result.reason;
}
