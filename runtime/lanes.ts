// Many inputs through few workers: as many at a time as there are lanes, taken from their iterator only when a lane is
// free and the reader keeps up. A million inputs need not exist at once.

import type { Result } from "./system.ts";

export interface LaneWork {
  /** Begins one input; `settle` is called once. Throws where the input cannot be taken. */
  start(input: unknown, settle: (error: Error | undefined, value: unknown) => void): void;
  /** How many inputs the workers have use for at a time. */
  wanted(): number;
  /** Nothing more is wanted. */
  cancel(): void;
}

export class Lanes {
  readonly #iterator: Iterator<unknown>;
  readonly #work: LaneWork;
  #under = 0;
  #index = 0;
  #filling = false;
  #exhausted = false;
  #cancelled = false;
  #endsAtFailure = false;
  #failure: { readonly error: unknown } | undefined;
  #ready: Result<never>[] = [];
  #wake: (() => void) | undefined;

  constructor(inputs: Iterable<unknown>, work: LaneWork) {
    this.#iterator = inputs[Symbol.iterator]();
    this.#work = work;
  }

  /** Each result as it comes. */
  async *each(): AsyncGenerator<Result<never>, undefined> {
    try {
      while (true) {
        this.#fill();
        const result = this.#ready.shift();
        if (result !== undefined) yield result;
        else if (this.#under === 0 && this.#failure !== undefined) throw this.#failure.error;
        else if (this.#under === 0 && this.#exhausted) return undefined;
        else await new Promise<void>((resolve) => this.#wake = resolve);
      }
    } finally {
      this.#cancel();
    }
  }

  /** All values in the order of the inputs; the first failure ends it. */
  async all(): Promise<never[]> {
    const values: never[] = [];
    this.#endsAtFailure = true;
    for await (const result of this.each()) {
      if (result.error !== undefined) throw result.error;
      values[result.index] = result.value;
    }
    return values;
  }

  #fill(): void {
    // A task may settle while it is begun: that must not begin the next one from inside.
    if (this.#filling) return;
    this.#filling = true;
    // One more than workers, so that none waits for its next task to be taken from the iterator.
    const lanesMax = this.#work.wanted() + 1;
    while (!this.#exhausted && !this.#cancelled && this.#under < lanesMax && this.#ready.length < 2 * lanesMax) {
      try {
        const { done, value } = this.#iterator.next();
        if (done === true) {
          this.#exhausted = true;
          break;
        }
        this.#start(value);
      } catch (error) {
        // The iterator threw, or an input cannot be sent: there is no going on after the one that is missing.
        this.#exhausted = true;
        this.#failure ??= { error };
      }
    }
    this.#filling = false;
  }

  #start(input: unknown): void {
    const index = this.#index++;
    this.#under++;
    try {
      this.#work.start(input, (error, answer) => this.#settled(index, error, answer));
    } catch (error) {
      this.#under--;
      throw error;
    }
  }

  #settled(index: number, error: Error | undefined, value: unknown): void {
    this.#under--;
    this.#ready.push(error === undefined ? { index, value: value as never } : { index, error });
    // Now, not when the reader comes round to it: the member that failed is about to take the next task.
    if (error !== undefined && this.#endsAtFailure) this.#cancel();
    else this.#fill();
    this.#wake?.();
  }

  #cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    if (!this.#exhausted) this.#iterator.return?.();
    this.#work.cancel();
  }
}
