// What stands under a tensor's own key, written last: what it is, how long it lives, and a sum of each of its chunks;
// and the bytes themselves, where they are few.
import { Buffer } from "node:buffer";
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import type { Lifetime, TensorRef } from "../store.ts";

/** Bytes up to here travel with the manifest, and all others in chunks of so many. */
export const chunkBytes: number = 2 ** 20;

const magic = 0x314c4853;
/** Magic, length of the text, the tensor's bytes, the sum of what follows, the sum of the reference's header. */
const fixedBytes = 24;
export const bytesRange: readonly [number, number] = [0, fixedBytes - 1];

export interface Manifest {
  readonly lifetime: Lifetime;
  /** Of each chunk. None where the bytes stand here: the manifest's own sum covers them. */
  readonly sums: readonly number[];
}

export interface ReadManifest extends Manifest {
  /** What came with it. */
  readonly body: Uint8Array;
  /** Of all of it. */
  readonly sum: number;
}

/** The sum that a reference has of its header. */
const seedOf = (ref: TensorRef): number => Number.parseInt(ref.checksum.slice(-8), 16);

/** What was put once is kept under one name, and may be announced under several: the part of an id that names it. */
export const bodyOf = (id: string): string => id.split(".", 1)[0]!;

export const chunkCount = (bytes: number): number => bytes <= chunkBytes ? 0 : Math.ceil(bytes / chunkBytes);

/** What the sum of a chunk's bytes goes on from: it differs for the same bytes elsewhere, so that a swapped one shows. */
export const chunkSeed = (id: string, index: number): number => crc32(`${bodyOf(id)}:${index}`);

export const chunkSum = (id: string, index: number, bytes: Uint8Array): number => crc32(bytes, chunkSeed(id, index));

const untilRunText = '{"lifetime":{"until":"run"},"sums":[]}';

function textOf({ lifetime, sums }: Manifest): string {
  const isUsual = sums.length === 0 && "until" in lifetime && lifetime.until === "run";
  return isUsual ? untilRunText : `{"lifetime":${JSON.stringify(lifetime)},"sums":[${sums.join()}]}`;
}

export function manifestBytes(ref: TensorRef, manifest: Manifest, body: Uint8Array | undefined): Buffer {
  const text = textOf(manifest);
  const bytes = Buffer.allocUnsafe(fixedBytes + text.length + (body?.byteLength ?? 0));
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(text.length, 4);
  bytes.writeDoubleLE(ref.bytes, 8);
  bytes.write(text, fixedBytes, "latin1");
  if (body !== undefined) bytes.set(body, fixedBytes + text.length);
  const seed = seedOf(ref);
  bytes.writeUInt32LE(seed, 20);
  bytes.writeUInt32LE(crc32(bytes.subarray(fixedBytes), seed), 16);
  return bytes;
}

/** How many bytes a tensor has, by the beginning of its manifest. */
export function bytesSaid(start: Buffer): number | undefined {
  return start.byteLength < fixedBytes || start.readUInt32LE(0) !== magic ? undefined : start.readDoubleLE(8);
}

/** A manifest by itself, or nothing where it is not whole; with the sum of the header that it was written for. */
export function parsedManifest(bytes: Buffer): (ReadManifest & { readonly seed: number }) | undefined {
  const length = bytesSaid(bytes);
  if (length === undefined) return undefined;
  const end = fixedBytes + bytes.readUInt32LE(4);
  const seed = bytes.readUInt32LE(20);
  // Another tensor's manifest has another seed, and so another sum.
  const sum = bytes.readUInt32LE(16);
  if (end > bytes.byteLength || crc32(bytes.subarray(fixedBytes), seed) !== sum) return undefined;
  const { lifetime, sums } = JSON.parse(bytes.toString("latin1", fixedBytes, end)) as Manifest;
  const body = bytes.subarray(end);
  const isWhole = sums.length === chunkCount(length) && body.byteLength === (sums.length === 0 ? length : 0);
  return isWhole ? { lifetime, sums, body, seed, sum } : undefined;
}

export function readManifest(ref: TensorRef, bytes: Buffer): ReadManifest {
  const manifest = parsedManifest(bytes);
  if (manifest !== undefined && manifest.seed === seedOf(ref) && bytesSaid(bytes) === ref.bytes) return manifest;
  throw new ShoalError(
    "Corrupt",
    `Cannot get tensor ${ref.id}: it is another than the reference says, or its bytes and their checksum disagree`,
  );
}
