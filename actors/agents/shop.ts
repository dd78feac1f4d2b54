// What the six agents share: the campaign's parts, and the messages that they send each other. Types only.

import type { Actor, ActorRef } from "../../runtime/mod.ts";
import type { Found, Parts, Plan, Settings } from "../controller.ts";
import type { Journal } from "../journal.ts";
import type { Slots } from "./slots.ts";
import type { SimulationLine } from "../simulation.ts";
import type { Predictions, TrainingSet } from "../trainer.ts";

export interface Shop {
  readonly parts: Parts<unknown, unknown>;
  readonly settings: Settings;
  readonly plan: Plan;
  /** All candidates, in the random order of this seed. */
  readonly shuffled: readonly number[];
  readonly slots: Slots;
  readonly book: Journal;
  /** There before the first of them begins. */
  agents: Agents;
  finish(found: Found): void;
  fail(error: Error): void;
}

/** A class of agents: made for one campaign, and spawned beside the program. */
export type AgentClass<Messages> = new () => Actor<Messages> & Messages;

export type Agent<Messages> = ActorRef<Actor<Messages> & Messages>;

export interface Agents {
  readonly submit: Agent<Submitting>;
  readonly process: Agent<Processing>;
  readonly train: Agent<Training>;
  readonly update: Agent<Updating>;
  readonly infer: Agent<Inferring>;
  readonly select: Agent<Selecting>;
}

/** A candidate that a model has ranked. */
export interface Ranked {
  readonly row: number;
  readonly predicted: number;
}

/** Triggered by a free slot, runs the head of the ranked queue. */
export interface Submitting {
  begin(): void;
  /** A simulation has ended. */
  ended(end: { readonly lane: number; readonly line: SimulationLine; readonly isNew: boolean }): void;
  /** A new ranking, of a model that was trained on so many simulations; at the end of an update that failed, the old. */
  ranked(ranking: { readonly best: readonly Ranked[]; readonly basis: number; readonly isNew: boolean }): void;
  /** More of the current ranking. */
  refilled(best: readonly Ranked[]): void;
  updating(): void;
  /** A slot has come back that was lent. */
  gained(): void;
  /** A lane has waited long enough. */
  waited(wait: { readonly lane: number; readonly round: number }): void;
}

/** What is expected most of, best first: more than can be simulated before the next ranking. */
export interface Expected {
  readonly rows: Uint32Array;
  readonly values: Float64Array;
}

/** Triggered by a finished simulation, writes it down, and asks for new models. */
export interface Processing {
  simulated(end: { readonly line: SimulationLine; readonly isNew: boolean }): void;
  /** A lane's round has ended: what it waits for is a model of what is known now. */
  roundEnded(): void;
  /** Nothing more is to be simulated. */
  over(end: { readonly busyMs: number; readonly utilisation: number }): void;
  ranked(expected: Expected): void;
  learned(
    spent: {
      readonly task: "train" | "infer";
      readonly ms: number;
      readonly putBytes: number;
      readonly getBytes: number;
    },
  ): void;
}

/** Triggered by a retrain, stores the training set once, and trains each model of the ensemble on it. */
export interface Training {
  /** What is asked for during an update begins when that has ended. */
  retrain(known: { readonly rows: Uint32Array; readonly values: Float64Array }): void | Promise<void>;
  updated(): void | Promise<void>;
}

/** Triggered by a trained model, hands it on; releases the training set after the last. */
export interface Updating {
  trained(model: {
    readonly update: Update;
    readonly model: number;
    readonly trained?: unknown;
    readonly error?: string;
  }): void | Promise<void>;
}

/** One training of all models, and what they learn from. */
export interface Update {
  readonly number: number;
  readonly basis: number;
  readonly set: TrainingSet;
}

/** Triggered by a model that is ready, predicts every chunk of the search space with it. */
export interface Inferring {
  predict(task: { readonly update: Update; readonly model: number; readonly trained: unknown }): void;
}

/** Triggered by predictions, ranks the candidates by mean and spread over the ensemble. */
export interface Selecting {
  /** What one model predicts; nothing where it could not be trained, or could not predict. */
  predicted(model: {
    readonly update: Update;
    readonly model: number;
    readonly chunks?: readonly { readonly from: number; readonly values: Predictions }[];
  }): void | Promise<void>;
  /** Is not to be ranked any more. */
  taken(row: number): void;
  refill(): void;
}
