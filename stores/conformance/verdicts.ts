// How laws judge: what must be true, which error a call must end with, and what the bytes of a case are.
import { Buffer } from "node:buffer";
import { inspect } from "node:util";
import { arrayOver, elementBytes, tensorBytes } from "../dtype.ts";
import { type ErrorCode, isShoalError, type ShoalError } from "../error.ts";
import type { Arrays, Dtype, Tensor } from "../store.ts";
import type { Made } from "./arbitraries.ts";

export function hold(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

const shown = (value: unknown): string => inspect(value, { depth: 6, breakLength: Infinity, maxArrayLength: 20 });

/** Both are the same when written as JSON: what laws compare is plain data. */
export function same(found: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${what}: found ${shown(found)}, expected ${shown(wanted)}`);
  }
}

/** The error that a call ends with, which must be one of these codes. */
export async function refused(
  codes: ErrorCode | readonly ErrorCode[],
  what: string,
  call: () => unknown,
): Promise<ShoalError> {
  const wanted: readonly string[] = typeof codes === "string" ? [codes] : codes;
  let found: unknown;
  try {
    found = await call();
  } catch (error) {
    if (isShoalError(error) && wanted.includes(error.code)) return error;
    const said = isShoalError(error) ? `${error.code} (${error.message})` : shown(error);
    throw new Error(`${what}: ${wanted.join(" or ")} expected, got ${said}`, { cause: error });
  }
  throw new Error(`${what}: ${wanted.join(" or ")} expected, and it succeeded with ${shown(found).slice(0, 200)}`);
}

/** What became of a call that may be refused. */
export type Settled<T> = { readonly value: T } | { readonly error: ShoalError };

/** Settles a call; an error that is not one of shoal's breaks every law. */
export async function settled<T>(what: string, call: Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await call };
  } catch (error) {
    if (isShoalError(error)) return { error };
    throw new Error(`${what}: ended with what is no error of shoal's: ${shown(error)}`, { cause: error });
  }
}

export const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** The patterns of the tensors of a case that is under way: each is looked at several times. */
const patterns = new WeakMap<Made, Uint8Array>();
/** After so many bytes a pattern repeats itself, but for its stamps. */
const periodBytes = 2 ** 16;
/** How far apart the stamps are: no store cuts what it is given into pieces as small, or at a multiple of it. */
const stampBytes = 251;

/**
 * The bytes of a case's tensor, which are nobody's to write: no two positions near each other hold the same, no two
 * fills do, and no two pieces of 64 KiB or more, so that one in another's place shows.
 */
export function patternOf(made: Made): Uint8Array {
  const known = patterns.get(made);
  if (known !== undefined) return known;
  const { dtype, shape, fill } = made;
  const bytes = new Uint8Array(tensorBytes(dtype, shape));
  const first = Math.min(bytes.length, periodBytes);
  for (let index = 0; index < first; index++) bytes[index] = (fill + index * 31 + (index >> 8) * 7) & 255;
  for (let done = first; done < bytes.length; done *= 2) bytes.copyWithin(done, 0, done);
  for (let index = periodBytes; index < bytes.length; index += stampBytes) {
    bytes[index] = bytes[index]! + (index >> 16) * 13;
  }
  patterns.set(made, bytes);
  return bytes;
}

export function itemOf(made: Made): { data: Arrays[Dtype]; dtype: Dtype; shape: readonly number[] } {
  const bytes = patternOf(made).slice();
  return { data: arrayOver(made.dtype, bytes.buffer, 0, bytes.byteLength), dtype: made.dtype, shape: made.shape };
}

/** Where two arrays of one length differ first, or -1. */
function differenceOf(found: Uint8Array, wanted: Uint8Array): number {
  return Buffer.compare(found, wanted) === 0 ? -1 : found.findIndex((byte, index) => byte !== wanted[index]);
}

/** A tensor that was got is the one that was made: dtype, shape, length and every byte. */
export function isMade(tensor: Tensor, made: Made, what: string): void {
  const { dtype, shape } = made;
  const isAlike = tensor.dtype === dtype && tensor.shape.length === shape.length &&
    tensor.shape.every((size, index) => size === shape[index]);
  if (!isAlike) same([tensor.dtype, tensor.shape], [dtype, shape], `${what}: dtype and shape`);
  const found = bytesOf(tensor.data);
  const wanted = patternOf(made);
  hold(found.length === wanted.length, `${what}: ${found.length} of ${wanted.length} bytes`);
  const at = differenceOf(found, wanted);
  hold(at < 0, `${what}: byte ${at} of ${wanted.length} is ${found[at]}, not ${wanted[at]}`);
  const elements = wanted.length / elementBytes(dtype);
  hold(
    tensor.data.length % Math.max(1, elements) === 0,
    `${what}: ${tensor.data.length} numbers, ${elements} elements`,
  );
}
