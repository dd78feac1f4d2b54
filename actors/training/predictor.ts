// Actors that use what a trainer has learnt: one answers inputs, one compares answers with the truth.

import { Actor, ShoalError, type TensorRef, type Tensors } from "../../runtime/mod.ts";
import type { LossName, Network } from "./network.ts";
import { pairsOf } from "./pairs.ts";
import { batchesOf, inOrder, numbersOf, sizeOf } from "./samples.ts";
import { gone, type NetworkInput, ready } from "./setup.ts";

/** Which network, and what it has learnt. */
export interface LearntInput extends Pick<NetworkInput, "model" | "backend" | "gpus"> {
  readonly weights: TensorRef<"uint8">;
}

async function learnt(
  actor: string,
  { weights, ...input }: LearntInput & { readonly loss?: LossName },
  store: Tensors,
): Promise<Network> {
  const { network } = await ready(actor, input);
  await network.load((await store.get(weights)).data);
  return network;
}

export interface PredictorTask {
  /** A tensor of shape (count, …): one input after the other. */
  readonly inputs: TensorRef;
  /** Inputs that are answered at a time; 32 unless said. */
  readonly batch?: number;
}

export interface RolloutTask {
  /** One input; what it is answered with is the next. */
  readonly from: TensorRef;
  readonly steps: number;
}

/** Answers inputs. */
export class Predictor extends Actor {
  static readonly module: string = import.meta.url;
  readonly #input: LearntInput;
  #network: Network | undefined;

  constructor(input: LearntInput) {
    super();
    this.#input = input;
  }

  async started(): Promise<void> {
    this.#network = await learnt(this.self.id, this.#input, this.store);
  }

  stopping(): void {
    gone(this.self.id);
  }

  /** The answers, of shape (count, …). */
  async predict({ inputs, batch = 32 }: PredictorTask): Promise<TensorRef<"float32">> {
    const network = this.#network!;
    const tensor = await this.store.get(inputs);
    const count = tensor.shape[0] ?? 0;
    const data = await network.predict(numbersOf(tensor), count, batch);
    return await this.store.put({ data, dtype: "float32", shape: [count, ...network.outputShape] });
  }

  /** What becomes of one input when each answer is asked about in its turn: of shape (steps, …). */
  async rollout({ from, steps }: RolloutTask): Promise<TensorRef<"float32">> {
    const network = this.#network!;
    const size = sizeOf(network.outputShape);
    if (size !== sizeOf(network.inputShape)) {
      throw new ShoalError("BadInput", "Cannot roll out: the model's answers are not of the shape of its inputs");
    }
    if (!Number.isSafeInteger(steps) || steps < 1) {
      throw new ShoalError("BadInput", `Cannot roll out: steps is ${steps}, expected a whole number from 1`);
    }
    const draft = await this.store.allocate("float32", [steps, ...network.outputShape]);
    let last = numbersOf(await this.store.get(from));
    for (let step = 0; step < steps; step++) {
      last = await network.predict(last, 1);
      draft.data.set(last, step * size);
    }
    return await draft.seal();
  }
}

/** How good a network is. */
export interface Evaluation {
  readonly samples: number;
  /** The mean loss. */
  readonly loss: number;
  /** The mean squared error of saying that nothing changes, where inputs and targets are of one shape. */
  readonly unchanged: number;
}

const judgedTogether = 32;

/** Compares answers with the truth. */
export class Evaluator extends Actor {
  static readonly module: string = import.meta.url;
  readonly #input: LearntInput & { readonly loss?: LossName };
  #network: Network | undefined;

  constructor(input: LearntInput & { readonly loss?: LossName }) {
    super();
    this.#input = input;
  }

  async started(): Promise<void> {
    this.#network = await learnt(this.self.id, this.#input, this.store);
  }

  stopping(): void {
    gone(this.self.id);
  }

  /** Tensors of shape (samples, 2, …): each sample an input and its target. */
  async evaluate(pairs: readonly TensorRef[]): Promise<Evaluation> {
    const samples = await pairsOf(this.store, pairs);
    const loss = await this.#network!.evaluate(samples);
    let [sum, numbers] = [0, 0];
    for await (const chosen of batchesOf(samples, inOrder(samples.count), judgedTogether)) {
      for (const index of chosen) {
        const [input, target] = [samples.input(index), samples.target(index)];
        for (let i = 0; i < input.length; i++) sum += (target[i]! - input[i]!) ** 2;
        numbers += input.length;
      }
    }
    samples.close();
    return { samples: samples.count, loss, unchanged: sum / numbers };
  }
}
