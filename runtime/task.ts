// A task of a pool, from when it is taken in until it is answered, given up, or not wanted any more.

import { ShoalError } from "../stores/error.ts";
import { Expiring } from "./deadlines.ts";
import type { LedgerTask } from "./run/ledger.ts";
import { follow } from "./signals.ts";

/** One task. It waits for a member, then for its answer, and settles once. */
export class Task extends Expiring {
  readonly method: string;
  readonly message: unknown;
  readonly signal: AbortSignal | undefined;
  attempts = 0;
  settled = false;
  /** Whether its time and its caller's signal are watched by the member's call rather than here. */
  given = false;
  /** What the run keeps of it. */
  readonly kept: LedgerTask | undefined;
  readonly #settle: (error: Error | undefined, value: unknown) => void;
  #unfollow: (() => void) | undefined;
  #isWritten = false;
  #whenWritten: (() => void) | undefined;

  constructor(
    method: string,
    message: unknown,
    signal: AbortSignal | undefined,
    kept: LedgerTask | undefined,
    settle: (error: Error | undefined, value: unknown) => void,
  ) {
    super();
    this.kept = kept;
    this.method = method;
    this.message = message;
    this.signal = signal;
    this.#settle = settle;
    if (signal === undefined) return;
    const cancel = (): void => {
      if (!this.given) this.fail(new ShoalError("Cancelled", `${this.what}: the caller cancelled it`));
    };
    if (signal.aborted) queueMicrotask(cancel);
    else this.#unfollow = follow(signal, cancel);
  }

  get what(): string {
    return `Cannot run ${this.method} in the pool`;
  }

  override expired(): void {
    if (!this.given) this.fail(new ShoalError("Timeout", `${this.what}: no member became idle in time`));
  }

  done(value: unknown): void {
    this.#end(undefined, value);
  }

  fail(error: Error): void {
    this.#end(error, undefined);
  }

  /** Its end is written down, where it is. */
  written(): void {
    this.#isWritten = true;
    this.#whenWritten?.();
  }

  /** Calls back once its end is written down: whoever had it may begin the next then, and not before. */
  whenWritten(call: () => void): void {
    if (this.#isWritten) call();
    else this.#whenWritten = call;
  }

  #end(error: Error | undefined, value: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.#unfollow?.();
    this.#settle(error, value);
  }
}
