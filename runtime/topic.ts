// A topic: one log per publisher under one name, which any actor reads at its own cursor. Types only; what makes one is
// in `topics/`.

import type { Sendable } from "./ref.ts";

/** How far somebody has read: for each publisher, behind which entry. Plain data: it can be sent, and kept as state. */
export type TopicCursor = { readonly [publisher: string]: TopicPosition };

/** Behind which entry of one publisher. */
export interface TopicPosition {
  /** The publisher's entries are numbered from 1, over all its lives. */
  readonly number: number;
  readonly epoch: number;
  readonly sequence: number;
  /** Which log this speaks of: one that was lost with its store and begun again is another. */
  readonly log: string;
}

/** What one publisher may do. What is said when it first publishes holds. */
export interface TopicOptions {
  /**
   * How much of what this publisher has published is kept for those who come late, in bytes, referenced tensors
   * included; the oldest goes first, and whoever had not read it is told `Lost`. 256 MB unless said.
   */
  readonly retainBytes?: number;
  /** How many bytes, referenced tensors included, this publisher may be ahead of the slowest reader. */
  readonly creditBytes?: number;
  /** How many entries this publisher may be ahead of the slowest reader. */
  readonly creditEntries?: number;
  /** With credit: how many readers must have come before what they have not read may go. 1 unless said. */
  readonly readersMin?: number;
}

export interface PublishOptions {
  /** How long to wait for readers that are behind; as long as a tell waits for room unless said. */
  readonly timeoutMs?: number;
}

/** One entry of one publisher. */
export interface TopicEntry<T> {
  /** The address of the actor that published it. */
  readonly publisher: string;
  readonly number: number;
  readonly value: T;
}

/** Entries that a reader never gets to see: they were gone before it came for them. */
export interface TopicLoss {
  readonly publisher: string;
  /** The numbers of the first and the last of them. */
  readonly from: number;
  readonly through: number;
}

export interface TopicReadOptions {
  /** From the first entry that is kept unless said; `now`: what is published from here on; or behind a cursor. */
  readonly from?: "start" | "now" | TopicCursor;
  /** Ends when so many publishers have come and all of them have ended; otherwise only when the topic is closed. */
  readonly publishers?: number;
  /** Is told of each loss, and reading goes on behind it. Without it, reading ends with `Lost`. */
  readonly lost?: (loss: TopicLoss) => void;
  /** Is told when a publisher has ended and all that it had published was read. */
  readonly ended?: (publisher: string, reason: string) => void;
  /** How many entries of one publisher are fetched ahead. */
  readonly aheadMax?: number;
  /** How long nothing may come before it is a `Timeout`. */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * One reading of a topic: entries of one publisher come in order, each once; those of different publishers as they come.
 * The tensors that an entry references are pinned until the next one is asked for.
 */
export interface TopicReading<T> extends AsyncIterable<TopicEntry<T>> {
  /** Behind what was handed out so far: a reading from here goes on with the next. */
  readonly cursor: TopicCursor;
  /** What is there now, at most so many, and at least one; waits for that. None when there will be no more. */
  take(entriesMax?: number, options?: { readonly waitMs?: number }): Promise<readonly TopicEntry<T>[]>;
  /** Ends it: publishers do not wait for it any more. */
  close(): Promise<void>;
}

/** What a pool's member made of an entry. */
export type TopicResult<R> =
  & { readonly publisher: string; readonly number: number }
  & ({ readonly value: R; readonly error?: undefined } | { readonly value?: undefined; readonly error: Error });

/**
 * Entries that the members of a pool share, each given to one. It goes on as its results are read; `error` is what a
 * task came to instead of a value.
 */
export interface TopicSharing<R> extends AsyncIterable<TopicResult<R>> {
  /** Behind what is done, without a gap: a sharing from here repeats what was begun and not done. */
  readonly cursor: TopicCursor;
}

/** One log per publisher under one name. Every actor, and the program, is a publisher of its own. */
export interface Topic<T = unknown> {
  readonly name: string;
  /**
   * Appends to the own log, and settles when the store holds it. What a durable actor's step publishes leaves with its
   * commit: then this settles when all that earlier steps have published is in the log.
   */
  publish(value: Sendable<T>, options?: PublishOptions): PromiseLike<void>;
  /** This publisher has no more: readers are told when they have read what there is. */
  end(): Promise<void>;
  /** No publisher has any more: every reading ends when it has read what was published before. */
  close(): Promise<void>;
  read(options?: TopicReadOptions): TopicReading<T>;
}
