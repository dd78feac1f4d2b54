// What a campaign knows of simulations: what one answers, and what is written down of it. How it computes is its own
// affair: any actor will do that answers a candidate with a value.

/** What a simulation answers: the number that the campaign maximises, and whatever else it likes. */
export interface Outcome {
  readonly value: number;
  /** When it computed, in milliseconds since 1970; for plots of how busy the machine was. */
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/** One simulation that has ended: a line of `simulate.jsonl` in the run directory. */
export interface SimulationLine {
  /** The candidate, by its place among them. */
  readonly row: number;
  /** The how manieth it was to be submitted, from 0: later ones may end first. */
  readonly turn: number;
  /** What it answered; nothing where it failed. */
  readonly value?: number;
  readonly error?: string;
  /** What the model expected, where one had ranked it, and on how many simulations that model was trained. */
  readonly predicted?: number;
  readonly basis?: number;
  readonly submittedAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly receivedAt: number;
}

/** A line of `train.jsonl` or `infer.jsonl`: a task of a model. */
export interface LearningLine {
  readonly task: "train" | "infer";
  /** Which update of the models it belongs to, and which of the models it is. */
  readonly update: number;
  readonly model: number;
  readonly attempt: number;
  readonly error?: string;
  readonly bytes: number;
  readonly submittedAt: number;
  readonly receivedAt: number;
}
