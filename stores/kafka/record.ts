// What a record of ours holds: a head in JSON and bytes behind it, under one checksum. Kafka's own is for the broker; this
// one goes from who wrote to who reads.
import { Buffer } from "node:buffer";
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import type { Record } from "./batch.ts";
import type { StandingRecord } from "./kafkajs.ts";

/** A head's members, not yet looked at. */
export type Head = Readonly<globalThis.Record<string, unknown>>;

export interface Unpacked {
  readonly head: Head;
  /** A view of the answer that it came with. */
  readonly body: Buffer;
  readonly sum: number;
}

const frontBytes = 8;

/** A record under a key. The bytes are not copied, and must stay as they are until it was sent. */
export function packed(
  key: string,
  head: Head,
  body: Uint8Array = new Uint8Array(0),
): Record & { readonly bytes: number } {
  const text = Buffer.from(JSON.stringify(head));
  const value = Buffer.allocUnsafe(frontBytes + text.byteLength);
  value.writeUInt32BE(text.byteLength, 4);
  value.set(text, frontBytes);
  value.writeUInt32BE(crc32(body, crc32(value.subarray(4))), 0);
  return { key: Buffer.from(key), value, more: body, bytes: value.byteLength + body.byteLength };
}

/** What was packed. Throws Corrupt where it is not whole. */
export function unpacked(value: Buffer, topic: string): Unpacked {
  const corrupt = (cause?: unknown): ShoalError =>
    new ShoalError("Corrupt", `Cannot read a record of ${topic}: it and its checksum disagree`, { cause });
  if (value.byteLength < frontBytes) throw corrupt();
  const end = frontBytes + value.readUInt32BE(4);
  const sum = value.readUInt32BE(0);
  if (end > value.byteLength || crc32(value.subarray(4)) !== sum) throw corrupt();
  let head: unknown;
  try {
    head = JSON.parse(value.toString("utf8", frontBytes, end));
  } catch (cause) {
    throw corrupt(cause);
  }
  if (typeof head !== "object" || head === null) throw corrupt();
  return { head: Object.assign(Object.create(null) as Head, head), body: value.subarray(end), sum };
}

/** The key of a record below a prefix; nothing where it is another's. */
export function keyBelow(prefix: Buffer, { key }: StandingRecord): string | undefined {
  if (key === undefined || key.byteLength < prefix.byteLength) return undefined;
  if (Buffer.compare(key.subarray(0, prefix.byteLength), prefix) !== 0) return undefined;
  return key.toString("utf8", prefix.byteLength);
}

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
