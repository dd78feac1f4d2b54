// The arrays that a message may carry by value, by the names they have on the way.

import type { SmallArray } from "../ref.ts";

export type ArrayName = SmallArray[typeof Symbol.toStringTag];

interface ArrayType {
  new (length: number): SmallArray;
  readonly prototype: object;
  readonly BYTES_PER_ELEMENT: number;
}

const arrayTypes: { readonly [K in ArrayName]: ArrayType } = {
  Int8Array: Int8Array,
  Uint8Array: Uint8Array,
  Uint8ClampedArray: Uint8ClampedArray,
  Int16Array: Int16Array,
  Uint16Array: Uint16Array,
  Int32Array: Int32Array,
  Uint32Array: Uint32Array,
  Float32Array: Float32Array,
  Float64Array: Float64Array,
  BigInt64Array: BigInt64Array,
  BigUint64Array: BigUint64Array,
};

const names: ReadonlyMap<object, ArrayName> = new Map(
  Object.entries(arrayTypes).map(([name, type]) => [type.prototype, name as ArrayName]),
);

/** The name of an array's type; nothing for what is no such array, or one of a class of its own. */
export function arrayName(value: object): ArrayName | undefined {
  // A Buffer is the bytes that it is.
  return Buffer.isBuffer(value) ? "Uint8Array" : names.get(Object.getPrototypeOf(value));
}

export function isArrayName(name: unknown): name is ArrayName {
  return typeof name === "string" && Object.hasOwn(arrayTypes, name);
}

/** A copy that owns its memory. Throws where the array has lost its own. */
export function copyArray(value: SmallArray, name: ArrayName): SmallArray {
  const copy = emptyArray(name, value.length);
  bytesOf(copy).set(bytesOf(value));
  return copy;
}

export function emptyArray(name: ArrayName, length: number): SmallArray {
  return new arrayTypes[name](length);
}

export function elementBytes(name: ArrayName): number {
  return arrayTypes[name].BYTES_PER_ELEMENT;
}

export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
