// What has left a node and is under way, as far as its sender goes: calls, and tells that wait for room.

import type { ShoalError } from "../../stores/error.ts";
import { type Asked, askText } from "../cells/call.ts";
import { Expiring } from "../deadlines.ts";
import type { Letter } from "../delivery/events.ts";
import type { Reference } from "../reference.ts";
import { follow } from "../signals.ts";
import { Bare, type Body } from "./body.ts";

/** Why an asker waits no more. */
export interface Leaving {
  readonly code: "Timeout" | "Cancelled" | "Ended" | "ShuttingDown" | "BadInput" | "Incompatible" | "Unauthorized";
  readonly why: string;
  readonly cause: unknown;
}

/**
 * A call that left for another node, as far as its caller goes: what leaves is another object, which lives as long as it
 * is under way. Whether it may have happened, only the delivery core can say.
 */
export class PostedCall implements Asked {
  declare readonly from: Reference;
  declare readonly method: string;
  declare readonly timeoutMs: number;
  declare readonly token: number;
  declare settled: boolean;
  declare waiting: Wait | undefined;
  declare leaving: Leaving | undefined;
  /** Called once, when it has settled. */
  declare onSettled: (call: PostedCall) => void;
  declare private readonly leave: (call: PostedCall) => void;
  declare private readonly resolveAsker: (value: never) => void;
  declare private readonly rejectAsker: (error: Error) => void;
  declare private stopListening: (() => void) | undefined;

  constructor(
    from: Reference,
    method: string,
    timeoutMs: number,
    token: number,
    resolve: (value: never) => void,
    reject: (error: Error) => void,
    onSettled: (call: PostedCall) => void,
    leave: (call: PostedCall) => void,
  ) {
    this.from = from;
    this.method = method;
    this.timeoutMs = timeoutMs;
    this.token = token;
    this.settled = false;
    this.waiting = undefined;
    this.leaving = undefined;
    this.onSettled = onSettled;
    this.leave = leave;
    this.resolveAsker = resolve;
    this.rejectAsker = reject;
    this.stopListening = undefined;
  }

  /** For messages to people. */
  get what(): string {
    return askText(this.from, this.method);
  }

  resolve(value: unknown): void {
    if (this.settled) return;
    this.end();
    this.resolveAsker(value as never);
  }

  reject(error: Error): void {
    if (this.settled) return;
    this.end();
    this.rejectAsker(error);
  }

  abandon(code: Leaving["code"], why: string, cause?: unknown): void {
    if (this.settled || this.leaving !== undefined) return;
    this.leaving = { code, why, cause };
    this.leave(this);
  }

  /** Follows the caller's signal. */
  listen(signal: AbortSignal): void {
    const cancel = (): void => this.abandon("Cancelled", "the caller cancelled it", signal.reason);
    if (signal.aborted) return cancel();
    this.stopListening = follow(signal, cancel);
  }

  private end(): void {
    this.settled = true;
    this.stopListening?.();
    this.onSettled(this);
  }
}

/** The wait of what left together. */
export abstract class Wait extends Expiring {
  declare readonly timeoutMs: number;
  /** How many still wait. */
  declare protected count: number;

  constructor(timeoutMs: number) {
    super();
    this.timeoutMs = timeoutMs;
    this.count = 0;
  }

  /** One waits no more; whether it was the last. */
  isOver(): boolean {
    this.count--;
    return this.count === 0;
  }
}

/**
 * A tell that left for another node, until it has room there. There is one for each: it is the promise that its sender
 * may look at, the letter that the core takes on, and the body of that where this is a plain value.
 */
export class PostedTell extends Bare implements PromiseLike<void>, Letter {
  declare readonly from: Reference;
  declare readonly method: string;
  /** Negative: the core has one kind of numbers for tells and for calls. */
  declare readonly token: number;
  declare readonly timeoutMs: number;
  declare readonly json: unknown;
  declare readonly body: Body;
  declare readonly bytes: number;
  declare readonly pins: readonly string[];
  declare waiting: Wait | undefined;
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
