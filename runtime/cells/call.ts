// Messages that are more than a name and a value: those that reference tensors, and asks, which settle exactly once:
// by an answer, an error, a deadline or the caller's signal.

import { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { Expiring } from "../deadlines.ts";
import type { Passage } from "../messages/message.ts";
import type { Reference } from "../reference.ts";
import { follow } from "../signals.ts";
import type { Flow } from "../stream.ts";

/** A message that weighs more than itself: it pins the tensors that it references while it is under way. */
export class Parcel extends Expiring {
  declare readonly from: Reference;
  declare readonly tensors: readonly TensorRef[];
  /** As the holder of its pins; empty where there is nothing to pin, and once they are given back. */
  declare holder: string;
  /** Whether its end is one of the reads that a tensor was declared to have. */
  declare countsRead: boolean;

  constructor(from: Reference, tensors: readonly TensorRef[], holder: string) {
    super();
    this.from = from;
    this.tensors = tensors;
    this.holder = holder;
    this.countsRead = true;
  }

  /** What it weighs in a mailbox: the bytes that it keeps alive. */
  get weight(): number {
    if (this.tensors.length === 0) return 0;
    let weight = 0;
    for (const tensor of this.tensors) weight += tensor.bytes;
    return weight;
  }

  /** It was handled, or never will be. */
  over(): void {}
}

/** Who sent a message, and what hangs on it: a plain tell needs nothing but its reference. */
export type Ticket = Reference | Parcel;

/** The sender behind a ticket. */
export function senderOf(ticket: Ticket): Reference {
  return ticket instanceof Parcel ? ticket.from : ticket;
}

interface Cancelling {
  controller?: AbortController;
  abandoned?: ShoalError;
  stopListening?: () => void;
}

/** What somebody has asked and has no answer to. */
export interface Asked {
  readonly from: Reference;
  readonly settled: boolean;
  abandon(code: "Timeout" | "Cancelled" | "Ended" | "ShuttingDown", why: string, cause?: unknown): void;
}

export const askText = (from: Reference, method: string): string => `Cannot ask ${from.toString()} to ${method}`;
export const lateText = (timeoutMs: number): string => `waited ${timeoutMs} ms for an answer`;

export class Call extends Parcel implements Asked {
  declare readonly method: string;
  declare timeoutMs: number;
  /** Whether its handler has begun: from here on nobody can say that it did not happen. */
  declare running: boolean;
  declare settled: boolean;
  /** Where the partial results go, for one that streams. */
  declare flow: Flow | undefined;
  /** What was found on its answer's passage, where that goes to another node. */
  declare passage: Passage | undefined;
  /** Called once, when it has settled. */
  declare onSettled: ((call: Call) => void) | undefined;
  declare private readonly resolveAsker: (value: never) => void;
  declare private readonly rejectAsker: (error: Error) => void;
  /** What only few have: a handler that looks at its signal, a caller that may cancel. */
  declare private cancelling: Cancelling | undefined;

  constructor(
    from: Reference,
    method: string,
    timeoutMs: number,
    tensors: readonly TensorRef[],
    holder: string,
    resolve: (value: never) => void,
    reject: (error: Error) => void,
  ) {
    super(from, tensors, holder);
    this.method = method;
    this.timeoutMs = timeoutMs;
    this.running = false;
    this.settled = false;
    this.flow = undefined;
    this.passage = undefined;
    this.onSettled = undefined;
    this.resolveAsker = resolve;
    this.rejectAsker = reject;
    this.cancelling = undefined;
  }

  /** What its handler sees as `this.signal`. */
  get signal(): AbortSignal {
    const cancelling = this.cancelling ??= {};
    if (cancelling.controller === undefined) {
      cancelling.controller = new AbortController();
      // A handler may look for the first time when its caller has left already.
      if (cancelling.abandoned !== undefined) cancelling.controller.abort(cancelling.abandoned);
    }
    return cancelling.controller.signal;
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

  /** Ends it while it is under way. The handler is told; whether it may have happened depends on whether it had begun. */
  abandon(code: "Timeout" | "Cancelled" | "Ended" | "ShuttingDown", why: string, cause?: unknown): void {
    if (this.settled) return;
    const outcome = this.running ? "unknown" : "failed";
    const begun = this.running ? "it had begun" : "it had not begun";
    const error = new ShoalError(code, `${this.what}: ${why}; ${begun}`, { outcome, cause });
    this.reject(error);
    this.abort(error);
  }

  /** Tells the handler that nobody waits any more, and leaves the rest to whoever carries its answer. */
  abort(error: ShoalError): void {
    const cancelling = this.cancelling ??= {};
    cancelling.abandoned = error;
    cancelling.controller?.abort(error);
  }

  override expired(): void {
    this.abandon("Timeout", lateText(this.timeoutMs));
  }

  /** Follows the caller's signal. */
  listen(signal: AbortSignal): void {
    const cancel = (): void => this.abandon("Cancelled", "the caller cancelled it", signal.reason);
    if (signal.aborted) return cancel();
    (this.cancelling ??= {}).stopListening = follow(signal, cancel);
  }

  /** For messages to people. */
  get what(): string {
    return askText(this.from, this.method);
  }

  private end(): void {
    this.settled = true;
    this.cancelling?.stopListening?.();
    this.onSettled?.(this);
  }
}
