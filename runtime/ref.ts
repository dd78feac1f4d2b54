// What one holds of an actor that lives elsewhere: its methods as typed messages. Types, and the small class behind.

import type { TensorRef } from "../stores/store.ts";

/** What every actor has beside its messages; none of these can be sent. */
export type Lifecycle =
  | "constructor"
  | "started"
  | "stopping"
  | "snapshot"
  | "restore"
  | "self"
  | "store"
  | "log"
  | "random"
  | "now"
  | "signal"
  | "spawn"
  | "pool"
  | "find"
  | "topic"
  | "after"
  | "every"
  | "watch"
  | "stop";

type Method = (...message: never[]) => unknown;
type Flow<T> = AsyncIterable<T> | Generator<T, unknown, unknown> | IterableIterator<T>;
type Primitive = string | number | bigint | boolean | null | undefined;

/** Arrays that a message may carry by value; large ones belong into the store. */
export type SmallArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** `T` where it can be sent; `never` at each member that cannot. Lists may be read-only: a message is a copy. */
export type Sendable<T> = T extends Primitive | SmallArray | TensorRef | AnyActorRef ? T
  : T extends Method | symbol ? never
  : T extends { readonly [Symbol.toStringTag]: string } ? never
  : T extends Date | RegExp | Error | Promise<unknown> ? never
  : T extends readonly (infer E)[] ? (number extends T["length"] ? SendableList<E> : { [K in keyof T]: Sendable<T[K]> })
  : T extends object ? { [K in keyof T]: Sendable<T[K]> }
  : unknown extends T ? T
  : never;

/** An interface, so that lists of lists of themselves have an end for the compiler. */
export interface SendableList<E> extends ReadonlyArray<Sendable<E>> {}

/** The names of the messages that an actor takes: its public methods of at most one value. */
export type Methods<A> =
  & {
    [K in keyof A]: K extends Lifecycle ? never
      : A[K] extends (...message: infer P) => unknown ? (P extends [] | [unknown?] ? K : never)
      : never;
  }[keyof A]
  & string;

/** Whether a method yields a stream of partial results. One that never returns does not. */
type IsStream<F> = F extends (...message: never[]) => infer R
  ? ([R] extends [never] ? false : R extends Flow<unknown> ? true : false)
  : false;

/** The messages that answer once, and those that yield a stream. */
export type Asks<A> = { [K in Methods<A>]: IsStream<A[K]> extends true ? never : K }[Methods<A>];
export type Streams<A> = { [K in Methods<A>]: IsStream<A[K]> extends true ? K : never }[Methods<A>];

/** The messages that take a value of this type, or none. */
export type Takes<A, M> = { [K in Asks<A>]: A[K] extends (message: M) => unknown ? K : never }[Asks<A>];

/** What follows a method's name: the one value it takes, where it takes one, and options. */
export type Message<A, K extends keyof A, Options> = A[K] extends (...message: infer P) => unknown
  ? P extends [] ? [message?: undefined, options?: Options]
  : P extends [infer M] ? [message: Sendable<M>, options?: Options]
  : P extends [(infer M)?] ? [message?: Sendable<M>, options?: Options]
  : never
  : never;

/** What a message is answered with. */
export type Reply<A, K extends keyof A> = A[K] extends (...message: never[]) => infer R ? Awaited<R> : never;
export type Yielded<A, K extends keyof A> = A[K] extends (...message: never[]) => Flow<infer T> ? T : never;

export interface TellOptions {
  /** How long to wait for room in the receiver's mailbox. */
  readonly timeoutMs?: number;
}

export interface AskOptions {
  /** How long to wait for the answer; the handler's own `signal` ends with it. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface StreamOptions {
  /** How many partial results may be under way before the reader takes one. */
  readonly creditMax?: number;
  /** How long either side may leave the other without a sign. */
  readonly idleTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

declare const messages: unique symbol;

/** Refers to an actor, bound to the one who holds it. Inert: it can be sent, printed, and compared by its `id`. */
export interface ActorRef<A> extends AnyActorRef {
  /** Never there: it lets the compiler tell a reference to one class from that to another. */
  readonly [messages]?: A;
  /**
   * Sends, and expects no answer. Awaiting it waits until the receiver has room. Of those that are not awaited
   * `overflowMessagesMax` may wait; the next is refused with `CapacityExceeded`, and kept as a dead letter.
   */
  tell<K extends Asks<A>>(method: K, ...message: Message<A, K, TellOptions>): PromiseLike<void>;
  /**
   * Sends, and settles with what the method returned or with a typed error that says whether it happened. An ask of a
   * handler counts as waited for until it settles or the handler ends: one that closes a circle of such is `BadInput`.
   */
  ask<K extends Asks<A>>(method: K, ...message: Message<A, K, AskOptions>): Promise<Reply<A, K>>;
  /** Reads what a generator method yields, at the reader's pace. */
  stream<K extends Streams<A>>(method: K, ...message: Message<A, K, StreamOptions>): AsyncIterable<Yielded<A, K>>;
}

/** Refers to an actor of whatever class. */
export interface AnyActorRef {
  readonly ref: "actor";
  /** The actor's address within its run. */
  readonly id: string;
}
