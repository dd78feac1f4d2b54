// What the controller of a campaign may be told: its settings, its parts, and the policies that say when simulations
// wait for models.

import type { Outcome } from "./simulation.ts";
import type { Predictions, PredictTask, TrainTask } from "./trainer.ts";

/** What a campaign is made of: functions, behind which stand actors, pools of them, or anything else. */
export interface Parts<Candidate, Model> {
  readonly candidates: readonly Candidate[];
  simulate(candidate: Candidate, signal: AbortSignal): Promise<Outcome>;
  /** How to learn; without it, candidates run in random order. */
  readonly learn?: Learning<Model>;
  readonly settings: Settings;
  /** Where it keeps what it knows, for a resume; nothing is kept unless said. */
  readonly directory?: string | undefined;
  say?(line: string): void;
  /** How a candidate is shown to people. */
  show?(candidate: Candidate, value: number): string;
}

export interface Learning<Model> {
  train(task: TrainTask): Promise<Model>;
  predict(task: PredictTask<Model>): Promise<Predictions>;
}

/** What a model is, only those know who made it. */
export function learningOf<Model>(
  train: Learning<Model>["train"],
  predict: Learning<Model>["predict"],
): Learning<unknown> {
  const both: Learning<Model> = { train, predict };
  return both;
}

export type Policy = "continuous" | "sequential" | "delay" | "interleaved" | "no-retrain" | "random";

export interface Settings {
  readonly seed: number;
  readonly initial: number;
  readonly max: number;
  readonly batch: number;
  readonly policy: Policy;
  readonly delaySeconds: number;
  readonly refill: "always" | "pause";
  readonly pauseDuringUpdate: boolean;
  readonly retrainFrequency: number;
  readonly models: number;
  readonly beta: number;
  readonly buffer: number;
  readonly chunk: number;
  readonly simulateSlots: number;
  readonly trainSlots: number;
  readonly inferSlots: number;
}

/** How a policy runs: lanes of slots, each of which may have to wait for a ranking after so many successes. */
export interface Plan {
  /** How many slots each lane has. */
  readonly lanes: readonly number[];
  /** Successes of a lane's first round, and of the later ones; Infinity where it never waits. */
  readonly first: number;
  readonly later: number;
  /** How long a lane waits at most. */
  readonly waitMs: number;
  readonly retrain: "after rounds" | "counted" | "once" | "never";
  /** Whether its answer is the same however long simulations take, so that a resume repeats its steps. */
  readonly repeats: boolean;
}

export function planOf(settings: Settings): Plan {
  const { policy, initial, batch, retrainFrequency, simulateSlots, delaySeconds } = settings;
  const free: Plan = {
    lanes: [simulateSlots],
    first: Infinity,
    later: Infinity,
    waitMs: Infinity,
    retrain: "counted",
    repeats: false,
  };
  switch (policy) {
    case "continuous":
      return free;
    case "sequential":
      return { ...free, first: initial, later: batch, retrain: "after rounds", repeats: true };
    case "delay":
      return { ...free, first: initial, later: retrainFrequency, waitMs: delaySeconds * 1000, retrain: "after rounds" };
    case "interleaved": {
      const half = Math.ceil(simulateSlots / 2);
      const lanes = [half, simulateSlots - half].filter((slots) => slots > 0);
      return { ...free, lanes, first: Math.ceil(initial / lanes.length), later: half, retrain: "after rounds" };
    }
    case "no-retrain":
      return { ...free, first: initial, retrain: "once" };
    case "random":
      return { ...free, retrain: "never", repeats: true };
  }
}

/** A candidate and its value, simulated or predicted. */
export interface Valued {
  readonly row: number;
  readonly value: number;
}

/** One that succeeded. */
export interface Success extends Valued {
  /** On how many simulations the model stood that chose it; 0 where chance did. */
  readonly basis: number;
  readonly receivedAt: number;
}

/** What a campaign found. */
export interface Found {
  /** In the order in which they were submitted. */
  readonly simulated: readonly Success[];
  readonly failed: number;
  /** Updates of the models that led to a ranking. */
  readonly iterations: number;
  /** The candidate that was not simulated and that the last ranking expects most of. */
  readonly bestPredicted: Valued | undefined;
  /** Of the predictions for what was simulated after each ranking; by ranking. */
  readonly meanRelativeError: readonly number[];
  readonly seconds: {
    readonly total: number;
    readonly simulate: number;
    readonly train: number;
    readonly infer: number;
  };
  /** The share of time that slots for simulations were taken. */
  readonly utilisation: number;
  /** Bytes of training sets, models' predictions: what went through the store, and how often it was read. */
  readonly putBytes: number;
  readonly getBytes: number;
  /** The same by the tasks of each kind. */
  readonly bytes: { readonly [Task in "train" | "infer"]: { readonly putBytes: number; readonly getBytes: number } };
  /** How many were known from an earlier life of the run. */
  readonly resumed: number;
}
