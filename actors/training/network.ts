// What a network is to those who train it, ask it and store it: plain arrays in, plain arrays out. Types only;
// `tensorflow.ts` opens a backend, `training.ts` makes a network of a model that was built on it.

/** Where a network computes, in the order of preference. */
export type BackendName = "tensorflow" | "webgpu" | "wasm" | "cpu";

/** Many examples, one after the other: `count` times the product of each shape numbers. */
export interface Examples {
  readonly count: number;
  readonly inputShape: readonly number[];
  readonly targetShape: readonly number[];
  readonly inputs: Numbers;
  readonly targets: Numbers;
}

/** Examples that are read one by one, when a step needs them. */
export interface Samples {
  readonly count: number;
  readonly inputShape: readonly number[];
  readonly targetShape: readonly number[];
  input(index: number): Numbers;
  target(index: number): Numbers;
  /** Where they have to be fetched first: settles when these can be read, and begins to fetch those that follow. */
  ready?(chosen: Uint32Array, next: Uint32Array): Promise<void>;
  /** These have been read. */
  done?(chosen: Uint32Array): void;
}

export type Numbers = Float32Array | Float64Array;

export type LossName = "mse" | "mae" | "huber" | "crossentropy" | "binary-crossentropy";

export type OptimizerName = "adam" | "sgd" | "momentum" | "rmsprop" | "adagrad";

/** How a network learns. */
export interface LearningOptions {
  /** `mse` unless said. */
  readonly loss?: LossName;
  /** `adam` unless said. */
  readonly optimizer?: OptimizerName;
  /** 0.001 unless said. */
  readonly learningRate?: number;
  /** Draws the order of the examples, and what the model's layers draw. 0 unless said. */
  readonly seed?: number;
}

/** How long a network learns, and from what at a time. */
export interface Schedule {
  /** The last epoch's number; a network that was restored at epoch 3 goes on with the fourth. 1 unless said. */
  readonly epochs?: number;
  /** Examples a step: 4 unless said. The last step of an epoch takes what is left. */
  readonly batch?: number;
  /** `true` unless said: each epoch has an order of its own, which depends on the seed and the epoch only. */
  readonly shuffle?: boolean;
  /** Ends the training between two steps. */
  readonly signal?: AbortSignal;
}

/** One pass over all examples. */
export interface Epoch {
  /** From 1. */
  readonly epoch: number;
  readonly steps: number;
  readonly samples: number;
  /** The mean loss over the examples, as each was before the step that it was part of. */
  readonly loss: number;
  readonly seconds: number;
}

/** A network on one backend. It computes in the thread that asks; nothing of it leaves but plain arrays. */
export interface Network {
  readonly backend: BackendName;
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
  readonly parameters: number;
  /** Epochs that it has learnt. */
  readonly epoch: number;
  /** Learns; yields after each epoch, and gives the thread a turn between steps. */
  train(examples: Examples | Samples, schedule?: Schedule): AsyncGenerator<Epoch>;
  /** The answers to `count` inputs, one after the other; computed `batch` at a time. */
  predict(inputs: Numbers, count: number, batch?: number): Promise<Float32Array>;
  /** The mean loss over the examples. */
  evaluate(examples: Examples | Samples, batch?: number): Promise<number>;
  /** Its weights by name, as a safetensors file. */
  weights(): Promise<Uint8Array>;
  /** All of it in the format of TensorFlow.js: the files `model.json` and `weights.bin`. */
  saved(): Promise<{ readonly model: Uint8Array; readonly weights: Uint8Array }>;
  /** Takes weights of a network of the same layers. */
  load(weights: Uint8Array): Promise<void>;
  /** All that it takes to go on learning as if nothing had happened: weights, the optimizer's memory, the epoch. */
  checkpoint(): Promise<Uint8Array>;
  restore(checkpoint: Uint8Array): Promise<void>;
  /** Gives its memory back. */
  dispose(): void;
}
