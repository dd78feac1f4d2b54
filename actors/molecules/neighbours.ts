// The model: the mean of the k nearest neighbours, weighted by distance, by Jaccard on packed bits. It learns by heart,
// and what is close to several is in between.

import { Actor, type TensorRef } from "../../runtime/mod.ts";
import { fingerprintWords } from "./chemistry.ts";
import type { Predictions, PredictTask, TrainTask } from "../trainer.ts";

/** What it learned: the fingerprints of the training set, and their values. */
export interface Neighbourhood {
  readonly bits: TensorRef<"uint32">;
  readonly values: TensorRef<"float64">;
}

export interface NeighboursInput {
  /** The fingerprints of all candidates, in their order. */
  readonly fingerprints: TensorRef<"uint32">;
  readonly k?: number;
}

const kDefault = 4;

export class Neighbours extends Actor {
  static readonly module: string = import.meta.url;
  readonly #fingerprints: TensorRef<"uint32">;
  readonly #k: number;

  constructor({ fingerprints, k = kDefault }: NeighboursInput) {
    super();
    this.#fingerprints = fingerprints;
    this.#k = k;
  }

  async train({ set }: TrainTask): Promise<Neighbourhood> {
    const space = (await this.store.get(this.#fingerprints)).data;
    const rows = (await this.store.get(set.rows)).data;
    const values = (await this.store.get(set.values)).data;
    const draft = await this.store.allocate("uint32", [rows.length, fingerprintWords]);
    rows.forEach((row, index) => {
      draft.data.set(space.subarray(row * fingerprintWords, (row + 1) * fingerprintWords), index * fingerprintWords);
    });
    // The set is released when all models are trained, and this one still needs its values.
    return { bits: await draft.seal(), values: await this.store.put({ data: values.slice(), dtype: "float64" }) };
  }

  async predict({ model, from, to }: PredictTask<Neighbourhood>): Promise<Predictions> {
    const space = (await this.store.get(this.#fingerprints)).data.subarray(
      from * fingerprintWords,
      to * fingerprintWords,
    );
    const bits = (await this.store.get(model.bits)).data;
    const values = (await this.store.get(model.values)).data;
    const draft = await this.store.allocate("float64", [to - from]);
    nearest(space, bits, values, this.#k, draft.data);
    return await draft.seal();
  }
}

/** Predicts each row of `space` from the rows of `bits` and their values. + − × ÷ only: the same on every machine. */
export function nearest(
  space: Uint32Array,
  bits: Uint32Array,
  values: Float64Array,
  k: number,
  out: Float64Array,
): void {
  const known = values.length;
  const taken = Math.min(k, known);
  const sizes = new Uint16Array(known);
  for (let row = 0; row < known; row++) sizes[row] = ones(bits, row * fingerprintWords);
  const distances = new Float64Array(taken);
  const owners = new Uint32Array(taken);
  for (let at = 0, index = 0; at < space.length; at += fingerprintWords, index++) {
    const size = ones(space, at);
    let held = 0;
    let farthest = Infinity;
    for (let row = 0, start = 0; row < known; row++, start += fingerprintWords) {
      const shared = onesInBoth(space, at, bits, start);
      const union = size + sizes[row]! - shared;
      // Two without a bit are alike.
      const distance = union === 0 ? 0 : 1 - shared / union;
      if (distance >= farthest) continue;
      // Sorted by distance; of two equally far the earlier one stays in front.
      let place = held < taken ? held++ : taken - 1;
      for (; place > 0 && distances[place - 1]! > distance; place--) {
        distances[place] = distances[place - 1]!;
        owners[place] = owners[place - 1]!;
      }
      distances[place] = distance;
      owners[place] = row;
      if (held === taken) farthest = distances[taken - 1]!;
    }
    out[index] = weighted(distances, owners, held, values);
  }
}

/** By 1/distance; those at no distance are the answer, and share it where there are several. */
function weighted(distances: Float64Array, owners: Uint32Array, held: number, values: Float64Array): number {
  let sum = 0;
  let weights = 0;
  const isExact = held > 0 && distances[0] === 0;
  for (let place = 0; place < held; place++) {
    if (isExact && distances[place] !== 0) break;
    const weight = isExact ? 1 : 1 / distances[place]!;
    sum += weight * values[owners[place]!]!;
    weights += weight;
  }
  return sum / weights;
}

/** How many bits of a fingerprint are set. */
function ones(words: Uint32Array, at: number): number {
  return onesInBoth(words, at, words, at);
}

function onesInBoth(one: Uint32Array, at: number, other: Uint32Array, start: number): number {
  let sum = 0;
  for (let word = 0; word < fingerprintWords; word += 2) {
    let low = one[at + word]! & other[start + word]!;
    let high = one[at + word + 1]! & other[start + word + 1]!;
    low -= low >>> 1 & 0x55555555;
    high -= high >>> 1 & 0x55555555;
    low = (low & 0x33333333) + (low >>> 2 & 0x33333333) + (high & 0x33333333) + (high >>> 2 & 0x33333333);
    // Up to 8 in each half byte, 16 in each byte.
    low = (low & 0x0f0f0f0f) + (low >>> 4 & 0x0f0f0f0f);
    sum += Math.imul(low, 0x01010101) >>> 24;
  }
  return sum;
}
