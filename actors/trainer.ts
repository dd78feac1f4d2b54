// What a campaign knows of trainers: what they learn from, and what they are asked to predict. Sets and predictions lie
// in the store, and travel as references; candidates are known by their place among all of them.

import type { TensorRef } from "../runtime/mod.ts";

/** All simulations that succeeded so far, in the order in which they were submitted. Stored once, read by every task. */
export interface TrainingSet {
  readonly rows: TensorRef<"uint32">;
  readonly values: TensorRef<"float64">;
}

export interface TrainTask {
  /** Which model of the ensemble, from 0. */
  readonly model: number;
  /** Differs between models and updates, and repeats with the seed of the run. */
  readonly seed: string;
  readonly set: TrainingSet;
}

/** A part of the search space, and the model that predicts it. */
export interface PredictTask<Model> {
  readonly model: Model;
  readonly from: number;
  readonly to: number;
}

/** What each candidate of a task is expected to be. */
export type Predictions = TensorRef<"float64">;
