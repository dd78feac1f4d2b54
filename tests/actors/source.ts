// An actor whose methods yield, one that reads from it, and what their tests read of both.
import { Actor, type ActorRef, isShoalError, type StreamOptions, type TensorRef } from "../../runtime/mod.ts";
import { type Gate, gate, type WorldSystem } from "./world.ts";

export let door: Gate = gate();

/** What the generators did, as seen from outside. */
export let trace: string[] = [];

export class Source extends Actor {
  made = 0;
  async *count(to: number): AsyncGenerator<number> {
    try {
      for (let i = 1; i <= to; i++) {
        this.made = i;
        yield i;
      }
      trace.push("end");
    } finally {
      trace.push("finally");
    }
  }
  *plain(to: number): Generator<number> {
    try {
      for (let i = 1; i <= to; i++) {
        this.made = i;
        yield i;
      }
    } finally {
      trace.push("finally");
    }
  }
  async *failing(at: number): AsyncGenerator<number> {
    for (let i = 1; i < at; i++) yield i;
    throw new Error(`no ${at}`);
  }
  async *stuck(at: number): AsyncGenerator<number> {
    try {
      for (let i = 1; i < at; i++) yield i;
      await door.opened;
      yield at;
    } finally {
      trace.push("finally");
    }
  }
  async *watching(): AsyncGenerator<number> {
    const { signal } = this;
    yield 1;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    trace.push(isShoalError(signal.reason) ? signal.reason.code : "aborted");
  }
  async *slowEnd(): AsyncGenerator<number> {
    try {
      yield 1;
      yield 2;
    } finally {
      await door.opened;
      trace.push("finally");
    }
  }
  async *failingEnd(): AsyncGenerator<number> {
    try {
      yield 1;
      yield 2;
    } finally {
      // deno-lint-ignore no-unsafe-finally
      throw new Error("in finally"); // oxlint-disable-line no-unsafe-finally
    }
  }
  async *bad(which: string): AsyncGenerator<unknown> {
    try {
      yield 1;
      if (which === "function") yield { a: [(): number => 1] };
      if (which === "large") yield "x".repeat(2 ** 20 + 1);
      yield 2;
    } finally {
      trace.push("finally");
    }
  }
  async *echo(values: readonly unknown[]): AsyncGenerator<unknown> {
    yield* values;
  }
  async *selves(): AsyncGenerator<ActorRef<Source>> {
    yield this.self;
  }
  async *tensors(count: number): AsyncGenerator<{ field: TensorRef<"float64"> }> {
    for (let i = 0; i < count; i++) {
      const data = new Float64Array(4_000).fill(i);
      yield { field: await this.store.put({ data }, { lifetime: { reads: 1 } }) };
    }
  }
  async *nothing(): AsyncGenerator<never> {}
  number(): number {
    return 42;
  }
  object(): { a: number } {
    return { a: 1 };
  }
  async later(): Promise<string> {
    await Promise.resolve();
    return "later";
  }
  progress(): number {
    return this.made;
  }
}

export class Reader extends Actor {
  read: number[] = [];
  async take(
    plan: { from: ActorRef<Source>; method: "count" | "stuck" | "failing"; to: number; stopAt: number },
  ): Promise<number[]> {
    for await (const value of plan.from.stream(plan.method, plan.to)) {
      this.read.push(value);
      if (value === plan.stopAt) break;
    }
    return this.read;
  }
  async sums(from: ActorRef<Source>): Promise<number> {
    let sum = 0;
    for await (const { field } of from.stream("tensors", 5)) {
      const view = await this.store.get(field);
      sum += view.data[0]! + view.data[3_999]!;
    }
    return sum;
  }
  async never(from: ActorRef<Source>): Promise<void> {
    for await (const value of from.stream("count", 1_000, { creditMax: 2 })) {
      this.read.push(value);
      await door.opened;
    }
  }
  seen(): number[] {
    return this.read;
  }
}

export type Loose = {
  stream(method: string, message?: unknown, options?: StreamOptions): AsyncIterable<unknown>;
  ask(method: string, message?: unknown): Promise<unknown>;
  tell(method: string, message?: unknown): PromiseLike<void>;
};

export const loose = (ref: unknown): Loose => ref as Loose;

export async function source(system: WorldSystem): Promise<ActorRef<Source>> {
  door = gate();
  trace = [];
  return await system.spawn(Source);
}

export async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of stream) values.push(value);
  return values;
}

export const iterator = <T>(stream: AsyncIterable<T>): AsyncIterator<T> => stream[Symbol.asyncIterator]();
