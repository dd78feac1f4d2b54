// One who trains: it takes a network at a time, reads every sample of the run, and says how it went.

import { Actor, type ActorRef, ShoalError, type TensorRef } from "../../runtime/mod.ts";
import { type Arrival, type Arrivals, arrivals, epochsOf } from "../training/arrivals.ts";
import { openBackend } from "../training/backends.ts";
import type { BackendName, Network, Numbers } from "../training/network.ts";
import { batchesOf, checkFinite, inOrder } from "../training/samples.ts";
import { gone, ready } from "../training/setup.ts";
import { type Window, windowOn } from "../training/window.ts";
import { markBytesMax, type Marks } from "./marks.ts";
import type { Online } from "./online.ts";
import { processOf } from "./places.ts";
import { partsOf } from "./pieces.ts";
import type { Shelf } from "./shelf.ts";
import { type Times, timesOfAll } from "./times.ts";
import { startTorch } from "./torch.ts";

export interface LearnerInput {
  readonly shelf: ActorRef<Shelf>;
  /** Where it is kept how far a network has come; nowhere, where there is no run directory. */
  readonly marks?: ActorRef<Marks>;
  /** Where samples are told of while simulations run; nowhere, where all are there before anybody learns. */
  readonly online?: Online;
  /** Whether it will learn, or only read. */
  readonly trains: boolean;
  readonly trainer: "tfjs" | "pytorch";
  readonly backend?: BackendName;
}

/** One network. Plain values, the same for the same network: a resumed run finds by them what it had learnt. */
export interface LearnerTask {
  readonly index: number;
  readonly kernel: number;
  readonly grid: number;
  readonly samples: number;
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
}

export interface Learnt {
  readonly kernel: number;
  readonly parameters: number;
  /** The mean over the last epoch. */
  readonly loss?: number;
  /** Pairs that it has seen in each epoch. */
  readonly samples: number;
  readonly bytes: number;
  readonly backend: string;
  readonly said: string;
  readonly seconds: number;
  readonly computeSeconds: number;
  /** What it waited for its samples, each transfer. */
  readonly get: Times;
  readonly weights?: TensorRef<"uint8">;
  readonly process: string;
}

type Source = Window | Arrivals;

/** One way of learning. */
interface Work {
  readonly backend: string;
  readonly said: string;
  run(source: Source): Promise<Pick<Learnt, "parameters" | "samples" | "loss" | "weights">>;
  end(): void;
}

export class Learner extends Actor {
  static readonly module: string = import.meta.url;
  readonly #input: LearnerInput;

  constructor(input: LearnerInput) {
    super();
    this.#input = input;
  }

  /** Opens the backend, so that no training waits for it, and what is missing is told before anybody simulates. */
  async started(): Promise<void> {
    const { trains, trainer } = this.#input;
    if (!trains) return;
    if (trainer === "tfjs") await openBackend(this.#backend());
    else (await startTorch()).end();
  }

  stopping(): void {
    gone(this.self.id);
  }

  async learn(task: LearnerTask): Promise<Learnt> {
    const { grid, kernel, epochs, samples } = task;
    const work = epochs === 0 ? this.#reading() : await this.#work(task);
    const began = performance.now();
    const source = this.#input.online === undefined
      ? await this.#window(task)
      : this.#arrivals(task, this.#input.online);
    try {
      const learnt = await work.run(source);
      const seconds = (performance.now() - began) / 1000;
      return {
        kernel,
        bytes: samples * 2 * grid * grid * Float64Array.BYTES_PER_ELEMENT,
        backend: work.backend,
        said: work.said,
        seconds,
        computeSeconds: seconds - source.waited.sum,
        get: timesOfAll([source.waited]),
        process: processOf(this.self.id),
        ...learnt,
      };
    } finally {
      source.close();
      work.end();
    }
  }

  /** What learns, ready to begin. */
  async #work(task: LearnerTask): Promise<Work> {
    const { grid, kernel, learningRate, seed } = task;
    if (this.#input.trainer === "pytorch") return await this.#torch(task);
    const model = { module: "cnn", input: { grid, kernel } };
    const { network, said } = await ready(this.self.id, { model, learningRate, seed, ...this.#backend() });
    return {
      backend: network.backend,
      said,
      run: async (source) => ({ parameters: network.parameters, ...await this.#train(network, task, source) }),
      end: () => gone(this.self.id),
    };
  }

  async #torch(task: LearnerTask): Promise<Work> {
    const torch = await startTorch();
    const end = (): void => torch.end();
    this.signal.addEventListener("abort", end);
    return {
      backend: "pytorch",
      said: torch.said,
      run: async (source) => {
        let [loss, samples] = [0, 0];
        const { parameters } = await torch.train(task, source, (done) => {
          ({ loss, samples } = done);
          this.#tell(done.epoch, task.epochs, loss);
        });
        return { parameters, loss, samples };
      },
      end,
    };
  }

  #reading(): Work {
    return {
      backend: "none",
      said: "nothing is learnt, only read",
      run: async (source) => ({ parameters: 0, ...await this.#look(source) }),
      end() {},
    };
  }

  #tell(epoch: number, epochs: number, loss: number): void {
    this.log.info(`epoch ${epoch} of ${epochs}: loss ${loss.toExponential(3)}`);
  }

  /** All samples, which are there. */
  async #window({ grid, samples, epochs }: LearnerTask): Promise<Window> {
    const parts = await partsOf(this.#input.shelf, this.store, grid);
    const count = parts.reduce((sum, { count }) => sum + count, 0);
    // Whoever only reads does so in order and once, and looks at each number himself.
    const options = epochs === 0 ? { heldBytesMax: 0, isChecked: false } : {};
    if (count === samples) return await windowOn(parts, [grid, grid], options);
    throw new ShoalError("Lost", `Cannot train: there are ${count} of ${samples} samples; run it anew`);
  }

  /** Samples as they come. Those of a single epoch are not needed again. */
  #arrivals({ grid, samples: count, epochs }: LearnerTask, { topic, readers }: Online): Arrivals {
    const { shelf } = this.#input;
    return arrivals({
      store: this.store,
      topic: this.topic<Arrival>(topic),
      count,
      shape: [grid, grid],
      done(samples) {
        if (epochs <= 1) void shelf.tell("done", { samples, readers });
      },
    });
  }

  async #train(
    network: Network,
    task: LearnerTask,
    source: Source,
  ): Promise<Pick<Learnt, "samples" | "loss" | "weights">> {
    const { index, kernel, epochs, samples, batch } = task;
    const { marks } = this.#input;
    const { store, signal } = this;
    const mark = await marks?.ask("last", { index, kernel });
    if (mark !== undefined) {
      await network.restore(mark.checkpoint);
      this.log.info(`goes on after epoch ${network.epoch}`);
    }
    let [loss, seen] = [mark?.loss ?? 0, samples];
    for await (const done of epochsOf(network, source, { epochs, batch, signal }, { store })) {
      ({ loss, samples: seen } = done);
      const { epoch } = done;
      this.#tell(epoch, epochs, loss);
      // After the last one its weights are there.
      if (marks === undefined || epoch === epochs) continue;
      const checkpoint = await network.checkpoint();
      if (checkpoint.length <= markBytesMax) await marks.ask("mark", { index, kernel, epoch, loss, checkpoint });
    }
    const weights = await this.store.put({ data: await network.weights(), dtype: "uint8" });
    return { samples: seen, loss, weights };
  }

  /** Reads every number of every sample, as a step of training would. */
  async #look(source: Source): Promise<Pick<Learnt, "samples">> {
    let [seen, sum] = [0, 0];
    for await (const chosen of batchesOf(source, inOrder(source.count), 1)) {
      for (const index of chosen) {
        const [input, target] = [source.input(index), source.target(index)];
        const own = sumOf(input) + sumOf(target);
        // Which number it is, only a second look tells.
        if (!Number.isFinite(own)) {
          checkFinite({ ...source, count: 1, input: () => input, target: () => target }, index);
        }
        sum += own;
        seen++;
      }
      if (this.signal.aborted) break;
    }
    this.log.debug(`read ${seen} samples, whose sum is ${sum}`);
    return { samples: seen };
  }

  #backend(): { readonly backend?: BackendName } {
    const { backend } = this.#input;
    return backend === undefined ? {} : { backend };
  }
}

function sumOf(values: Numbers): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at]!;
  return sum;
}
