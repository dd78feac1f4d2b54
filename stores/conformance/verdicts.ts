// How laws judge: what must be true, which error a call must end with, and what the bytes of a case are.
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

/** The bytes of a case's tensor: no two positions near each other hold the same, nor do two fills. */
export function patternOf({ dtype, shape, fill }: Made): Uint8Array {
  const bytes = new Uint8Array(tensorBytes(dtype, shape));
  for (let index = 0; index < bytes.length; index++) bytes[index] = (fill + index * 31 + (index >> 8) * 7) & 255;
  return bytes;
}

export function itemOf(made: Made): { data: Arrays[Dtype]; dtype: Dtype; shape: readonly number[] } {
  const bytes = patternOf(made);
  return { data: arrayOver(made.dtype, bytes.buffer, 0, bytes.byteLength), dtype: made.dtype, shape: made.shape };
}

/** A tensor that was got is the one that was made: dtype, shape, length and every byte. */
export function isMade(tensor: Tensor, made: Made, what: string): void {
  same([tensor.dtype, tensor.shape], [made.dtype, made.shape], `${what}: dtype and shape`);
  const found = bytesOf(tensor.data);
  const wanted = patternOf(made);
  hold(found.length === wanted.length, `${what}: ${found.length} of ${wanted.length} bytes`);
  const at = found.findIndex((byte, index) => byte !== wanted[index]);
  hold(at < 0, `${what}: byte ${at} of ${wanted.length} is ${found[at]}, not ${wanted[at]}`);
  const elements = wanted.length / elementBytes(made.dtype);
  hold(
    tensor.data.length % Math.max(1, elements) === 0,
    `${what}: ${tensor.data.length} numbers, ${elements} elements`,
  );
}
