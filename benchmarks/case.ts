// What a suite of benchmarks is made of: cases, the contenders that run them, and the bars to clear. Types only.

import type { Answer } from "./protocol.ts";

/** The numbers that describe the work of one case. */
export type Parameters = { readonly [name: string]: number };

/** One thing that is measured. */
export interface Case {
  readonly name: string;
  /** What one of `unit` stands for, for the reader of the table. */
  readonly title: string;
  readonly unit: string;
  readonly better: "more" | "less";
  readonly parameters: Parameters;
  /** Parameters of the rounds that warm up, where the full work would take too long. */
  readonly warmUp?: Parameters;
  /** A process of its own for each round, because a heap that has grown before would hide what is measured. */
  readonly fresh?: boolean;
  /** Rounds that count, where one says as much as many; none to warm up then. */
  readonly rounds?: number;
  /** Whether it is asked of a contender at all. */
  isFor?(contender: Contender): boolean;
  /** After so long a contender is given up. */
  readonly timeoutMs: number;
  /** What is compared, in `unit`. */
  value(answer: Answer): number;
  /** What is wrong with the answer; nothing where the work was done whole and in order. */
  fault(answer: Answer): string | undefined;
  /** What else is worth knowing, by its name with the unit last. */
  readonly extras: { readonly [name: string]: (answer: Answer) => number };
  readonly bars: readonly Bar[];
  /** Whether one of ours is shown as a part of a limit of its runtime. Of all of them, unless it says of which. */
  isOf?(own: Result, limit: Result): boolean;
}

/** What must hold of our own result, beside those of the others. */
export interface Bar {
  readonly text: string;
  /** Of all of ours unless it says of which. */
  isFor?(own: Result): boolean;
  /** Nothing where the others needed for it did not run; `ours` are all of ours. */
  holds(own: Result, peers: readonly Result[], ours: readonly Result[]): boolean | undefined;
  /** What was reached, as the text counts it. */
  reached?(own: Result, peers: readonly Result[], ours: readonly Result[]): number | undefined;
}

/** A program in some language that does the work. */
export interface Contender {
  readonly name: string;
  /** The actor runtime it is written for, or the store that it uses: the same on each JavaScript runtime. */
  readonly library: string;
  readonly own: boolean;
  /** No peer, but what the machine can do at most. Ours are compared with those of their own runtime. */
  readonly isLimit?: boolean;
  readonly runtime?: Runtime;
  /** Whether it bounds or shares out anything: the others pay for neither. */
  readonly fair: boolean;
  /** Why it does not run a case. */
  readonly lacks: { readonly [name: string]: string };
  /** Builds what must be built, and says what to start. Rejects where this machine has not what it takes. */
  prepare(): Promise<Start>;
}

export interface Start {
  readonly command: string;
  readonly args: readonly string[];
}

export interface Suite {
  readonly name: string;
  readonly title: string;
  readonly cases: readonly Case[];
  contenders(runtimes: readonly Runtime[]): readonly Contender[];
}

export type Runtime = "node" | "deno";

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What one contender reached in one case. */
export interface Result extends Spread {
  readonly contender: string;
  readonly library: string;
  readonly own: boolean;
  readonly isLimit: boolean;
  readonly runtime: Runtime | undefined;
  readonly fair: boolean;
  readonly extras: { readonly [name: string]: Spread };
  readonly rounds: readonly Round[];
}

export interface Round {
  readonly value: number;
  readonly answer: Answer;
  /** Cores that others than the contender and the harness kept busy meanwhile. */
  readonly foreignCores: number;
  /** Whether that was enough to doubt the round. */
  readonly disturbed: boolean;
}

/** Who did not run something, and why. */
export interface NotRun {
  readonly contender: string;
  readonly reason: string;
}
