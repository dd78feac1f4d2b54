// Makes references, and reads them back from anybody: a reference may have been through JSON, another version of the
// program, or the hands of someone who made it up. Nothing happens before it has been checked whole.
import { Buffer } from "node:buffer";
import { crc32, hex32 } from "./checksum.ts";
import { dimensionsMax, isDtype, tensorBytes } from "./dtype.ts";
import { ShoalError } from "./error.ts";
import type { Dtype, TensorRef } from "./store.ts";

/** What a checksum covers: the header alone, or the header and the bytes that travel inside the reference. */
export type Coverage = "crc32" | "crc32+bytes";

/** What a reference says beside its checksum. The generation is part of the id: a store never gives one out twice. */
export interface Header<D extends Dtype = Dtype> {
  readonly run: string;
  readonly id: string;
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly where: string;
}

/** No slash, no leading dot, no colon: an id or a run may become part of a key or a file name without a second look. */
const idPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const idCharactersMax = 64;
const runCharactersMax = 64;
const whereCharactersMax = 1_024;
const checksumPattern = /^(crc32|crc32\+bytes):[0-9a-f]{8}$/;

/** Whether a text may name a run, and so stand in paths and keys. */
export function isRunName(value: unknown): value is string {
  return typeof value === "string" && value.length <= runCharactersMax && idPattern.test(value);
}

function headerChecksum(header: Header): number {
  const { run, id, dtype, shape, bytes } = header;
  return crc32(`${run}\n${id}\n${dtype}\n${shape.join()}\n${bytes}`);
}

/** A reference to a tensor that stays in its store. Frozen, inert data. */
export function tensorRef<D extends Dtype>(header: Header<D>): TensorRef<D> {
  return frozen(header, `crc32:${hex32(headerChecksum(header))}`, undefined);
}

/** A reference that carries the bytes of its tensor. */
export function inlineRef<D extends Dtype>(header: Header<D>, bytes: Uint8Array): TensorRef<D> {
  const inline = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  return frozen(header, `crc32+bytes:${hex32(crc32(bytes, headerChecksum(header)))}`, inline);
}

function frozen<D extends Dtype>(header: Header<D>, checksum: string, inline: string | undefined): TensorRef<D> {
  const { run, id, dtype, bytes, where } = header;
  const shape = Object.freeze([...header.shape]);
  const plain = { ref: "tensor", run, id, dtype, shape, bytes, checksum, where } as const;
  return Object.freeze(inline === undefined ? plain : { ...plain, inline });
}

/** Whether a value has the form of a reference. Says nothing on whether it is true: `checkedRef` does. */
export function isTensorRef(value: unknown): value is TensorRef {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const ref: { readonly [Key in keyof TensorRef]?: unknown } = value;
  return ref.ref === "tensor" && typeof ref.run === "string" && typeof ref.id === "string" && isDtype(ref.dtype) &&
    Array.isArray(ref.shape) && ref.shape.every((size) => typeof size === "number") &&
    typeof ref.bytes === "number" && typeof ref.checksum === "string" && typeof ref.where === "string" &&
    (ref.inline === undefined || typeof ref.inline === "string");
}

/** What was found to be true lately: a reference is looked at several times on its way, and again where it is read again. */
const lately: (TensorRef | undefined)[] = Array.from({ length: 256 }, () => undefined);

/** Ids end in a number that counts: the last signs tell most of them apart. */
const latelyAt = (id: string): number =>
  (id.charCodeAt(id.length - 1) + 37 * id.charCodeAt(id.length - 2) + 11 * id.charCodeAt(id.length - 3)) & 255;

/** The same reference as it was checked before, if each member is what it was then. */
function known<D extends Dtype>(value: TensorRef<D>, ownRun: string): TensorRef<D> | undefined {
  const id: unknown = typeof value === "object" && value !== null ? value.id : undefined;
  const found = typeof id === "string" ? lately[latelyAt(id)] : undefined;
  if (found === undefined || found.id !== id || found.run !== ownRun) return undefined;
  if (found === value) return value;
  const { ref, run, dtype, shape, bytes, checksum, where, inline } = value;
  const isSame = ref === "tensor" && run === ownRun && dtype === found.dtype && bytes === found.bytes &&
    checksum === found.checksum && where === found.where && inline === undefined && Array.isArray(shape) &&
    shape.length === found.shape.length && found.shape.every((size, index) => size === shape[index]);
  return isSame ? found as TensorRef<D> : undefined;
}

/**
 * A copy of a reference in which every member has been read once and checked. Throws BadInput where it cannot be one,
 * or belongs to another run, and Corrupt where its checksum says that it is not what was handed out.
 */
export function checkedRef<D extends Dtype>(value: TensorRef<D>, ownRun: string): TensorRef<D> {
  const before = known(value, ownRun);
  if (before !== undefined) return before;
  if (!isTensorRef(value)) throw forged("not a tensor's reference");
  const { run, id, dtype, bytes, checksum, where, inline } = value;
  if (value.shape.length > dimensionsMax) throw forged(`more than ${dimensionsMax} dimensions`);
  const shape = [...value.shape];
  if (id.length > idCharactersMax || !idPattern.test(id)) throw forged("its id is not one");
  if (!isRunName(run)) throw forged("its run is not a name");
  if (where.length > whereCharactersMax) throw forged(`its place has more than ${whereCharactersMax} characters`);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw forged("its length is not a whole number from 0 to 2^53 - 1");
  if (tensorBytes(dtype, shape) !== bytes) throw forged(`${dtype} [${shape}] does not take ${bytes} bytes`);
  if (!checksumPattern.test(checksum)) throw forged("its checksum is of no known kind");
  if (checksum.startsWith("crc32+bytes:") !== (inline !== undefined)) throw forged("its checksum is not of its kind");
  // Base64 is four characters for three bytes: nothing is decoded, or allocated, for a length that is not true.
  if (inline !== undefined && inline.length !== 4 * Math.ceil(bytes / 3)) {
    throw forged(`it carries ${inline.length} characters for ${bytes} bytes`);
  }
  if (run !== ownRun) {
    throw new ShoalError("BadInput", `Cannot use tensor ${id}: it belongs to run ${run}, this is run ${ownRun}`);
  }
  const header: Header<D> = { run, id, dtype, shape, bytes, where };
  const ref = frozen(header, checksum, inline);
  if (inline === undefined) {
    if (checksum !== `crc32:${hex32(headerChecksum(header))}`) throw corrupt(id, "its header");
    lately[latelyAt(id)] = ref;
  }
  return ref;
}

/** The bytes that a checked reference carries, in memory of their own. Throws Corrupt where they are not as sealed. */
export function inlineBytes(ref: TensorRef): Uint8Array {
  const decoded = Buffer.from(ref.inline ?? "", "base64");
  const isWhole = decoded.byteLength === ref.bytes &&
    ref.checksum === `crc32+bytes:${hex32(crc32(decoded, headerChecksum(ref)))}`;
  if (!isWhole) throw corrupt(ref.id, "its header or its bytes");
  // A Buffer from the pool lies at any offset and beside other data: the tensor's array needs neither.
  return new Uint8Array(decoded);
}

/** Whether two checked references say the same of one id. A checksum is no signature: all of it is compared. */
export function isSameTensor(a: TensorRef, b: TensorRef): boolean {
  return a.id === b.id && a.checksum === b.checksum && a.dtype === b.dtype && a.bytes === b.bytes &&
    a.shape.length === b.shape.length && a.shape.every((size, index) => size === b.shape[index]);
}

const forged = (reason: string): ShoalError => new ShoalError("BadInput", `Cannot use reference: ${reason}`);
const corrupt = (id: string, what: string): ShoalError =>
  new ShoalError("Corrupt", `Cannot use tensor ${id}: ${what} and its checksum disagree`);
