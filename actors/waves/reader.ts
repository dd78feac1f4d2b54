// The consumer: it did not make the fields, and reads every byte of them by reference.

import { Actor, type TensorRef } from "../../runtime/mod.ts";
import { checksum } from "./checksum.ts";

/** What one field says about itself. */
export interface Reading {
  readonly samples: number;
  readonly bytes: number;
  /** How long the reader waited for it. */
  readonly getSeconds: number;
  /** Root mean square of all values: what a wave of this period carries. */
  readonly strength: number;
  /** XXH64 over the bytes of all fields so far, little-endian: equal on every runtime, store and machine. */
  readonly checksum: string;
  /** A small picture of the last step, `pictureSize` values a side, in −1 to 1. */
  readonly picture: Float32Array;
}

export const pictureSize = 36;

export class Reader extends Actor {
  static readonly module: string = import.meta.url;

  /** Yields a reading a field, in order, while the next one is fetched. */
  async *read(fields: readonly TensorRef<"float64">[]): AsyncGenerator<Reading> {
    const sum = await checksum();
    let asked = performance.now();
    for await (const field of this.store.getMany(fields)) {
      const getSeconds = (performance.now() - asked) / 1000;
      const [steps = 0, , grid = 0] = field.shape;
      sum.update(littleEndian(field.data));
      yield {
        samples: steps,
        bytes: field.ref.bytes,
        getSeconds,
        strength: strengthOf(field.data),
        checksum: sum.digest(),
        picture: picture(field.data.subarray(field.data.length - grid * grid), grid),
      };
      field.done();
      asked = performance.now();
    }
  }
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function littleEndian(values: Float64Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (isLittleEndian) return bytes;
  const swapped = bytes.slice();
  for (let i = 0; i < swapped.length; i += 8) swapped.subarray(i, i + 8).reverse();
  return swapped;
}

function strengthOf(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum / values.length);
}

function picture(values: Float64Array, grid: number): Float32Array {
  const result = new Float32Array(pictureSize * pictureSize);
  for (let row = 0; row < pictureSize; row++) {
    for (let column = 0; column < pictureSize; column++) {
      const y = Math.floor(row * grid / pictureSize);
      const x = Math.floor(column * grid / pictureSize);
      result[row * pictureSize + column] = values[y * grid + x]!;
    }
  }
  return result;
}
