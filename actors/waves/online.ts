// How those who learn while others simulate find each other, and what one who simulates tells them.

import type { Arrival } from "../training/arrivals.ts";

/** Samples of a wave, and the place of the first among all of the run. */
export type WaveArrival = Required<Arrival<"float64">>;

export interface Online {
  readonly topic: string;
  /** How many read it in all: those who learn, and one who sums up. */
  readonly readers: number;
  /** How many of them are there from the beginning. */
  readonly readersMin: number;
  /** How far one who simulates may be ahead of the slowest of them. */
  readonly creditBytes: number;
  /** How much of what one who simulates has told of is kept for those who come late. */
  readonly retainBytes: number;
}
