// What is under way between nodes: calls and tells that left from here, and messages that came.

import type { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { Call, Parcel } from "../cells/call.ts";
import { Expiring } from "../deadlines.ts";
import type { Letter } from "../delivery/events.ts";
import type { Entry, Input } from "../delivery/protocol.ts";
import type { Reference } from "../reference.ts";
import { type Body, Plain } from "./body.ts";

/** The handler that asks was not begun by the core. */
export const noInput: Input = { source: "", epoch: 0, sequence: 0, identity: "", bytes: 0, timer: "" };

/** Why an asker waits no more. */
export interface Leaving {
  readonly code: "Timeout" | "Cancelled" | "Ended" | "ShuttingDown" | "BadInput" | "Incompatible" | "Unauthorized";
  readonly why: string;
  readonly cause: unknown;
}

/** A call that left for another node: whether it may have happened, only the delivery core can say. */
export class PostedCall extends Call {
  declare readonly token: number;
  declare leaving: Leaving | undefined;
  declare private readonly leave: (call: PostedCall) => void;

  constructor(
    from: Reference,
    method: string,
    timeoutMs: number,
    token: number,
    resolve: (value: never) => void,
    reject: (error: Error) => void,
    leave: (call: PostedCall) => void,
  ) {
    super(from, method, timeoutMs, noTensors, "", resolve, reject);
    this.token = token;
    this.leaving = undefined;
    this.leave = leave;
  }

  override abandon(code: Leaving["code"], why: string, cause?: unknown): void {
    if (this.settled || this.leaving !== undefined) return;
    this.leaving = { code, why, cause };
    this.leave(this);
  }
}

const noTensors: readonly TensorRef[] = [];
const noChain: readonly string[] = [];
const nothing = (): void => {};

/** The wait for room of tells that began to wait together. */
export class Waiting extends Expiring {
  declare readonly timeoutMs: number;
  declare private readonly tells: PostedTell[];
  declare private readonly leave: (tell: PostedTell) => void;
  /** How many still wait. */
  declare private count: number;

  constructor(timeoutMs: number, leave: (tell: PostedTell) => void) {
    super();
    this.timeoutMs = timeoutMs;
    this.tells = [];
    this.leave = leave;
    this.count = 0;
  }

  add(tell: PostedTell): void {
    tell.waiting = this;
    this.tells.push(tell);
    this.count++;
  }

  /** One waits no more; whether it was the last. */
  isOver(): boolean {
    this.count--;
    return this.count === 0;
  }

  override expired(): void {
    for (const tell of this.tells) if (!tell.settled) this.leave(tell);
  }
}

/**
 * A tell that left for another node, until it has room there. There is one for each: it is the promise that its sender
 * may look at, the letter that the core takes on, and the body of that where this is a plain value.
 */
export class PostedTell extends Plain implements PromiseLike<void>, Letter, Body {
  declare readonly from: Reference;
  declare readonly method: string;
  /** Negative: the core has one kind of numbers for tells and for calls. */
  declare readonly token: number;
  declare readonly timeoutMs: number;
  declare readonly json: unknown;
  declare readonly body: Body;
  declare readonly bytes: number;
  declare readonly pins: readonly string[];
  declare waiting: Waiting | undefined;
  declare settled: boolean;
  declare error: ShoalError | undefined;
  declare private promise: Promise<void> | undefined;
  declare private settle: (() => void) | undefined;

  /** Without a `body` the value stands for itself. */
  constructor(
    from: Reference,
    method: string,
    token: number,
    timeoutMs: number,
    json: unknown,
    body: Body | undefined,
    bytes: number,
    pins: readonly string[],
  ) {
    super();
    this.from = from;
    this.method = method;
    this.token = token;
    this.timeoutMs = timeoutMs;
    this.json = json;
    this.body = body ?? this;
    this.bytes = bytes;
    this.pins = pins;
    this.waiting = undefined;
    this.settled = false;
    this.error = undefined;
    this.promise = undefined;
    this.settle = undefined;
  }

  get call(): number {
    return 0;
  }

  /** Whether anybody has looked at how it ends. */
  get isAwaited(): boolean {
    return this.promise !== undefined;
  }

  /** It has left, or was refused. */
  end(error?: ShoalError): void {
    if (this.settled) return;
    this.settled = true;
    this.error = error;
    this.settle?.();
  }

  // A promise is made only when somebody waits: one that is rejected and that nobody looks at would end the process.
  // oxlint-disable-next-line no-thenable
  then<A = void, B = never>(
    resolved?: ((value: void) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.promise ??= new Promise((resolve, reject) => {
      this.settle = () => this.error === undefined ? resolve() : reject(this.error);
      if (this.settled) this.settle();
    });
    return this.promise.then(resolved, rejected);
  }
}

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
