// What has come to a node and is under way: messages in mailboxes and handlers, and who is told how they ended.

import type { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { Call, Parcel } from "../cells/call.ts";
import type { Entry, Input } from "../delivery/protocol.ts";
import type { Reference } from "../reference.ts";

/** The handler that asks was not begun by the core. */
export const noInput: Input = { source: "", epoch: 0, sequence: 0, identity: "", bytes: 0, timer: "" };

const noTensors: readonly TensorRef[] = [];
const noChain: readonly string[] = [];
const nothing = (): void => {};

/**
 * The ticket of plain messages that came from another node to a volatile actor, one behind the other. They are over in
 * that order, each once.
 */
export class Taken extends Parcel {
  declare readonly epoch: number;
  declare private readonly entries: readonly Entry[];
  declare private next: number;
  declare private readonly told: (taken: Taken, entry: Entry) => void;

  constructor(
    from: Reference,
    epoch: number,
    entries: readonly Entry[],
    first: number,
    told: (taken: Taken, entry: Entry) => void,
  ) {
    super(from, noTensors, "");
    this.epoch = epoch;
    this.entries = entries;
    this.next = first;
    this.told = told;
  }

  override over(): void {
    this.told(this, this.entries[this.next++]!);
  }
}

/** Who is told how a message ended that came. */
export interface Ends {
  answered(delivered: Delivered, value: unknown): void;
  rejected(delivered: Delivered, error: Error): void;
}

/** A message that came from another node, or to a durable actor. It settles when its handler has ended, never before. */
export class Delivered extends Call {
  declare readonly input: Input;
  /** Those who wait for whoever waits for this. */
  declare readonly chain: readonly string[];
  /** Whether its sender waits for an answer. */
  declare readonly isCall: boolean;
  /** The caller's own number for it. */
  declare readonly number: number;
  /** Whether its answer may be given more than once: to a durable caller, whose step may run again. */
  declare readonly isKept: boolean;
  declare readonly ends: Ends;
  /** The life of its actor in which its handler began. */
  declare life: number;

  constructor(
    from: Reference,
    method: string,
    tensors: readonly TensorRef[],
    holder: string,
    input: Input,
    entry: Entry | undefined,
    number: number,
    ends: Ends,
  ) {
    super(from, method, Number.POSITIVE_INFINITY, tensors, holder, nothing, nothing);
    this.input = input;
    this.chain = entry?.chain ?? noChain;
    this.isCall = entry?.kind === "call";
    this.number = number;
    this.isKept = entry !== undefined && entry.key !== "";
    this.ends = ends;
    this.life = 0;
    this.deadline = Number.POSITIVE_INFINITY;
    // Its sender's outbox counts the read, when this is acknowledged.
    this.countsRead = false;
  }

  override resolve(value: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.ends.answered(this, value);
  }

  override reject(error: Error): void {
    if (this.settled) return;
    this.settled = true;
    this.ends.rejected(this, error);
  }

  override expired(): void {
    this.abandon("Cancelled", "its caller waits no more");
  }

  /** Its caller waits no more. What has not begun ends in its turn, as one whose time is over. */
  cancel(error: ShoalError): void {
    if (this.settled) return;
    if (!this.running) this.deadline = Number.NEGATIVE_INFINITY;
    this.abort(error);
  }
}
