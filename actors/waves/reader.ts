// The consumer: it did not make the fields, and reads every byte of them, in their order.

import { Actor, type ActorRef, type TensorRef } from "../../runtime/mod.ts";
import { once } from "../training/arrivals.ts";
import type { Numbers } from "../training/network.ts";
import { checksum } from "./checksum.ts";
import type { Online, WaveArrival } from "./online.ts";
import { partsOf } from "./pieces.ts";
import type { Shelf } from "./shelf.ts";

/** What one field, or some steps of one, says about itself. */
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

interface Coming {
  readonly shelf: ActorRef<Shelf>;
  readonly grid: number;
  readonly online: Online;
  /** Whether the samples are needed again. */
  readonly keeps: boolean;
}

interface Field {
  readonly data: Numbers;
  done(): void;
}

export class Reader extends Actor {
  static readonly module: string = import.meta.url;

  /** Yields a reading a field, in order, while the next one is fetched. */
  async *read(fields: readonly TensorRef<"float64">[]): AsyncGenerator<Reading> {
    const [first] = fields;
    const grid = first?.shape.at(-1) ?? 0;
    yield* readings(this.store.getMany(fields), grid);
  }

  /** As `read`, of all samples of a run, wherever its transport has them. */
  async *readAll({ shelf, grid }: { readonly shelf: ActorRef<Shelf>; readonly grid: number }): AsyncGenerator<Reading> {
    const parts = await partsOf(shelf, this.store, grid);
    yield* readings(ahead(parts.map(({ fetch }) => fetch)), grid);
  }

  /** As `readAll`, of samples as they come. */
  async *readComing({ shelf, grid, online, keeps }: Coming): AsyncGenerator<Reading> {
    const { store } = this;
    const reading = this.topic<WaveArrival>(online.topic).read();
    async function* fields(): AsyncGenerator<Field> {
      for await (const { samples } of sorted(once(reading))) {
        const tensor = await store.get(samples);
        yield tensor;
        if (!keeps) await shelf.tell("done", { samples, readers: online.readers });
      }
    }
    try {
      yield* readings(fields(), grid);
    } finally {
      await reading.close();
    }
  }
}

/** What came, in the order of the run: what comes too early waits, in the store. */
async function* sorted(coming: AsyncIterable<WaveArrival>): AsyncGenerator<WaveArrival> {
  const early = new Map<number, WaveArrival>();
  let next = 0;
  for await (const arrival of coming) {
    early.set(arrival.first, arrival);
    for (let found = early.get(next); found !== undefined; found = early.get(next)) {
      early.delete(next);
      next += found.samples.shape[0] ?? 0;
      yield found;
    }
  }
}

async function* readings(fields: AsyncIterable<Field>, grid: number): AsyncGenerator<Reading> {
  const sum = await checksum();
  let asked = performance.now();
  for await (const field of fields) {
    const getSeconds = (performance.now() - asked) / 1000;
    const values = field.data as Float64Array;
    sum.update(littleEndian(values));
    yield {
      samples: values.length / (2 * grid * grid),
      bytes: values.byteLength,
      getSeconds,
      strength: strengthOf(values),
      checksum: sum.digest(),
      picture: picture(values.subarray(values.length - grid * grid), grid),
    };
    field.done();
    asked = performance.now();
  }
}

/** One after the other, the next always under way. */
async function* ahead<T>(calls: readonly (() => Promise<T>)[]): AsyncGenerator<T> {
  let next = calls[0]?.();
  for (const index of calls.keys()) {
    const current = await next!;
    next = calls[index + 1]?.();
    next?.catch(() => {});
    yield current;
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
