// Whom the laws are for: anything that opens a store. What a subject says beside its `open` decides how far the laws
// can go with it; what it does not say is skipped, with the reason.
import { outlasts } from "../survival.ts";
import type { Abilities, OpenOptions, Store } from "../store.ts";

export interface Capacity {
  readonly bytes: number;
  readonly full: "wait" | "reject";
  readonly waitMs: number;
}

/** How a store of the subject is opened. */
export interface SubjectOptions extends OpenOptions {
  /**
   * Names a place that is new in each case: a directory, a database, a prefix. Opened at the same place, a store that
   * survives its end finds what it held, and one that is shared what others put there.
   */
  readonly place: string;
  /** What tensors may take together; only asked of a subject that says `bounded`. */
  readonly capacity?: Capacity;
}

/** Where a fault strikes: the call did nothing, or did all and its answer is lost; or there was no room for it. */
export type FaultKind = "before" | "after" | "full";

/** What a subject can break behind its store's back: a server that is cut off, a disk that fails. */
export interface SubjectFaults {
  /** What it can do. `before` and `after` unless said. */
  readonly kinds?: readonly FaultKind[];
  /** How many requests a call makes at most, so that each of them is struck. 3 unless said. */
  readonly requestsMax?: number;
  /** Of what sizes tensors are tried: one for each way that a put may take. 5 bytes unless said. */
  readonly sizesBytes?: readonly number[];
  /** Lets the nth request from now on to this place's backend fail, once. */
  arm(place: string, nth: number, kind: FaultKind): void;
  /** Takes the fault back, and answers whether it had struck. */
  disarm(place: string): boolean;
}

export interface Subject {
  /** The store's name, or its URL. */
  readonly name: string;
  open(options: SubjectOptions): Promise<Store> | Store;
  /** Removes what a case has left at its place. */
  remove?(place: string): Promise<void> | void;
  /** `virtual` unless said: the store knows the time by its environment alone. */
  readonly clock?: "virtual" | "real";
  /** It keeps to the capacity that it is opened with. */
  readonly bounded?: boolean;
  readonly faults?: SubjectFaults;
  /** Why nothing behind it can break, for a store of which that is true. */
  readonly unbreakable?: string;
  /** Where it changes how it keeps a tensor, in bytes. */
  readonly edgesBytes?: readonly number[];
  /** How long after its lease a tensor may still be listed. 1 s unless said. */
  readonly graceMs?: number;
}

/** Whether what was closed is found again by who opens the same place. */
export const isKept = ({ survives }: Abilities): boolean => outlasts(survives, "process");

/** Whether two who open the same place and run have one store. */
export const isShared = ({ shared }: Abilities): boolean => shared === "host" || shared === "network";
