// How a tensor stands on the disk: a head that says what it is, its bytes, and a CRC-32 over both, so that neither
// other bytes nor another tensor's bytes pass. Only the mark of what is gone lies outside the sum: it is set later.
import { Buffer } from "node:buffer";
import { crc32 } from "../checksum.ts";
import type { Dtype, Lifetime, TensorRef } from "../store.ts";

export interface Meta<D extends Dtype = Dtype> {
  readonly run: string;
  readonly id: string;
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly bytes: number;
}

export type Mark = "live" | "gone" | "late";

export interface Head {
  readonly bytes: number;
  readonly headBytes: number;
  readonly recordBytes: number;
  readonly mark: Mark | undefined;
  readonly sum: number;
  readonly lifetime: Lifetime;
  readonly meta: string;
  /** What its first part sums up to: the sum goes on from here over the bytes. */
  readonly seed: number;
}

const magic = Buffer.from("shoalT1\n");
const fixedBytes = 64;
const metaBytesMax = 1_024;
export const headBytesMax: number = fixedBytes + metaBytesMax;
export const markOffset = 8;
const sumOffset = 12;
const summedFrom = 16;
const marks: readonly Mark[] = ["live", "gone", "late"];

export const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;
export const markBytes = (mark: Mark): Uint8Array => new Uint8Array(Buffer.from(mark, "latin1"));

const metaOf = ({ run, id, dtype, shape }: Meta): string => `${run}\n${id}\n${dtype}\n${shape.join()}`;
/** The id in a head's text, for who lists what stands. */
export const idIn = (head: Head): string => head.meta.split("\n")[1] ?? "";

export const headBytesOf = (meta: Meta): number => fixedBytes + padded(Buffer.byteLength(metaOf(meta)));

const kindOf = (lifetime: Lifetime): [number, number] =>
  "reads" in lifetime
    ? [2, lifetime.reads]
    : "leaseMs" in lifetime
    ? [3, lifetime.leaseMs]
    : [lifetime.until === "run" ? 0 : 1, 0];

const lifetimeFrom = (kind: number, value: number): Lifetime =>
  kind === 3 ? { leaseMs: value } : kind === 2 ? { reads: value } : { until: kind === 1 ? "release" : "run" };

const seedOf = (head: Uint8Array): number => crc32(head.subarray(summedFrom), crc32(head.subarray(0, markOffset)));

/** The head of a tensor, all but its sum, and the seed from which the sum goes on over the bytes. */
export function headFor(meta: Meta, lifetime: Lifetime): { readonly head: Uint8Array; readonly seed: number } {
  const text = metaOf(meta);
  const length = Buffer.byteLength(text);
  const head = Buffer.alloc(fixedBytes + padded(length));
  magic.copy(head);
  head.write("live", markOffset, "latin1");
  head.writeDoubleLE(meta.bytes, 16);
  head.writeUInt32LE(length, 24);
  const [kind, value] = kindOf(lifetime);
  head.writeUInt32LE(kind, 28);
  head.writeDoubleLE(value, 32);
  head.write(text, fixedBytes);
  return { head, seed: seedOf(head) };
}

export function setSum(head: Uint8Array, sum: number): void {
  new DataView(head.buffer, head.byteOffset).setUint32(sumOffset, sum, true);
}

/** Reads a head from the bytes where one should begin, or nothing where none does. */
export function readHead(bytes: Uint8Array): Head | undefined {
  const from = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (from.length < fixedBytes || !from.subarray(0, magic.length).equals(magic)) return undefined;
  const length = from.readUInt32LE(24);
  const headBytes = fixedBytes + padded(length);
  if (length > metaBytesMax || from.length < headBytes) return undefined;
  const payload = from.readDoubleLE(16);
  if (!Number.isSafeInteger(payload) || payload < 0) return undefined;
  return {
    bytes: payload,
    headBytes,
    recordBytes: headBytes + padded(payload),
    mark: marks.find((mark) => mark === from.toString("latin1", markOffset, sumOffset)),
    sum: from.readUInt32LE(sumOffset),
    lifetime: lifetimeFrom(from.readUInt32LE(28), from.readDoubleLE(32)),
    meta: from.toString("utf8", fixedBytes, fixedBytes + length),
    seed: seedOf(from.subarray(0, headBytes)),
  };
}

/** Whether a head is that of the tensor which a reference means. */
export const isHeadOf = (head: Head, ref: TensorRef): boolean => head.bytes === ref.bytes && head.meta === metaOf(ref);
