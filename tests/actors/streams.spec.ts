// Streams: a generator is as far ahead of its reader as the credit allows and holds its actor until it ends; whoever
// leaves, fails or goes silent, the other side is told and the actor is free again.
import { getEventListeners } from "node:events";
import { Actor, type ActorRef, isShoalError, type StreamOptions, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { checked, fails, followed, gate, inSystem, macrotask, type WorldSystem } from "./world.ts";

let door = gate();
/** What the generators did, as seen from outside. */
let trace: string[] = [];

class Source extends Actor {
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

class Reader extends Actor {
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

type Loose = {
  stream(method: string, message?: unknown, options?: StreamOptions): AsyncIterable<unknown>;
  ask(method: string, message?: unknown): Promise<unknown>;
  tell(method: string, message?: unknown): PromiseLike<void>;
};
const loose = (ref: unknown): Loose => ref as Loose;

async function source(system: WorldSystem): Promise<ActorRef<Source>> {
  door = gate();
  trace = [];
  return await system.spawn(Source);
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of stream) values.push(value);
  return values;
}

const iterator = <T>(stream: AsyncIterable<T>): AsyncIterator<T> => stream[Symbol.asyncIterator]();

test("stream: yields all, in order, then ends; also nothing, and also from a plain generator", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    assert.deepEqual(await all(ref.stream("count", 40)), Array.from({ length: 40 }, (_, i) => i + 1));
    assert.deepEqual(trace, ["end", "finally"]);
    assert.deepEqual(await all(ref.stream("plain", 40)), Array.from({ length: 40 }, (_, i) => i + 1));
    assert.deepEqual(await all(ref.stream("nothing")), []);
    assert.equal(await ref.ask("number"), 42, "the actor is free again");
  });
});

test("stream: costs nothing until it is read, and can be read once", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const stream = ref.stream("count", 3);
    await system.environment.settle();
    assert.equal(await ref.ask("progress"), 0);
    assert.deepEqual(await all(stream), [1, 2, 3]);
    await assert.rejects(() => all(stream), TypeError);
  });
});

test("stream: the producer is creditMax ahead and not one more", async () => {
  for (const method of ["count", "plain"] as const) {
    for (const creditMax of [1, 2, 5]) {
      await inSystem({}, async (system) => {
        const ref = await source(system);
        const reader = iterator(ref.stream(method, 100, { creditMax }));
        const made = (): number => (ref as unknown as { target: { actor: Source } }).target.actor.made;
        for (let read = 1; read <= 10; read++) {
          assert.deepEqual(await reader.next(), { done: false, value: read });
          await system.environment.settle();
          assert.equal(made(), Math.min(100, read + creditMax));
        }
        await reader.return!();
      });
    }
  }
});

test("stream: a credit that is none is refused", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    for (const creditMax of [0, -1, NaN, 1.5, Infinity, "2" as unknown as number]) {
      const call = followed((async () => await all(ref.stream("count", 2, { creditMax })))());
      await system.environment.settle();
      assert.ok(
        call.ended?.error instanceof RangeError || isShoalError(call.ended?.error, "BadInput"),
        String(creditMax),
      );
    }
    assert.equal(await ref.ask("progress"), 0);
  });
});

test("stream: several next at once are answered in order, each once", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = iterator(ref.stream("count", 3, { creditMax: 1 }));
    const nexts = Array.from({ length: 6 }, () => followed(reader.next()));
    await system.environment.settle();
    assert.deepEqual(nexts.map(({ ended }) => (ended?.value as { value: unknown } | undefined)?.value ?? ended), [
      1,
      2,
      3,
      ...Array.from({ length: 3 }, () => ({ value: { done: true, value: undefined } })),
    ]);
  });
});

test("stream: after return, and after an error, there is nothing more: next says done", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = iterator(ref.stream("count", 100));
    await reader.next();
    assert.deepEqual(await reader.return!(), { done: true, value: undefined });
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
    const failing = iterator(ref.stream("failing", 1));
    await fails(failing.next(), "HandlerError", "done");
    assert.deepEqual(await failing.next(), { done: true, value: undefined });
  });
});

test("stream: a reader that leaves early ends the generator through its finally, and frees the actor", async () => {
  for (const method of ["count", "plain"] as const) {
    await inSystem({}, async (system) => {
      const ref = await source(system);
      for await (const value of ref.stream(method, 1_000_000)) if (value === 3) break;
      await system.environment.settle();
      assert.deepEqual(trace, ["finally"]);
      const free = followed(ref.ask("number"));
      await system.environment.settle();
      assert.deepEqual(free.ended, { value: 42 });
      assert.equal(system.statistics().crashes, 0);
    });
  }
});

test("stream: a reader that throws leaves too", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    await assert.rejects(async () => {
      for await (const value of ref.stream("count", 1_000)) if (value === 2) throw new Error("reader");
    }, /reader/);
    await system.environment.settle();
    assert.deepEqual(trace, ["finally"]);
    assert.equal(await ref.ask("number"), 42);
  });
});

test("stream: a reader that leaves before the generator has begun: it never begins", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const first = iterator(ref.stream("stuck", 1));
    void first.next().catch(() => {});
    const second = iterator(ref.stream("count", 5));
    const waiting = followed(second.next());
    await system.environment.settle();
    await second.return!();
    await system.environment.settle();
    assert.ok(waiting.ended !== undefined, "the next that waited has settled");
    door.open();
    await first.return!();
    await system.environment.settle();
    assert.equal(await ref.ask("progress"), 0);
  });
});

test("stream: what its finally awaits still holds the actor; a finally that throws is a failure of the actor", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    for await (const _ of ref.stream("slowEnd")) break;
    const waiting = followed(ref.ask("number"));
    await system.environment.settle();
    assert.equal(waiting.ended, undefined, "a generator holds its actor until it ends (L11)");
    door.open();
    await system.environment.settle();
    assert.deepEqual(waiting.ended, { value: 42 });
    for await (const _ of ref.stream("failingEnd")) break;
    await system.environment.settle();
    assert.equal(system.statistics().crashes, 1);
    assert.equal(await ref.ask("number"), 42);
  });
});

test("stream: what was yielded before an error is read before the error", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const values: number[] = [];
    const call = (async () => {
      for await (const value of ref.stream("failing", 5)) {
        await macrotask(); // slower than the producer
        values.push(value);
      }
    })();
    const error = await fails(call, "HandlerError", "done");
    assert.match(error.message, /no 5/);
    assert.deepEqual(values, [1, 2, 3, 4]);
    await system.environment.settle();
    assert.equal(system.statistics().crashes, 1);
    await fails(all(ref.stream("failing", 1)), "HandlerError", "done");
    assert.deepEqual(await all(ref.stream("count", 2)), [1, 2], "its next life serves the next");
  });
});

test("stream: a value that cannot be sent ends it for the reader, as an answer does, and its actor lives on", async () => {
  await inSystem({}, async (system) => {
    for (const [which, code] of [["function", "BadInput"], ["large", "TooLarge"]] as const) {
      const ref = await source(system);
      const values: unknown[] = [];
      const call = (async () => {
        for await (const value of ref.stream("bad", which)) values.push(value);
      })();
      const error = await fails(call, code, "done");
      if (which === "function") assert.match(error.message, /a\[0\]/);
      assert.deepEqual(values, [1]);
      await system.environment.settle();
      assert.deepEqual(trace, ["finally"]);
      assert.equal(system.statistics().crashes, 0);
    }
  });
});

test("stream: what is asked and is a generator, streamed and is none, told and is a generator: said, and no harm", async () => {
  await inSystem({}, async (system) => {
    const ref = loose(await source(system));
    assert.match((await fails(ref.ask("count", 3), "BadInput", "failed")).message, /generator.*stream/);
    for (const method of ["number", "object", "later"]) {
      const error = await fails(all(ref.stream(method)), "BadInput", "done");
      assert.match(error.message, /no generator/);
    }
    await fails(all(ref.stream("absent")), "BadInput", "failed");
    await fails(all(ref.stream("count", () => 1)), "BadInput", "failed");
    await ref.tell("count", 3);
    await system.environment.settle();
    assert.deepEqual(trace, [], "a generator that nobody reads did nothing");
    const said = system.records.filter(({ type }) => type === "MessageDied" || type === "MessageLogged");
    assert.ok(said.length > 0, "nobody was told");
    assert.equal(await ref.ask("progress"), 0);
    assert.equal(system.statistics().crashes, 0);
  });
});

test("stream: two of one actor: the second begins when the first has ended", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const first = iterator(ref.stream("stuck", 2));
    assert.equal((await first.next()).value, 1);
    const second = followed(all(ref.stream("count", 3)));
    const asked = followed(ref.ask("number"));
    await system.environment.settle();
    assert.equal(second.ended, undefined);
    assert.equal(asked.ended, undefined);
    door.open();
    assert.equal((await first.next()).value, 2);
    assert.equal((await first.next()).done, true);
    await system.environment.settle();
    assert.deepEqual(second.ended, { value: [1, 2, 3] });
    assert.deepEqual(asked.ended, { value: 42 });
  });
});

// ——— silence

test("silence: a reader that never comes back is given up after idleTimeoutMs, and the actor is free", async () => {
  for (const own of [true, false]) {
    await inSystem({ limits: { streamIdleTimeoutMs: own ? 600_000 : 1_000 } }, async (system) => {
      const ref = await source(system);
      const reader = iterator(
        ref.stream("count", 100, own ? { creditMax: 2, idleTimeoutMs: 1_000 } : { creditMax: 2 }),
      );
      await reader.next();
      const waiting = followed(ref.ask("number"));
      await system.environment.advance(999);
      assert.equal(waiting.ended, undefined);
      await system.environment.advance(2);
      assert.deepEqual(waiting.ended, { value: 42 });
      assert.deepEqual(trace, ["finally"]);
      const rest: unknown[] = [];
      await fails(
        (async () => {
          for (;;) {
            const { done, value } = await reader.next();
            if (done === true) break;
            rest.push(value);
          }
        })(),
        "Timeout",
        "unknown",
      );
      assert.deepEqual(rest, [2, 3].slice(0, rest.length), "in order, as far as it was kept");
      assert.equal(system.statistics().crashes, 0);
    });
  }
});

test("silence: a reader that comes back too late is told so: what was given up does not look like the end", async () => {
  await inSystem({}, async (system) => {
    for (const method of ["count", "failing"] as const) {
      const ref = await source(system);
      const reader = iterator(ref.stream(method, 5, { idleTimeoutMs: 1_000 }));
      await reader.next();
      // The producer is through; four values wait for their reader.
      await system.environment.advance(2_000);
      const rest: unknown[] = [];
      let error: unknown;
      try {
        for (;;) {
          const { done, value } = await reader.next();
          if (done === true) break;
          rest.push(value);
        }
      } catch (thrown) {
        error = thrown;
      }
      const whole = method === "count" ? 4 : 3;
      assert.deepEqual(rest, [2, 3, 4, 5].slice(0, rest.length));
      if (rest.length < whole) {
        assert.ok(isShoalError(error, "Timeout"), `after ${rest.length} of ${whole}: ${String(error)}`);
      }
    }
  });
});

test("silence: a reader that comes in time, again and again, is never given up", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = iterator(ref.stream("count", 10, { creditMax: 1, idleTimeoutMs: 1_000 }));
    for (let i = 1; i <= 10; i++) {
      assert.equal((await reader.next()).value, i);
      await system.environment.advance(900);
    }
    assert.equal((await reader.next()).done, true);
  });
});

test("silence: a producer that gives no sign is given up after idleTimeoutMs too, and is told", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const values: number[] = [];
    const call = followed((async () => {
      for await (const value of ref.stream("watching", undefined, { idleTimeoutMs: 1_000 })) values.push(value);
    })());
    await system.environment.advance(999);
    assert.equal(call.ended, undefined);
    await system.environment.advance(2);
    checked(call.ended, "Timeout", "unknown");
    assert.deepEqual(values, [1]);
    assert.deepEqual(trace, ["Timeout"], "its signal has ended");
    assert.equal(await ref.ask("number"), 42);
  });
});

test("silence: one that waits in a queue is no silence of its own: replyTimeoutMs ends it, failed", async () => {
  await inSystem({ limits: { replyTimeoutMs: 5_000 } }, async (system) => {
    const ref = await source(system);
    const first = iterator(ref.stream("stuck", 1, { idleTimeoutMs: 100_000 }));
    void first.next().catch(() => {});
    const second = followed(all(ref.stream("count", 3)));
    await system.environment.advance(5_001);
    checked(second.ended, "Timeout", "failed");
    door.open();
    await first.return!();
    await system.environment.settle();
    assert.equal(await ref.ask("progress"), 0);
  });
});

test("silence: an idleTimeoutMs that is no number of milliseconds is BadInput", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    for (const idleTimeoutMs of [NaN, -1, {} as unknown as number]) {
      const call = followed((async () => await all(ref.stream("count", 2, { idleTimeoutMs })))());
      await system.environment.settle();
      const error = call.ended?.error;
      assert.ok(error instanceof RangeError || isShoalError(error, "BadInput"), `${idleTimeoutMs}: ${String(error)}`);
    }
  });
});

// ——— signals and ends

test("stream: the reader's signal ends it: Cancelled, the generator's finally runs, nobody listens any more", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const controller = new AbortController();
    const { signal } = controller;
    const reader = iterator(ref.stream("count", 100, { signal, creditMax: 1 }));
    await reader.next();
    controller.abort("enough");
    await system.environment.settle();
    assert.deepEqual(trace, ["finally"]);
    await fails(
      (async () => {
        while ((await reader.next()).done !== true);
      })(),
      "Cancelled",
      "unknown",
    );
    const before = followed(all(ref.stream("count", 3, { signal })));
    await system.environment.settle();
    checked(before.ended, "Cancelled", "failed");
    const fresh = new AbortController();
    for await (const _ of ref.stream("count", 9, { signal: fresh.signal })) break;
    assert.deepEqual(await all(ref.stream("count", 2, { signal: fresh.signal })), [1, 2]);
    await system.environment.settle();
    assert.equal(getEventListeners(fresh.signal, "abort").length, 0);
    assert.equal(await ref.ask("number"), 42);
  });
});

test("stream: its actor is stopped now: Ended, unknown, and the generator's finally runs; drained: it goes to its end", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = iterator(ref.stream("count", 100, { creditMax: 1 }));
    await reader.next();
    await system.stop(ref, { now: true });
    await system.environment.settle();
    assert.deepEqual(trace, ["finally"]);
    await fails(
      (async () => {
        while ((await reader.next()).done !== true);
      })(),
      "Ended",
      "unknown",
    );
    await fails(all(ref.stream("count", 1)), "Ended", "failed");
    const other = await source(system);
    const whole = iterator(other.stream("count", 5, { creditMax: 1 }));
    await whole.next();
    const stopping = followed(system.stop(other, {}));
    await system.environment.settle();
    assert.equal(stopping.ended, undefined);
    for (let i = 2; i <= 5; i++) assert.equal((await whole.next()).value, i);
    assert.equal((await whole.next()).done, true);
    await system.environment.settle();
    assert.ok(stopping.ended !== undefined);
  });
});

test("stream: its reader is an actor that ends: the producer is free", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = await system.spawn(Reader);
    void reader.tell("never", ref);
    await system.environment.settle();
    const waiting = followed(ref.ask("number"));
    await system.environment.settle();
    assert.equal(waiting.ended, undefined);
    await system.stop(reader, { now: true });
    await system.environment.settle();
    assert.deepEqual(waiting.ended, { value: 42 });
    assert.deepEqual(trace, ["finally"]);
    door.open();
  });
});

test("stream: kept from one handler to the next, it can be read on; it ends with the life that began it", async () => {
  class Keeper extends Actor {
    readonly from: ActorRef<Source>;
    reading: AsyncIterator<number> | undefined;
    constructor(from: ActorRef<Source>) {
      super();
      this.from = from;
    }
    async more(): Promise<number | undefined> {
      this.reading ??= iterator(this.from.stream("count", 100, { creditMax: 1 }));
      const { done, value } = await this.reading.next();
      return done === true ? undefined : value;
    }
    crash(): never {
      throw new Error("crash");
    }
  }
  for (const end of ["stop", "crash"] as const) {
    await inSystem({}, async (system) => {
      const ref = await source(system);
      const keeper = await system.spawn(Keeper, ref);
      for (let i = 1; i <= 5; i++) assert.equal(await keeper.ask("more"), i);
      if (end === "stop") await system.stop(keeper, { now: true });
      else await fails(keeper.ask("crash"), "HandlerError");
      await system.environment.settle();
      assert.deepEqual(trace, ["finally"], "the producer is held, and nobody can read it any more");
      const free = followed(ref.ask("number"));
      await system.environment.settle();
      assert.deepEqual(free.ended, { value: 42 });
    });
  }
});

test("stream: read by an actor, to the end, to an error, and left early", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = await system.spawn(Reader, undefined, { supervision: { on: "resume" } });
    assert.deepEqual(await reader.ask("take", { from: ref, method: "count", to: 3, stopAt: 0 }), [1, 2, 3]);
    assert.deepEqual(await reader.ask("take", { from: ref, method: "count", to: 9, stopAt: 2 }), [1, 2, 3, 1, 2]);
    await fails(reader.ask("take", { from: ref, method: "failing", to: 2, stopAt: 0 }), "HandlerError");
    assert.deepEqual(await reader.ask("seen"), [1, 2, 3, 1, 2, 1]);
    assert.equal(await ref.ask("number"), 42);
  });
});

// ——— what is in it

test("stream: values are copied, may be any message, and references among them are the reader's", async () => {
  for (const strict of [false, true]) {
    await inSystem({ strict }, async (system) => {
      const ref = await source(system);
      const values = [NaN, -0, 5n, "x", null, { a: Float64Array.of(1), $: [Infinity] }];
      assert.deepStrictEqual(await all(loose(ref).stream("echo", values)), values);
      const [self] = await all(ref.stream("selves"));
      assert.equal(self!.id, ref.id);
      assert.equal(await self!.ask("number"), 42);
    });
  }
});

test("stream: tensors that it yields are pinned until the reader asks for the next, and gone after", async () => {
  for (const strict of [false, true]) {
    await inSystem({ strict }, async (system) => {
      const ref = await source(system);
      const reader = await system.spawn(Reader);
      assert.equal(await reader.ask("sums", ref), 2 * (0 + 1 + 2 + 3 + 4));
      await system.environment.settle();
      assert.equal(system.tensorStore.statistics().tensors, 0, "each was read once");
      // Left early: what had been yielded and was never read is nobody's either.
      for await (const _ of ref.stream("tensors", 5, { creditMax: 3 })) break;
      await system.environment.settle();
      assert.equal(await ref.ask("number"), 42);
    });
  }
});

test("stream: tensors of a stream that ended before they were read are not pinned for ever", async () => {
  class Maker extends Actor {
    async *make(tensors: readonly TensorRef[]): AsyncGenerator<TensorRef> {
      yield* tensors;
    }
  }
  await inSystem({}, async (system) => {
    const maker = await system.spawn(Maker);
    const options = { lifetime: { until: "release" } } as const;
    const tensors = await system.store.putMany([0, 1, 2].map(() => ({ data: new Float64Array(4_000) })), options);
    const reader = iterator(maker.stream("make", tensors, { idleTimeoutMs: 1_000 }));
    await reader.next();
    await system.environment.settle();
    for (const tensor of tensors) await system.store.release(tensor);
    // The generator is through; the reader never comes back.
    await system.environment.advance(2_000);
    assert.equal(system.tensorStore.statistics().tensors, 0, "they are still pinned");
  });
});

test("stream: whatever the reader does, it reads a prefix in order, and the actor is free in the end", async () => {
  const acts = fc.array(fc.constantFrom("next", "next", "next", "turn", "both", "advance", "abort", "return", "stop"), {
    maxLength: 30,
  });
  const method = fc.constantFrom("count", "plain", "failing", "stuck");
  await property(
    [acts, method, fc.integer({ min: 1, max: 4 }), fc.nat(12), fc.boolean()],
    async (plan, kind, creditMax, to, strict) => {
      await inSystem({ strict }, async (system) => {
        const ref = await source(system);
        const controller = new AbortController();
        const options = { creditMax, idleTimeoutMs: 1_000, signal: controller.signal };
        const reader = iterator(ref.stream(kind as "count", to, options));
        const nexts: ReturnType<typeof followed>[] = [];
        let left = false;
        for (const act of plan) {
          if (act === "next") await system.environment.settle();
          if (act === "next" || act === "both") nexts.push(followed(reader.next()));
          if (act === "both") nexts.push(followed(reader.next()));
          if (act === "turn") await macrotask();
          if (act === "advance") await system.environment.advance(400);
          if (act === "abort" && plan.length % 2 === 0) controller.abort();
          if (act === "return" && plan.length % 3 === 0) {
            left = true;
            nexts.push(followed(reader.return!()));
          }
          if (act === "stop" && plan.length % 5 === 0) void system.stop(ref, { now: true });
        }
        await system.environment.settle();
        door.open();
        nexts.push(followed(reader.return!()));
        await system.environment.advance(2_000);
        for (const { ended, times } of nexts) assert.ok(ended !== undefined && times === 1, "a next has not settled");
        const results = nexts.map(({ ended }) =>
          ended as { value?: { done?: boolean; value?: number }; error?: unknown }
        );
        const values = results.filter(({ value }) => value?.done === false).map(({ value }) => value!.value);
        assert.deepEqual(values, values.map((_, i) => i + 1), "not a prefix");
        const errors = results.filter(({ error }) => error !== undefined).map(({ error }) => error);
        for (const error of errors) assert.ok(isShoalError(error), String(error));
        assert.ok(left || errors.length <= 2, `${errors.length} errors of one stream`);
        const free = followed(ref.ask("number"));
        await system.environment.settle();
        assert.ok(free.ended !== undefined, "the actor is held");
      });
    },
    { runs: 200 },
  );
});
