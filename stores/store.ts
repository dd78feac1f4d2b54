// What a store is: tensors that stay put, append-only logs, and claims that only one can hold.
// Types only. Everybody may know this file; nobody but `open.ts` knows which store stands behind it.

import type { MessagePort } from "node:worker_threads";

/** The element types of tensors. */
export type Dtype =
  | "bool"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float16"
  | "bfloat16"
  | "float32"
  | "float64"
  | "complex64"
  | "complex128";

/** The array that holds a tensor's elements: bits for the half floats, (re, im) pairs for the complex types. */
export interface Arrays {
  bool: Uint8Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  float32: Float32Array;
  float64: Float64Array;
  complex64: Float32Array;
  complex128: Float64Array;
}

/**
 * Points at a sealed tensor. Plain, inert data: JSON in, JSON out, under 300 bytes (14 kB when the bytes are inside).
 * It never resolves by accident: resolving is an explicit `await store.get(ref)`.
 */
export interface TensorRef<D extends Dtype = Dtype> {
  readonly ref: "tensor";
  readonly run: string;
  readonly id: string;
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly bytes: number;
  /** `algorithm:hex` over the header, and over the bytes too where the algorithm says so. */
  readonly checksum: string;
  /** The URL of the store that holds the bytes, without secrets, or `inline:`. */
  readonly where: string;
  /** The bytes themselves in base64, for a tensor below its topic's threshold. */
  readonly inline?: string;
}

/** How long a tensor lives, as its maker chose. */
export type Lifetime =
  | { readonly until: "run" }
  | { readonly until: "release" }
  | { readonly reads: number }
  | { readonly leaseMs: number };

export interface PutOptions {
  /** `{ until: "run" }` unless said. */
  readonly lifetime?: Lifetime;
  readonly signal?: AbortSignal;
}

export interface AdoptOptions extends PutOptions {
  /** Where its bytes begin in the file. */
  readonly offset?: number;
}

/** A tensor being made: fill `data`, then `seal`. A draft that is never sealed never existed. */
export interface Draft<D extends Dtype = Dtype> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: Arrays[D];
  seal(): Promise<TensorRef<D>>;
  discard(): void;
}

/** A tensor that was got: read-only by contract, valid until its handler ends unless `keep` was called. */
export interface Tensor<D extends Dtype = Dtype> {
  readonly ref: TensorRef<D>;
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: Arrays[D];
  /** Makes the view outlive its handler; the keeper calls `done`. */
  keep(): Tensor<D>;
  /** Ends the view. Its slot may be used again from here on. */
  done(): void;
}

/** An array to put, with what its type alone does not tell. */
export interface Item<D extends Dtype = Dtype> {
  readonly data: Arrays[D];
  readonly dtype?: D;
  readonly shape?: readonly number[];
}

/** Who keeps a tensor alive beside its lifetime: a message in flight, a snapshot, an outbox. */
export type Holder = string;

export interface TensorEntry {
  readonly id: string;
  readonly run: string;
  readonly bytes: number;
  readonly state: "draft" | "sealed" | "released";
}

/** Immutable once sealed. A reader gets all the bytes or a typed error: never a prefix, never another's. */
export interface Tensors {
  allocate<D extends Dtype>(dtype: D, shape: readonly number[], options?: PutOptions): Promise<Draft<D>>;
  put<D extends Dtype>(item: Item<D>, options?: PutOptions): Promise<TensorRef<D>>;
  putMany<D extends Dtype>(items: readonly Item<D>[], options?: PutOptions): Promise<TensorRef<D>[]>;
  /**
   * A tensor that stands in a file of somebody else's: it is not copied, never released with the tensor, and must not
   * change. Where the store can.
   */
  adopt?<D extends Dtype>(
    path: string,
    dtype: D,
    shape: readonly number[],
    options?: AdoptOptions,
  ): Promise<TensorRef<D>>;
  get<D extends Dtype>(ref: TensorRef<D>, options?: { readonly signal?: AbortSignal }): Promise<Tensor<D>>;
  /** Fetches ahead of the reader, in order. */
  getMany<D extends Dtype>(refs: Iterable<TensorRef<D>>): AsyncIterable<Tensor<D>>;
  /** From here on the reference is `Missing`; the bytes go when nobody pins or views them. Twice is once. */
  release(ref: TensorRef): Promise<void>;
  /** Keeps what is referenced from being collected. `unpin` with `read` counts one of its declared reads. */
  pin(ref: TensorRef, holder: Holder): void;
  unpin(ref: TensorRef, holder: Holder, read: boolean): void;
  list(): AsyncIterable<TensorEntry>;
}

/** Where an entry stands in its stream: first by epoch, then by sequence from 1. */
export interface Position {
  readonly epoch: number;
  readonly sequence: number;
}

export interface Entry extends Position {
  readonly frame: Uint8Array;
}

/** Append-only, one writer each. What stands above expects loss, repetition and `unknown` answers. */
export interface Logs {
  /**
   * Appends under an epoch and answers the position of the last frame. A higher epoch than the stream's opens it, and
   * no frames at all only open it: from then on every older epoch is `Fenced`, or ignored by all readers.
   */
  append(stream: string, epoch: number, frames: readonly Uint8Array[]): Promise<Position>;
  /** What stands after a position, at most `entriesMax`; waits up to `waitMs` where nothing does yet. */
  read(stream: string, after: Position | undefined, options?: ReadOptions): Promise<readonly Entry[]>;
  /** Drops what stands at or before a position. A reader that comes later for it gets `Lost`. */
  trim(stream: string, through: Position): Promise<void>;
  streams(prefix: string): Promise<readonly string[]>;
}

export interface ReadOptions {
  readonly entriesMax?: number;
  readonly waitMs?: number;
  /** Where nobody tells the store of appends and it has to look: at least this often, while it waits. */
  readonly pollMsMax?: number;
  readonly signal?: AbortSignal;
}

/** What stands under a name: the highest epoch that was claimed, and its value. */
export interface Claimed {
  readonly epoch: number;
  readonly value: string;
}

/** Linearizable: of all who claim one epoch of one name, the first value holds; the others learn it. */
export interface Claims {
  /** `held` where this value stands at this epoch (again, after a repeat); else what stands, at its epoch. */
  claim(name: string, epoch: number, value: string): Promise<{ readonly held: boolean } & Claimed>;
  claimed(name: string): Promise<Claimed | undefined>;
  claims(prefix: string): Promise<readonly string[]>;
}

/** What can end without the store's promises ending with it, from least to most. */
export type Survives = "nothing" | "thread" | "process" | "host" | "server" | "power";

/** What a store can do, declared and held to account by the laws, never sniffed. */
export interface Abilities {
  readonly survives: Survives;
  /** How much of what was acknowledged such an end may still take. */
  readonly lossWindowMs: number;
  /** Who can open the same store by its URL. */
  readonly shared: "thread" | "threads" | "host" | "network";
  /** A get copies nothing. */
  readonly zeroCopy: boolean;
  readonly tensorBytesMax: number;
  readonly frameBytesMax: number;
}

/** A store, rebuilt from its URL wherever it is needed. */
export interface Store extends AsyncDisposable {
  /** Without secrets. */
  readonly url: string;
  /** What its references say: `url` unless set. */
  readonly where?: string;
  readonly run: string;
  readonly abilities: Abilities;
  readonly tensors: Tensors;
  readonly logs: Logs;
  readonly claims: Claims;
  /** The other stores that this one is made of: whether the run has ended is said in all of them. */
  readonly others?: readonly { readonly claims: Claims }[];
  statistics(): StoreStatistics;
  /** The tensors of a topic that has a store of its own. */
  topic?(name: string): Tensors | undefined;
  /**
   * A port with which another thread of this process opens the same store: for one whose URL alone does not lead there.
   * Both threads have the same clock.
   */
  share?(): Sharing;
  /** Settles when the store has ended, with the error that ended it, if any. */
  readonly ended: Promise<Error | undefined>;
  close(): Promise<void>;
}

export interface StoreStatistics {
  readonly tensors: number;
  /** Held by tensors, and by the pool for the next ones. */
  readonly bytes: number;
  readonly pooledBytes: number;
  readonly putBytes: number;
  readonly getBytes: number;
  /** Of each store that this one is made of. */
  readonly parts?: readonly PartStatistics[];
}

export interface PartStatistics {
  readonly url: string;
  readonly putBytes: number;
  readonly getBytes: number;
}

/** What another thread opens a store with. */
export interface Sharing {
  readonly port: MessagePort;
  /** That thread has ended: what it held on to is let go. Some ports do not tell of the end of the other side. */
  ended(): void;
}

/** What a store may know of the world: passed in, so that a simulator can be the world. */
export interface StoreEnvironment {
  /** Milliseconds that only grow. */
  now(): number;
  /** Calls back after at least `delayMs`; the answer cancels. */
  after(delayMs: number, call: () => void): () => void;
  /** 64 bits nobody can guess, as 16 hex digits. */
  token(): string;
}

export interface OpenOptions {
  readonly run: string;
  readonly environment: StoreEnvironment;
  /** Fill released slots with a pattern and hash again at release. */
  readonly strict: boolean;
  /** A tensor below this many bytes travels inside its reference. */
  readonly thresholdBytes: number;
  /** What `share` gave to this thread. */
  readonly home?: MessagePort;
  /**
   * It is opened for tasks of these kinds only. What a store made of several has for others is opened when something in
   * it is wanted: who needs it not need not reach it. `who` says in errors whom this is for. For none: only logs and
   * claims are wanted, by a process that has the store open besides.
   */
  readonly only?: { readonly topics: readonly string[]; readonly who: string };
}
