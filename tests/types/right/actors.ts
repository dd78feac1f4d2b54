// What actors may write inside themselves, and how exactly it is typed.
import {
  Actor,
  type ActorRef,
  type Ended,
  type Pool,
  type Random,
  type Result,
  type System,
  type TensorRef,
  type Timer,
} from "../../../runtime/mod.ts";
import { type Equal, expectType } from "../equal.ts";

export class Ticker extends Actor<Ticker> {
  #timer: Timer | undefined;
  count = 0;

  override started(): void {
    this.#timer = this.every(1_000, "tick");
    this.after(5, "add", 3);
    this.after(5, "addAll", { values: [1, 2] });
    this.after(5, "maybe");
    this.after(5, "maybe", 2);
    expectType<Equal<typeof this.self, ActorRef<Ticker>>>();
  }

  override async stopping(): Promise<void> {
    this.#timer?.cancel();
    this.log.info("bye", { count: this.count });
  }

  tick(): void {
    this.count++;
    void this.self.tell("add", 1);
  }

  add(value: number): number {
    return this.count += value;
  }

  addAll(message: { values: number[] }): void {
    for (const value of message.values) this.add(value);
  }

  maybe(value?: number): void {
    this.add(value ?? 1);
  }

  me(): ActorRef<Ticker> {
    return this.self;
  }
}

/** Without naming itself an actor can still say who it is. */
export class Registrant extends Actor {
  async register(book: ActorRef<Book>): Promise<void> {
    await book.ask("enter", this.self);
    await this.stop(this.self);
  }
  hello(): string {
    return "hello";
  }
}

export class Book extends Actor<Book> {
  readonly entries: ActorRef<Registrant>[] = [];
  enter(entry: ActorRef<Registrant>): void {
    this.entries.push(entry);
    this.watch(entry, "left");
    this.watch(entry, "leftToo");
    this.watch(entry, "someoneLeft");
  }
  left(ended: Ended): void {
    expectType<Equal<typeof ended.id, string>>();
  }
  leftToo(ended: { id: string }): void {
    void ended;
  }
  someoneLeft(): void {}
  async greet(): Promise<string[]> {
    return await Promise.all(this.entries.map((entry) => entry.ask("hello")));
  }
}

export class Boss extends Actor<Boss> {
  #pool: Pool<Worker> | undefined;

  override async started(): Promise<void> {
    this.#pool = await this.pool(Worker, { size: 4, input: { speed: 2 }, attemptsMax: 2, supervision: { on: "stop" } });
    const worker = await this.spawn(Worker, { speed: 1 }, { name: "first", limits: { mailboxMessagesMax: 5 } });
    expectType<Equal<typeof worker, ActorRef<Worker>>>();
    const ticker = await this.spawn(Ticker);
    expectType<Equal<typeof ticker, ActorRef<Ticker>>>();
    const found = await this.find(Worker, "first");
    expectType<Equal<typeof found, ActorRef<Worker> | undefined>>();
  }

  async work(inputs: readonly number[]): Promise<number[]> {
    if (this.signal.aborted) return [];
    expectType<Equal<typeof this.random, Random>>();
    const order = this.random.shuffled(inputs);
    expectType<Equal<typeof order, number[]>>();
    return await this.#pool!.map("double", order);
  }
}

export class Worker extends Actor {
  readonly #speed: number;
  constructor(input: { speed: number }) {
    super();
    this.#speed = input.speed;
  }
  double(value: number): number {
    return value * 2 * this.#speed;
  }
  async make(shape: readonly number[]): Promise<TensorRef<"int32">> {
    const draft = await this.store.allocate("int32", shape, { lifetime: { reads: 2 } });
    expectType<Equal<typeof draft.data, Int32Array>>();
    return await draft.seal();
  }
  idle(): void {}
}

/** An actor may be built on another. */
export class Faster extends Worker {
  triple(value: number): number {
    return value + this.double(value);
  }
}

export class Optional extends Actor {
  constructor(input?: { depth: number }) {
    super();
    void input;
  }
  hello(): void {}
}

export default async function (system: System): Promise<void> {
  const faster = await system.spawn(Faster, { speed: 3 });
  expectType<Equal<typeof faster, ActorRef<Faster>>>();
  const numbers = [await faster.ask("triple", 1), await faster.ask("double", 1)];
  expectType<Equal<typeof numbers, number[]>>();
  const worker: ActorRef<Worker> = faster;
  await worker.ask("double", 1);

  await system.spawn(Optional);
  await system.spawn(Optional, { depth: 1 });
  await system.spawn(Optional, undefined, { name: "optional" });
  const supervised = {
    supervision: { on: (error: unknown) => error instanceof RangeError ? "resume" : "restart" },
  } as const;
  await system.spawn(Ticker, undefined, supervised);
  await system.spawn(Ticker, undefined, {
    supervision: { on: (error) => error instanceof RangeError ? "resume" : "restart", restartsMax: 3, windowMs: 5 },
  });

  const pool = await system.pool(Worker, { size: 2, input: { speed: 1 } });
  expectType<Equal<typeof pool, Pool<Worker>>>();
  await system.pool(Optional, { size: 2 });
  await system.pool(Optional, { size: 2, input: { depth: 2 } });
  const doubled = await pool.map("double", new Set([1, 2]), { timeoutMs: 5 });
  expectType<Equal<typeof doubled, number[]>>();
  const refs = await pool.map("make", [[1, 2], [3]]);
  expectType<Equal<typeof refs, TensorRef<"int32">[]>>();
  const idle = await pool.map("idle", [undefined, undefined]);
  expectType<Equal<typeof idle, void[]>>();
  const one = await pool.ask("double", 2, { timeoutMs: 5 });
  expectType<Equal<typeof one, number>>();
  for await (const result of pool.results("double", [1, 2])) {
    expectType<Equal<typeof result, Result<number>>>();
    if (result.error !== undefined) {
      expectType<Equal<typeof result.error, Error>>();
      continue;
    }
    expectType<Equal<typeof result.value, number>>();
    expectType<Equal<typeof result.index, number>>();
  }

  const ended = await system.watch(faster);
  expectType<Equal<typeof ended, Ended>>();
  const found = await system.find(Ticker, "ticker");
  const count = await found?.ask("add", 1);
  expectType<Equal<typeof count, number | undefined>>();
}
