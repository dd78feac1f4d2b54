// The other model: one network of an ensemble, on the bits of fingerprints. Each of them begins with other weights and
// sees another draw of the training set, so that their spread says how little is known.

import { Actor, random, type TensorRef } from "../../runtime/mod.ts";
import type { Predictions, PredictTask, TrainTask } from "../trainer.ts";
import { openBackend } from "../training/backends.ts";
import type { Network } from "../training/network.ts";
import { network } from "../training/networks.ts";
import type { LayersModel, Library } from "../training/tensorflow.ts";
import { fingerprintBits, fingerprintWords } from "./chemistry.ts";

/** What one network learned, and what its answers are multiples of. */
export interface Learnt {
  readonly weights: TensorRef<"uint8">;
  readonly mean: number;
  readonly spread: number;
}

export interface EnsembleInput {
  /** The fingerprints of all candidates, in their order. */
  readonly fingerprints: TensorRef<"uint32">;
  readonly epochs: number;
  readonly learningRate: number;
}

/** Large, since steps are what costs time with so few examples. */
const batch = 128;
const predictBatch = 1024;

export class Ensemble extends Actor {
  static readonly module: string = import.meta.url;
  readonly #input: EnsembleInput;
  /** The network that predicts, with the weights of one model after the other. */
  #answering: Network | undefined;

  constructor(input: EnsembleInput) {
    super();
    this.#input = input;
  }

  async train({ seed, set }: TrainTask): Promise<Learnt> {
    const { fingerprints, epochs } = this.#input;
    const space = (await this.store.get(fingerprints)).data;
    const rows = (await this.store.get(set.rows)).data;
    const values = (await this.store.get(set.values)).data;
    const dice = random(seed);
    const count = rows.length;
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count) || 1;
    const inputs = new Float32Array(count * fingerprintBits);
    const targets = new Float32Array(count);
    for (let index = 0; index < count; index++) {
      const drawn = dice.below(count);
      spreadBits(space, rows[drawn]!, inputs, index);
      targets[index] = (values[drawn]! - mean) / spread;
    }
    const made = await this.#made(dice.below(2 ** 31));
    try {
      const examples = { count, inputShape: [fingerprintBits], targetShape: [1], inputs, targets };
      for await (const _ of made.train(examples, { epochs, batch, signal: this.signal })) {
        // An epoch says its loss; nobody here asks for it.
      }
      const weights = await this.store.put({ data: await made.weights(), dtype: "uint8" });
      return { weights, mean, spread };
    } finally {
      made.dispose();
    }
  }

  async predict({ model: { weights, mean, spread }, from, to }: PredictTask<Learnt>): Promise<Predictions> {
    const space = (await this.store.get(this.#input.fingerprints)).data;
    const inputs = new Float32Array((to - from) * fingerprintBits);
    for (let row = from; row < to; row++) spreadBits(space, row, inputs, row - from);
    this.#answering ??= await this.#made(0);
    await this.#answering.load((await this.store.get(weights)).data);
    const answers = await this.#answering.predict(inputs, to - from, predictBatch);
    const draft = await this.store.allocate("float64", [to - from]);
    answers.forEach((answer, index) => draft.data[index] = mean + spread * answer);
    return await draft.seal();
  }

  stopping(): void {
    this.#answering?.dispose();
  }

  async #made(seed: number): Promise<Network> {
    return await network(await openBackend(), perceptron, {}, { seed, learningRate: this.#input.learningRate });
  }
}

function perceptron({ layers }: Library): LayersModel {
  return layers.sequential({
    layers: [
      layers.layers.dense({ units: 64, activation: "relu", inputShape: [fingerprintBits] }),
      layers.layers.dense({ units: 32, activation: "relu" }),
      layers.layers.dense({ units: 1 }),
    ],
  });
}

/** The bits of one fingerprint as zeros and ones. */
function spreadBits(space: Uint32Array, row: number, out: Float32Array, index: number): void {
  for (let bit = 0; bit < fingerprintBits; bit++) {
    out[index * fingerprintBits + bit] = space[row * fingerprintWords + (bit >>> 5)]! >>> (bit & 31) & 1;
  }
}
