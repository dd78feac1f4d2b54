// The primitive types of Kafka's protocol: big-endian numbers, counted strings, arrays and bytes, and the variable-length
// integers of its records.
import { Buffer } from "node:buffer";
import { ShoalError } from "../error.ts";

/** Writes a request. Bytes that were given are kept as pieces and not copied until the socket takes them. */
export interface Sink {
  int8(value: number): Sink;
  int16(value: number): Sink;
  int32(value: number): Sink;
  int64(value: number): Sink;
  /** Nothing where it is undefined. */
  text(value: string | undefined): Sink;
  bytes(value: Uint8Array): Sink;
  array<T>(items: readonly T[], write: (item: T) => void): Sink;
  /** Bytes without their length, taken as they are. */
  raw(...pieces: readonly Uint8Array[]): Sink;
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
}

const blockBytes = 512;

export function sink(): Sink {
  const pieces: Uint8Array[] = [];
  let block = Buffer.allocUnsafe(blockBytes);
  let start = 0;
  let at = 0;
  let length = 0;

  function room(bytes: number): number {
    if (at + bytes > block.byteLength) {
      flush();
      block = Buffer.allocUnsafe(Math.max(blockBytes, bytes));
      start = at = 0;
    }
    at += bytes;
    length += bytes;
    return at - bytes;
  }

  function flush(): void {
    if (at > start) pieces.push(block.subarray(start, at));
    start = at;
  }

  const own: Sink = {
    int8(value) {
      const to = room(1);
      block.writeInt8(value, to);
      return own;
    },
    int16(value) {
      const to = room(2);
      block.writeInt16BE(value, to);
      return own;
    },
    int32(value) {
      const to = room(4);
      block.writeInt32BE(value, to);
      return own;
    },
    int64(value) {
      const to = room(8);
      block.writeBigInt64BE(BigInt(value), to);
      return own;
    },
    text(value) {
      if (value === undefined) return own.int16(-1);
      const bytes = Buffer.from(value);
      own.int16(bytes.byteLength);
      const to = room(bytes.byteLength);
      block.set(bytes, to);
      return own;
    },
    bytes(value) {
      return own.int32(value.byteLength).raw(value);
    },
    array(items, write) {
      own.int32(items.length);
      for (const item of items) write(item);
      return own;
    },
    raw(...some) {
      flush();
      for (const piece of some) {
        if (piece.byteLength === 0) continue;
        pieces.push(piece);
        length += piece.byteLength;
      }
      return own;
    },
    get pieces() {
      flush();
      return pieces;
    },
    get length() {
      return length;
    },
  };
  return own;
}

/** Reads an answer. Throws Corrupt where it ends too early. */
export interface Source {
  int8(): number;
  int16(): number;
  int32(): number;
  int64(): number;
  /** Nothing where it is null. */
  text(): string | undefined;
  bytes(): Buffer;
  array<T>(read: () => T): T[];
  varint(): number;
  /** As long as said; nothing where that is below 0. */
  take(length: number): Buffer;
  readonly left: number;
}

const itemsMax = 1_000_000;
const varintBytesMax = 10;

export function source(buffer: Buffer): Source {
  let at = 0;
  const short = (): ShoalError => new ShoalError("Corrupt", "Cannot read Kafka's answer: it is not whole");
  function next(bytes: number): number {
    if (bytes < 0 || at + bytes > buffer.byteLength) throw short();
    at += bytes;
    return at - bytes;
  }
  const own: Source = {
    int8: () => buffer.readInt8(next(1)),
    int16: () => buffer.readInt16BE(next(2)),
    int32: () => buffer.readInt32BE(next(4)),
    int64: () => Number(buffer.readBigInt64BE(next(8))),
    text() {
      const length = own.int16();
      if (length < 0) return undefined;
      const from = next(length);
      return buffer.toString("utf8", from, from + length);
    },
    bytes: () => own.take(own.int32()),
    array(read) {
      const count = own.int32();
      if (count > itemsMax) throw short();
      return Array.from({ length: Math.max(0, count) }, read);
    },
    varint() {
      let value = 0;
      for (let index = 0; index < varintBytesMax; index++) {
        const byte = buffer.readUInt8(next(1));
        // Beyond 31 bits by multiplication: timestamps of records are larger.
        value += (byte & 127) * 2 ** (7 * index);
        if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
      throw short();
    },
    take(length) {
      if (length < 0) return buffer.subarray(0, 0);
      const from = next(length);
      return buffer.subarray(from, from + length);
    },
    get left() {
      return buffer.byteLength - at;
    },
  };
  return own;
}

/** A record's variable-length integer. */
export function varint(value: number): number[] {
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  const bytes: number[] = [];
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return bytes;
}
