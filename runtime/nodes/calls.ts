// What is under way between nodes: calls and tells that left from here, and messages that came.

import type { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { Call, Parcel } from "../cells/call.ts";
import { Expiring } from "../deadlines.ts";
import type { Sending } from "../delivery/events.ts";
import type { Entry, Input } from "../delivery/protocol.ts";
import type { Reference } from "../reference.ts";

/** A message as it leaves; a tell has no use for a digest. */
export type Posting = Sending & { readonly type: "tell" | "ask"; readonly digest: string };

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

/** A tell that left for another node, until it has room there. Most are never looked at: it is small. */
export class PostedTell extends Expiring implements PromiseLike<void> {
  declare readonly from: Reference;
  declare readonly method: string;
  declare readonly token: number;
  declare readonly timeoutMs: number;
  declare readonly post: { leave(tell: PostedTell): void };
  declare settled: boolean;
  declare error: ShoalError | undefined;
  declare private promise: Promise<void> | undefined;
  declare private settle: (() => void) | undefined;

  constructor(from: Reference, method: string, token: number, timeoutMs: number, post: PostedTell["post"]) {
    super();
    this.from = from;
    this.method = method;
    this.token = token;
    this.timeoutMs = timeoutMs;
    this.post = post;
    this.settled = false;
    this.error = undefined;
    this.promise = undefined;
    this.settle = undefined;
  }

  override expired(): void {
    this.post.leave(this);
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

/** A plain message that came from another node to a volatile actor, until it is over. Most are such: it is small. */
export class Taken extends Parcel {
  declare readonly input: Input;
  declare private readonly told: (taken: Taken) => void;
  declare private isOver: boolean;

  constructor(from: Reference, input: Input, told: (taken: Taken) => void) {
    super(from, noTensors, "");
    this.input = input;
    this.told = told;
    this.isOver = false;
  }

  override over(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.told(this);
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
