// How a tensor stands on the disk: a head that says what it is, its bytes, and a CRC-32 over both, so that neither
// other bytes nor another tensor's bytes pass. Only the mark of what is gone lies outside the sum: it is set later.
import { Buffer } from "node:buffer";
import { crc32 } from "../checksum.ts";
import type { Dtype, Lifetime, TensorRef } from "../store.ts";
import { isAdoptedId } from "./layout.ts";

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

const magicText = "shoalT1\n";
const magic = Buffer.from(magicText);
const fixedBytes = 64;
const metaBytesMax = 1_024;
/** What is recorded of an adopted file: its path above all. */
export const recordBytesMax: number = 2 ** 16;
export const headBytesMax: number = fixedBytes + metaBytesMax;
export const markOffset = 8;
const sumOffset = 12;
const summedFrom = 16;
const marks: readonly Mark[] = ["live", "gone", "late"];

export const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;
export const markBytes = (mark: Mark): Uint8Array => new Uint8Array(Buffer.from(mark, "latin1"));

/** Runs, ids and dtypes are of ASCII: as many bytes as characters. */
const metaOf = ({ run, id, dtype, shape }: Meta): string => `${run}\n${id}\n${dtype}\n${shape.join()}`;
/** The id in a head's text, for who lists what stands. */
export const idIn = (head: Head): string => head.meta.split("\n")[1] ?? "";

export const headBytesOf = (meta: Meta): number => fixedBytes + padded(metaOf(meta).length);

const kindOf = (lifetime: Lifetime): [number, number] =>
  "reads" in lifetime
    ? [2, lifetime.reads]
    : "leaseMs" in lifetime
    ? [3, lifetime.leaseMs]
    : [lifetime.until === "run" ? 0 : 1, 0];

const lifetimeFrom = (kind: number, value: number): Lifetime =>
  kind === 3 ? { leaseMs: value } : kind === 2 ? { reads: value } : { until: kind === 1 ? "release" : "run" };

/** What lies before the mark never changes, and is summed up once. */
const magicSum = crc32(magic);

/** Characters of ASCII as bytes: for so few faster than a call that must first look at what it was given. */
function writeText(into: Uint8Array, text: string, at: number): void {
  for (let index = 0; index < text.length; index++) into[at + index] = text.charCodeAt(index);
}

/** Writes a tensor's head, all but its sum, to a place in a buffer, and answers how many bytes it takes. */
export function writeHead(into: Uint8Array, view: DataView, at: number, meta: Meta, lifetime: Lifetime): number {
  const text = metaOf(meta);
  const headBytes = fixedBytes + padded(text.length);
  into.fill(0, at, at + headBytes);
  writeText(into, magicText, at);
  writeText(into, "live", at + markOffset);
  view.setFloat64(at + 16, meta.bytes, true);
  view.setUint32(at + 24, text.length, true);
  const [kind, value] = kindOf(lifetime);
  view.setUint32(at + 28, kind, true);
  view.setFloat64(at + 32, value, true);
  writeText(into, text, at + fixedBytes);
  return headBytes;
}

/** What a head and the bytes behind it sum up to, where a tensor lies whole in a buffer; sets it there. */
export function seal(into: Uint8Array, view: DataView, at: number, end: number): void {
  view.setUint32(at + sumOffset, crc32(into.subarray(at + summedFrom, end), magicSum), true);
}

/** The head of a tensor, all but its sum, and the seed from which the sum goes on over the bytes. */
export function headFor(meta: Meta, lifetime: Lifetime): { readonly head: Uint8Array; readonly seed: number } {
  const room = new Uint8Array(headBytesMax);
  const head = room.subarray(0, writeHead(room, new DataView(room.buffer), 0, meta, lifetime));
  return { head, seed: seedOf(head) };
}

const seedOf = (head: Uint8Array): number => crc32(head.subarray(summedFrom), magicSum);

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

/** Whether a head is that of the tensor which a reference means. An adopted one's own bytes are a record of others. */
export const isHeadOf = (head: Head, ref: TensorRef): boolean =>
  head.meta === metaOf(ref) && (head.bytes === ref.bytes || (isAdoptedId(ref.id) && head.bytes <= recordBytesMax));
