// Kafka's batches of records: written with a producer's sequence, so that the broker takes each once, and read back
// without a copy.
import type { Buffer } from "node:buffer";
import { ShoalError } from "../error.ts";
import { crc32c } from "./crc32c.ts";
import { sink, source, varint } from "./wire.ts";

/** What a record says. A key without a value takes away what a compacted topic held under it. */
export interface Record {
  readonly key: Uint8Array | undefined;
  readonly value: Uint8Array | undefined;
  /** More of the value, which is not copied. */
  readonly more?: Uint8Array;
}

/** A record as it stands in its partition. */
export interface StandingRecord {
  readonly offset: number;
  readonly key: Buffer | undefined;
  /** A view of the answer that it came with. */
  readonly value: Buffer | undefined;
}

/** A producer as the broker knows it: of each partition it takes the next sequence only. */
export interface Producer {
  readonly id: number;
  readonly epoch: number;
}

const headBytes = 61;
const bytesUntilCrc = 21;
const magic = 2;
const compressionMask = 7;
const controlMask = 32;

/** About what a batch adds to the values of its records. */
export const batchBytes = (records: number): number => headBytes + 40 * records;

/** A batch as pieces: the heads, and the values as they were given. */
export function batchOf(
  records: readonly Record[],
  { id, epoch }: Producer,
  sequence: number,
  timestamp: number,
): Uint8Array[] {
  const body: Uint8Array[] = [];
  let small: number[] = [];
  const flush = (): void => {
    if (small.length > 0) body.push(Uint8Array.from(small));
    small = [];
  };
  const optional = (bytes: Uint8Array | undefined, more?: Uint8Array): void => {
    small.push(...varint(bytes === undefined ? -1 : bytes.byteLength + (more?.byteLength ?? 0)));
    for (const piece of [bytes, more]) {
      if (piece === undefined || piece.byteLength === 0) continue;
      flush();
      body.push(piece);
    }
  };
  const lengthOf = (bytes: Uint8Array | undefined, more?: Uint8Array): number => {
    if (bytes === undefined) return 1;
    const length = bytes.byteLength + (more?.byteLength ?? 0);
    return varint(length).length + length;
  };
  for (const [delta, { key, value, more }] of records.entries()) {
    const deltaBytes = varint(delta);
    // Attributes, a time of 0 after the first, the offset, key, value, and no headers.
    small.push(...varint(3 + deltaBytes.length + lengthOf(key) + lengthOf(value, more)), 0, 0, ...deltaBytes);
    optional(key);
    optional(value, more);
    small.push(0);
  }
  flush();
  const tail = sink().int16(0).int32(records.length - 1).int64(timestamp).int64(timestamp).int64(id).int16(epoch)
    .int32(sequence).int32(records.length).raw(...body);
  let sum = 0;
  for (const piece of tail.pieces) sum = crc32c(piece, sum);
  const head = sink().int64(0).int32(headBytes - 12 + tail.length - 40).int32(-1).int8(magic).int32(sum | 0);
  return [...head.pieces, ...tail.pieces];
}

/** The records of what a fetch answered, from an offset on. What is cut off at its end is left for the next fetch. */
export function* recordsIn(bytes: Buffer, from: number): Generator<StandingRecord, void, undefined> {
  let at = 0;
  while (at + headBytes <= bytes.byteLength) {
    const base = Number(bytes.readBigInt64BE(at));
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.byteLength) return;
    if (bytes.readInt8(at + 16) !== magic) throw strange("it is of a version before 0.11");
    const attributes = bytes.readInt16BE(at + bytesUntilCrc);
    const lastOffset = base + bytes.readInt32BE(at + 23);
    if ((attributes & compressionMask) !== 0) {
      throw strange("it is compressed; give the topic compression.type=producer or uncompressed");
    }
    if (lastOffset >= from && (attributes & controlMask) === 0) {
      const records = source(bytes.subarray(at + headBytes, end));
      for (let count = bytes.readInt32BE(at + 57); count > 0; count--) {
        const record = source(records.take(records.varint()));
        record.int8();
        record.varint();
        const offset = base + record.varint();
        const keyBytes = record.varint();
        const key = keyBytes < 0 ? undefined : record.take(keyBytes);
        const valueBytes = record.varint();
        const value = valueBytes < 0 ? undefined : record.take(valueBytes);
        if (offset >= from) yield { offset, key, value };
      }
    }
    at = end;
  }
}

/** The offset behind all whole batches of what a fetch answered; nothing where there is none. Compaction leaves gaps. */
export function nextOffset(bytes: Buffer): number | undefined {
  let next: number | undefined;
  for (let at = 0; at + headBytes <= bytes.byteLength;) {
    const end = at + 12 + bytes.readInt32BE(at + 8);
    if (end > bytes.byteLength) break;
    next = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1;
    at = end;
  }
  return next;
}

const strange = (why: string): ShoalError => new ShoalError("Incompatible", `Cannot read a batch of records: ${why}`);
