// The table of element types, and what a shape of them may be. The one place that knows how wide an element is.
import { ShoalError } from "./error.ts";
import type { Arrays, Dtype, Item } from "./store.ts";

/** Makes the array of a dtype, over memory of its own or over a part of a buffer. */
export interface ArrayMaker<A> {
  readonly BYTES_PER_ELEMENT: number;
  readonly name: string;
  new (length: number): A;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): A;
}

interface Kind<D extends Dtype> {
  readonly array: ArrayMaker<Arrays[D]>;
  /** Numbers of the array in one element: two for the complex types. */
  readonly perElement: number;
}

const kinds: { readonly [D in Dtype]: Kind<D> } = {
  bool: { array: Uint8Array, perElement: 1 },
  int8: { array: Int8Array, perElement: 1 },
  int16: { array: Int16Array, perElement: 1 },
  int32: { array: Int32Array, perElement: 1 },
  int64: { array: BigInt64Array, perElement: 1 },
  uint8: { array: Uint8Array, perElement: 1 },
  uint16: { array: Uint16Array, perElement: 1 },
  uint32: { array: Uint32Array, perElement: 1 },
  uint64: { array: BigUint64Array, perElement: 1 },
  float16: { array: Uint16Array, perElement: 1 },
  bfloat16: { array: Uint16Array, perElement: 1 },
  float32: { array: Float32Array, perElement: 1 },
  float64: { array: Float64Array, perElement: 1 },
  complex64: { array: Float32Array, perElement: 2 },
  complex128: { array: Float64Array, perElement: 2 },
};

/** Every dtype, in the order of `Dtype`. */
export const dtypes: readonly Dtype[] = Object.keys(kinds).filter(isDtype);

/** More dimensions than anybody has; bounds what a reference weighs. */
export const dimensionsMax = 32;

// What an array of each class holds when nothing else is said. By tag and not by constructor: a Buffer is a Uint8Array,
// and an array of another realm is still an array.
const inferred: ReadonlyMap<string, Dtype> = new Map([
  ["Int8Array", "int8"],
  ["Int16Array", "int16"],
  ["Int32Array", "int32"],
  ["BigInt64Array", "int64"],
  ["Uint8Array", "uint8"],
  ["Uint16Array", "uint16"],
  ["Uint32Array", "uint32"],
  ["BigUint64Array", "uint64"],
  ["Float32Array", "float32"],
  ["Float64Array", "float64"],
]);

export function isDtype(value: unknown): value is Dtype {
  return typeof value === "string" && Object.hasOwn(kinds, value);
}

/** Bytes of one element. */
export function elementBytes(dtype: Dtype): number {
  const kind = kinds[dtype];
  return kind.array.BYTES_PER_ELEMENT * kind.perElement;
}

/** The array of a dtype over `bytes` bytes of a buffer, in place. */
export function arrayOver<D extends Dtype>(
  dtype: D,
  buffer: ArrayBufferLike,
  byteOffset: number,
  bytes: number,
): Arrays[D] {
  const { array } = kinds[dtype];
  return new array(buffer, byteOffset, bytes / array.BYTES_PER_ELEMENT);
}

/** How many elements a shape has; a shape of no dimensions has one. Throws BadInput where it is no shape. */
export function elementCount(shape: readonly number[]): number {
  if (!Array.isArray(shape)) throw badInput("Cannot use shape: not an array of numbers");
  if (shape.length > dimensionsMax) {
    throw badInput(`Cannot use shape: ${shape.length} dimensions, at most ${dimensionsMax}`);
  }
  // Bounded without the zeros too: [0, 2^53, 2^53, …] holds nothing, but would be written down in 500 characters.
  let product = 1;
  let isEmpty = false;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw badInput(`Cannot use shape: ${describe(size)} is not a whole number from 0 to 2^53 - 1`);
    }
    if (size === 0) isEmpty = true;
    else product *= size;
    if (product > Number.MAX_SAFE_INTEGER) throw badInput("Cannot use shape: more than 2^53 - 1 elements");
  }
  return isEmpty ? 0 : product;
}

/** Bytes of a tensor. Throws BadInput where dtype or shape are none, or where they come to 2^53 bytes or more. */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): number {
  if (!isDtype(dtype)) throw badInput(`Cannot use dtype: unknown: ${describe(dtype)}`);
  const bytes = elementCount(shape) * elementBytes(dtype);
  if (bytes > Number.MAX_SAFE_INTEGER) throw badInput("Cannot use shape: 2^53 bytes or more");
  return bytes;
}

/** What an item to put comes to, all of it said. */
export interface Layout<D extends Dtype> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** Completes an item from its array, and refuses one whose dtype, shape and array do not belong together. */
export function layoutOf<D extends Dtype>(item: Item<D>): Layout<D> {
  const { data } = item;
  const tag = ArrayBuffer.isView(data) ? Reflect.get(data, Symbol.toStringTag) : undefined;
  const own = typeof tag === "string" ? inferred.get(tag) : undefined;
  if (own === undefined) {
    throw badInput(`Cannot put tensor: ${typeof tag === "string" ? tag : describe(data)} is not an array of a dtype`);
  }
  const dtype = item.dtype ?? own;
  if (!isDtype(dtype)) throw badInput(`Cannot put tensor: unknown dtype: ${describe(dtype)}`);
  const kind = kinds[dtype];
  if (kind.array.name !== tag) {
    throw badInput(`Cannot put tensor: ${dtype} is held in a ${kind.array.name}, not in a ${tag}`);
  }
  const shape = item.shape === undefined ? [data.length / kind.perElement] : [...item.shape];
  const bytes = tensorBytes(dtype, shape);
  if (bytes !== data.byteLength) {
    throw badInput(
      `Cannot put tensor: ${dtype} [${shape}] takes ${bytes} bytes, the array holds ${data.byteLength}`,
    );
  }
  return { dtype: asked(item, dtype), shape, bytes };
}

/** The dtype that was inferred from an array of type `Arrays[D]` is a `D`, which the compiler cannot see. */
function asked<D extends Dtype>(item: Item<D>, dtype: Dtype): D {
  if (item.dtype !== undefined) return item.dtype;
  return dtype as D;
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return typeof value === "number" || value === undefined || value === null ? `${value}` : typeof value;
}

const badInput = (message: string): ShoalError => new ShoalError("BadInput", message);
