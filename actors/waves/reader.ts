// The consumer: it did not make the fields, and reads every byte of them by reference.

import { createHash } from "node:crypto";
import { Actor, type TensorRef } from "../../runtime/mod.ts";

/** What one field says about itself. */
export interface Reading {
  readonly samples: number;
  readonly bytes: number;
  /** Root mean square of all values: what a wave of this period carries. */
  readonly strength: number;
  /** SHA-256 over the bytes: equal on every runtime, store and machine. */
  readonly digest: string;
  /** A small picture of the last step, `pictureSize` values a side, in −1 to 1. */
  readonly picture: Float32Array;
}

export const pictureSize = 36;

export class Reader extends Actor {
  /** Yields a reading a field, in order, while the next one is fetched. */
  async *read(fields: readonly TensorRef<"float64">[]): AsyncGenerator<Reading> {
    for await (const field of this.store.getMany(fields)) {
      const [steps = 0, , grid = 0] = field.shape;
      yield {
        samples: steps,
        bytes: field.ref.bytes,
        strength: strengthOf(field.data),
        digest: digestOf(field.data),
        picture: picture(field.data.subarray(field.data.length - grid * grid), grid),
      };
      field.done();
    }
  }
}

function strengthOf(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum / values.length);
}

function digestOf(values: Float64Array): string {
  return createHash("sha256").update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)).digest("hex");
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
