// A stream of partial results: the producer may be `creditMax` values ahead of its reader, and holds its actor meanwhile.

/** One value under way: its tensors are pinned until the reader asks for the next. */
export interface Yielded {
  readonly value: unknown;
  readonly done: () => void;
}

/** What a stream asks of the call behind it. */
export interface FlowCall {
  /** The reader waits for the producer, the producer for the reader, or nobody for anybody. */
  waits(who: "reader" | "producer" | undefined): void;
  /** The reader has left. */
  left(): void;
}

/** The way between a generator and its one reader. */
export class Flow implements AsyncIterable<never>, AsyncIterator<never, undefined> {
  readonly #creditMax: number;
  readonly #open: (flow: Flow) => FlowCall;
  #call: FlowCall | undefined;
  #buffer: Yielded[] = [];
  #held: Yielded | undefined;
  #ended = false;
  #error: Error | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeProducer: (() => void) | undefined;

  /** `open` sends the message. It is called when the reader begins: a stream that nobody reads costs nothing. */
  constructor(creditMax: number, open: (flow: Flow) => FlowCall) {
    if (!Number.isInteger(creditMax) || creditMax < 1) {
      throw new RangeError(`Cannot stream: creditMax is ${creditMax}, expected a whole number from 1`);
    }
    this.#creditMax = creditMax;
    this.#open = open;
  }

  [Symbol.asyncIterator](): AsyncIterator<never, undefined> {
    if (this.#call !== undefined) throw new TypeError("Cannot read a stream twice: it is gone as it is read");
    this.#call = this.#open(this);
    return this;
  }

  async next(): Promise<IteratorResult<never, undefined>> {
    this.#release();
    while (this.#buffer.length === 0) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return { done: true, value: undefined };
      this.#call?.waits("reader");
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
    this.#held = this.#buffer.shift()!;
    this.#call?.waits(undefined);
    this.#wakeProducer?.();
    return { done: false, value: this.#held.value as never };
  }

  return(): Promise<IteratorResult<never, undefined>> {
    this.#release();
    for (const { done } of this.#buffer.splice(0)) done();
    this.#call?.left();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Settles when the producer may go on; false when nobody reads any more. */
  async credit(): Promise<boolean> {
    while (!this.#ended && this.#buffer.length >= this.#creditMax) {
      this.#call?.waits("producer");
      await new Promise<void>((resolve) => this.#wakeProducer = resolve);
    }
    return !this.#ended;
  }

  push(yielded: Yielded): void {
    if (this.#ended) return yielded.done();
    this.#buffer.push(yielded);
    this.#call?.waits(undefined);
    this.#wakeReader?.();
  }

  /** Ends it for both sides; what was yielded before can still be read. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wakeReader?.();
    this.#wakeProducer?.();
  }

  #release(): void {
    this.#held?.done();
    this.#held = undefined;
  }
}

/** What a generator method returns. */
export type Generating = Iterator<unknown, unknown, undefined> | AsyncIterator<unknown, unknown, undefined>;

export function isGenerator(value: object): value is Generating {
  return (Symbol.asyncIterator in value || Symbol.iterator in value) && "next" in value;
}

/** How many values may follow each other without a turn for anybody else. */
const valuesATurnMax = 64;

/** Takes from a generator as long as there is credit; `turn` lets others have theirs. */
export async function pump(
  generator: Generating,
  flow: Flow,
  pass: (value: unknown) => Yielded,
  turn: () => Promise<void>,
): Promise<void> {
  let finished = false;
  let values = 0;
  try {
    while (await flow.credit()) {
      if (++values % valuesATurnMax === 0) await turn();
      const { done, value } = await generator.next();
      if (done === true) {
        finished = true;
        return;
      }
      flow.push(pass(value));
    }
  } finally {
    if (!finished) await generator.return?.(undefined);
  }
}

/** What a generator's handler ends with: its results went another way. */
export const streamed: unique symbol = Symbol("streamed");
