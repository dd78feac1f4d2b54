// A stream of partial results: the producer may be `creditMax` values ahead of its reader, and holds its actor meanwhile.

/** One value under way: its tensors are pinned until the reader asks for the next. */
export interface Yielded {
  readonly value: unknown;
  readonly done: () => void;
}

/** What a stream asks of the call behind it. */
export interface FlowCall {
  /** The reader waits for the producer, the producer (or a value of it) for the reader, or nobody for anybody. */
  waits(who: "reader" | "producer" | undefined): void;
  /** The reader has left. */
  left(): void;
}

type Step = IteratorResult<never, undefined>;
const noMore: Step = { done: true, value: undefined };

/** The way between a generator and its one reader. */
export class Flow implements AsyncIterable<never>, AsyncIterator<never, undefined> {
  readonly #creditMax: number;
  readonly #open: (flow: Flow) => FlowCall;
  #call: FlowCall | undefined;
  #buffer: Yielded[] = [];
  #held: Yielded | undefined;
  #ended = false;
  #left = false;
  #error: Error | undefined;
  #wakeReader: (() => void) | undefined;
  #wakeProducer: (() => void) | undefined;
  /** Whoever asks for several values at once is answered in order. */
  #asked: Promise<unknown> = Promise.resolve();

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

  next(): Promise<Step> {
    const take = (): Promise<Step> => this.#take();
    const step = this.#asked.then(take, take);
    this.#asked = step;
    return step;
  }

  return(): Promise<Step> {
    this.#left = true;
    this.drop();
    this.#call?.left();
    return Promise.resolve(noMore);
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
    if (this.#wakeReader !== undefined) this.#call?.waits(undefined);
    this.#wakeReader?.();
  }

  /** Ends it for both sides; what was yielded before can still be read, for a while. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#call?.waits(this.#buffer.length > 0 || this.#held !== undefined ? "producer" : undefined);
    this.#wakeReader?.();
    this.#wakeProducer?.();
  }

  /** Gives up what was yielded and not read. A reader that comes back is told: this does not look like the end. */
  drop(error?: Error): void {
    this.#release();
    if (this.#buffer.length > 0 && error !== undefined) this.#error = error;
    for (const { done } of this.#buffer.splice(0)) done();
    this.#wakeReader?.();
  }

  async #take(): Promise<Step> {
    this.#release();
    while (this.#buffer.length === 0 && !this.#left) {
      if (this.#ended) return this.#last();
      this.#call?.waits("reader");
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
      this.#wakeReader = undefined;
    }
    if (this.#left) return noMore;
    this.#held = this.#buffer.shift()!;
    this.#call?.waits(this.#ended ? "producer" : undefined);
    this.#wakeProducer?.();
    return { done: false, value: this.#held.value as never };
  }

  /** An error is told once. */
  #last(): Step {
    this.#call?.waits(undefined);
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error;
    return noMore;
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

/** What a generator is read with. */
export interface Pumping {
  readonly flow: Flow;
  /** The generator goes on: until it awaits, it is its actor's turn. */
  resume(): ReturnType<Generating["next"]>;
  pass(value: unknown): Yielded;
  /** Lets others have their turn. */
  turn(): Promise<void>;
}

/** Takes from a generator as long as there is credit. */
export async function pump(generator: Generating, { flow, resume, pass, turn }: Pumping): Promise<void> {
  let finished = false;
  let values = 0;
  try {
    while (await flow.credit()) {
      if (++values % valuesATurnMax === 0) await turn();
      const { done, value } = await resume();
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
