// What bytes go through from one process to another: a store, or the bare thing that it can be at best. Types only.

/** Where one tensor is, as plain data. */
export type Ref = object;

export interface Got {
  readonly data: Float64Array;
  done(): void;
}

export interface Medium {
  readonly version: string;
  readonly settings: string;
  /** Whether another process reaches what this one puts. */
  readonly isShared: boolean;
  put(data: Float64Array): Ref | Promise<Ref>;
  get(ref: Ref): Got | Promise<Got>;
  release(ref: Ref): Promise<void>;
  close?(): Promise<void>;
  /** Makes a tensor in place, where the medium can. */
  draft?(elements: number, fill: (data: Float64Array) => void): Promise<Ref>;
}

/** One process's part of the work, the same for the process that measures and for its partner. */
export interface Side {
  /** Puts tensors with these serial numbers. */
  put(bytes: number, first: number, count: number): Promise<readonly Ref[]>;
  /** Gets and reads tensors that should have these serial numbers. */
  check(refs: readonly Ref[], first: number): Promise<{ count: number; check: number; misplaced: number }>;
  release(refs: readonly Ref[]): Promise<void>;
  /** Resident memory that is the process's own: the most since it was asked last. */
  ownBytesMost(): Promise<number>;
  close(): Promise<void>;
}
