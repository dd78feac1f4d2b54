// Who owns what a store's place holds, and taking away what nobody owns. Types: a store that leaves anything behind
// implements them; places.ts says which do.

/** Whether whoever opened a run is still there. `elsewhere`: on another machine, and nobody has looked for long enough. */
export type Presence = "live" | "dead" | "elsewhere";

/** One opening of a run, by one process. */
export interface Owner {
  readonly writer: string;
  readonly presence: Presence;
  readonly pid: number;
  readonly host: string;
  /** When it opened the run, in ISO form. */
  readonly since: string;
}

/**
 * `live` while one who opened it is there. `interrupted` is not ended: a resume will want what it holds. `ended` once
 * it was said to be, and `strange` where another version of shoal made it: nothing in it is touched.
 */
export type RunState = "live" | "interrupted" | "ended" | "strange";

export interface HeldRun {
  readonly run: string;
  readonly state: RunState;
  readonly owners: readonly Owner[];
  readonly tensors: number;
  readonly bytes: number;
  readonly streams: number;
  readonly claims: number;
  /** Why it is strange. */
  readonly why?: string;
}

/** What a sweep takes, or would take. */
export interface Orphan {
  readonly run: string;
  /**
   * A half-made file, a tensor whose lease is over, what was released in vain, a whole run, what a sweep left; and what
   * is in the way and not the store's, which is left alone.
   */
  readonly kind: "half-made" | "lapsed" | "released" | "run" | "remains" | "foreign";
  readonly what: string;
  readonly bytes: number;
  readonly why: string;
}

export interface SweepOptions {
  /** Says what it would take, and takes nothing. */
  readonly dryRun?: boolean;
  /** This one is given up: it goes whole, interrupted or not. Conflict while it is live. */
  readonly run?: string;
  /** An interrupted run that nobody has opened for so many days is given up. None is, unless set. */
  readonly keepDays?: number;
  readonly signal?: AbortSignal;
}

export interface Verified {
  readonly run: string;
  readonly kind: "tensor" | "stream" | "claim" | "run";
  readonly name: string;
  readonly bytes: number;
  /** What is wrong with it, where anything is. */
  readonly trouble?: string;
}

/** Where a store keeps what it holds, for all runs. */
export interface Place {
  readonly url: string;
  runs(): AsyncIterable<HeldRun>;
  /** Each orphan as it is taken. What another process uses is never among them. */
  sweep(options?: SweepOptions): AsyncIterable<Orphan>;
  /** Everything there is, read and compared with its checksum. */
  verify(options?: { readonly run?: string; readonly signal?: AbortSignal }): AsyncIterable<Verified>;
}

/** What a sweeper may know of the world. */
export interface PlaceOptions {
  readonly environment: {
    now(): number;
    after(delayMs: number, call: () => void): () => void;
    token(): string;
  };
  /** How long somebody on another machine must show no sign before it counts as dead. A minute unless set. */
  readonly leaseMs?: number;
}
