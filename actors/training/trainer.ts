// The trainer: an actor that builds a network, learns from references or from what comes over a topic, and says after each
// epoch how far it is. What it has learnt leaves as references too: checkpoints to go on from, and weights.

import { Actor, ShoalError, type TensorRef } from "../../runtime/mod.ts";
import { type Arrival, type Arrivals, arrivals, epochsOf } from "./arrivals.ts";
import type { Epoch, Network, Schedule } from "./network.ts";
import { pairsOf } from "./pairs.ts";
import { gone, type NetworkInput, ready } from "./setup.ts";
import type { Window } from "./window.ts";

/** What it learns from, and for how long. */
export interface TrainerTask extends Omit<Schedule, "signal"> {
  /** Tensors of shape (samples, 2, …): each sample an input and its target. */
  readonly pairs?: readonly TensorRef[];
  /** Instead of those, a topic that tells of such tensors, each an `Arrival`, and how many samples it will tell of. */
  readonly coming?: { readonly topic: string; readonly samples: number };
  /** More of them, that it does not learn from but is judged by. */
  readonly validation?: readonly TensorRef[];
  /** Puts a checkpoint into the store after each so many epochs; 0, as unless said, never. */
  readonly checkpointEpochs?: number;
  /** Where to go on from. */
  readonly checkpoint?: TensorRef<"uint8">;
  /** Ends before `epochs` when nothing has become better for so many epochs; then the best weights count. */
  readonly patienceEpochs?: number;
  /** Less than this is not better; 0 unless said. */
  readonly betterBy?: number;
  /** What fits in here is fetched once; of more, only what is being learnt from is held. 256 MiB unless said. */
  readonly heldBytesMax?: number;
}

/** How far a training is. */
export interface Progress extends Epoch {
  /** The mean loss over the validation samples. */
  readonly validationLoss?: number;
  readonly checkpoint?: TensorRef<"uint8">;
}

/** What a training came to. */
export interface Trained {
  readonly epochs: readonly Progress[];
  /** A safetensors file. */
  readonly weights: TensorRef<"uint8">;
  readonly stoppedEarly: boolean;
}

/** A network as TensorFlow.js saves it, which `loadLayersModel` reads: the two files of it. */
export interface SavedModel {
  /** `model.json`. */
  readonly model: TensorRef<"uint8">;
  /** `weights.bin`. */
  readonly weights: TensorRef<"uint8">;
}

/** What a trainer is. */
export interface About {
  readonly backend: string;
  /** A sentence for the output. */
  readonly said: string;
  readonly parameters: number;
  readonly epoch: number;
}

/** The checkpoints that a training leaves in the store: one more than the last, since the word of that may be lost. */
const checkpointsKept = 2;

/**
 * Spawn it with `supervision: { on: "resume" }` where it is given several tasks: one that is refused then costs nothing
 * of what was learnt before it.
 */
export class Trainer extends Actor {
  static readonly module: string = import.meta.url;
  readonly #input: NetworkInput;
  #network: Network | undefined;
  #said = "";

  constructor(input: NetworkInput) {
    super();
    this.#input = input;
  }

  async started(): Promise<void> {
    const { network, said } = await ready(this.self.id, this.#input);
    this.#network = network;
    this.#said = said;
    this.log.info(said);
  }

  stopping(): void {
    gone(this.self.id);
  }

  about(): About {
    const { backend, parameters, epoch } = this.#trained;
    return { backend, said: this.#said, parameters, epoch };
  }

  /** Learns, and yields after each epoch; whoever does not want the next one stops asking. */
  async *train(task: TrainerTask): AsyncGenerator<Progress, Trained> {
    const { checkpointEpochs = 0, patienceEpochs, betterBy = 0, checkpoint, heldBytesMax, ...schedule } = task;
    const network = this.#trained;
    const pairs = await this.#source(task);
    const validation = task.validation === undefined
      ? undefined
      : await pairsOf(this.store, task.validation, heldBytesMax);
    if (checkpoint !== undefined) await this.restore(checkpoint);

    const epochs: Progress[] = [];
    const kept: TensorRef<"uint8">[] = [];
    let best: { loss: number; epoch: number; weights: Uint8Array } | undefined;
    let stoppedEarly = false;
    const { store, signal } = this;
    try {
      for await (const epoch of epochsOf(network, pairs, { ...schedule, signal }, { store, heldBytesMax })) {
        const validationLoss = validation === undefined
          ? undefined
          : await network.evaluate(validation, schedule.batch);
        const isDue = checkpointEpochs > 0 && epoch.epoch % checkpointEpochs === 0;
        const made = isDue ? await this.checkpoint() : undefined;
        if (made !== undefined && kept.push(made) > checkpointsKept) await this.store.release(kept.shift()!);
        const progress = {
          ...epoch,
          ...validationLoss !== undefined && { validationLoss },
          ...made !== undefined && { checkpoint: made },
        };
        epochs.push(progress);
        yield progress;
        if (patienceEpochs === undefined) continue;
        const loss = validationLoss ?? epoch.loss;
        if (best === undefined || loss < best.loss - betterBy) {
          best = { loss, epoch: epoch.epoch, weights: await network.weights() };
        } else if (epoch.epoch - best.epoch >= patienceEpochs) {
          stoppedEarly = true;
          break;
        }
      }
    } finally {
      if ("inOrder" in pairs) pairs.close();
    }
    if (best !== undefined) await network.load(best.weights);
    return { epochs, weights: await this.weights(), stoppedEarly };
  }

  /** As `train`, for those who wait for the end only. */
  async fit(task: TrainerTask): Promise<Trained> {
    const training = this.train(task);
    for (;;) {
      const { done, value } = await training.next();
      if (done === true) return value;
    }
  }

  /** The weights, as a safetensors file in the store. */
  async weights(): Promise<TensorRef<"uint8">> {
    return await this.store.put({ data: await this.#trained.weights(), dtype: "uint8" });
  }

  async load(weights: TensorRef<"uint8">): Promise<void> {
    await this.#trained.load((await this.store.get(weights)).data);
  }

  /** All that it takes to go on as if nothing had happened. */
  async checkpoint(): Promise<TensorRef<"uint8">> {
    return await this.store.put({ data: await this.#trained.checkpoint(), dtype: "uint8" });
  }

  async restore(checkpoint: TensorRef<"uint8">): Promise<void> {
    await this.#trained.restore((await this.store.get(checkpoint)).data);
  }

  /** The network as TensorFlow.js saves it, to be used without shoal. */
  async saved(): Promise<SavedModel> {
    const { model, weights } = await this.#trained.saved();
    return {
      model: await this.store.put({ data: model, dtype: "uint8" }),
      weights: await this.store.put({ data: weights, dtype: "uint8" }),
    };
  }

  /** What is there, or what will come. */
  async #source({ pairs, coming, heldBytesMax }: TrainerTask): Promise<Window | Arrivals> {
    if (coming === undefined) return await pairsOf(this.store, pairs ?? [], heldBytesMax);
    const { topic, samples: count } = coming;
    const wrong = pairs !== undefined
      ? "both pairs and a topic are given; leave one out"
      : Number.isSafeInteger(count) && count > 0
      ? undefined
      : `coming.samples is ${String(count)}, expected a whole number from 1`;
    if (wrong !== undefined) throw new ShoalError("BadInput", `Cannot train: ${wrong}`);
    const { inputShape: shape } = this.#trained;
    return arrivals({ store: this.store, topic: this.topic<Arrival>(topic), count, shape, done() {} });
  }

  get #trained(): Network {
    if (this.#network === undefined) throw new ShoalError("Unavailable", "Cannot train: the network is not built yet");
    return this.#network;
  }
}
