// Tensors in the hands of actors: references in messages pin and weigh, views end with their handler, and what a program
// must not do with them shows in strict mode.
import { Actor, type ActorRef, type Lifetime, type Tensor, type TensorRef } from "../../runtime/mod.ts";
import type { TensorEntry } from "../../stores/store.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, quiet, settledOf, type Stage, stage } from "./stage.ts";

const timeoutMs = 8_000;
const elements = 2_000;
const bytes = elements * 8;

/** Large enough to stand in the store, and not in its reference. */
function put(at: Stage, value = 1, lifetime?: Lifetime): Promise<TensorRef<"float64">> {
  const item = { data: new Float64Array(elements).fill(value), dtype: "float64" as const };
  return at.system.store.put(item, lifetime === undefined ? {} : { lifetime });
}

/** Where the store has a tensor: gone, or in what state. */
async function stateOf(at: Stage, ref: TensorRef): Promise<TensorEntry["state"] | "gone"> {
  for await (const entry of at.system.store.list()) if (entry.id === ref.id) return entry.state;
  return "gone";
}

class Reader extends Actor {
  view: Tensor<"float64"> | undefined;

  async first(ref: TensorRef<"float64">): Promise<number> {
    return (await this.store.get(ref)).data[0]!;
  }

  async firstOf(message: { refs: TensorRef<"float64">[]; note?: string }): Promise<number[]> {
    const found: number[] = [];
    for await (const tensor of this.store.getMany(message.refs)) found.push(tensor.data[0]!);
    return found;
  }

  ignore(_ref: TensorRef | { deep: TensorRef[] }): void {}

  async hang(_ref: TensorRef): Promise<void> {
    await new Promise(() => {});
  }

  fail(_ref: TensorRef): void {
    throw new Error("wrong");
  }

  async hold(ref: TensorRef<"float64">): Promise<number> {
    this.view = await this.store.get(ref);
    return this.view.data[0]!;
  }

  async keep(ref: TensorRef<"float64">): Promise<number> {
    this.view = (await this.store.get(ref)).keep();
    return this.view.data[0]!;
  }

  look(): number {
    return this.view!.data[0]!;
  }

  drop(): void {
    this.view!.done();
    this.view = undefined;
  }

  async spoil(ref: TensorRef<"float64">): Promise<number> {
    const tensor = await this.store.get(ref);
    tensor.data[0] = 99;
    return 1;
  }
}

const lastRead: Lifetime = { reads: 1 };

test("A reference in a message resolves, alone, in a list and deep inside", async () => {
  const at = stage();
  const reader = await at.system.spawn(Reader);
  const refs = await Promise.all([1, 2, 3].map((value) => put(at, value)));
  assert.equal(await reader.ask("first", refs[0]!), 1);
  assert.deepEqual(await reader.ask("firstOf", { refs }), [1, 2, 3]);
  assert.deepEqual(await reader.ask("firstOf", { refs: [], note: "none" }), []);
  await leave(at);
});

test("A message pins what it references until it is over: released under way, its bytes stay", async () => {
  const at = stage();
  const hold = gate();
  class Slow extends Actor {
    async take(_ref: { deep: TensorRef[] }): Promise<void> {
      await hold.passed;
    }
  }
  const slow = await at.system.spawn(Slow);
  const ref = await put(at);
  const small = await at.system.store.put({ data: Float64Array.of(5) });
  const calls = held(slow.ask("take", { deep: [ref, small] }), slow.tell("take", { deep: [ref] }));
  await quiet();
  await at.system.store.release(ref);
  assert.equal(await stateOf(at, ref), "released");
  hold.open();
  await settledOf(calls);
  assert.equal(await stateOf(at, ref), "gone");
  await leave(at);
});

/** Ways in which a message with a reference can end; each must let go, and count a read or not. */
const ways: Readonly<Record<string, { reads: boolean; run: (at: Stage, ref: TensorRef<"float64">) => Promise<void> }>> =
  {
    "an ask that is answered": {
      reads: true,
      async run(at, ref) {
        await (await at.system.spawn(Reader)).ask("first", ref);
      },
    },
    "a tell": {
      reads: true,
      async run(at, ref) {
        await (await at.system.spawn(Reader)).tell("ignore", ref);
      },
    },
    "an ask whose handler threw": {
      reads: true,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        await errorOf("HandlerError", () => reader.ask("fail", ref));
      },
    },
    "an ask that timed out in its mailbox": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        const other = await put(at);
        const [hang] = held(reader.ask("hang", other));
        const [waiting] = held(reader.ask("ignore", ref, { timeoutMs: 10 }));
        await at.clock.advance(10);
        assert.deepEqual(await settledOf([waiting]), ["Timeout failed"]);
        await at.system.stop(reader, { now: true });
        await settledOf([hang]);
      },
    },
    "messages that a stop discards": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader, undefined, { limits: { mailboxMessagesMax: 2 } });
        const other = await put(at);
        void held(reader.ask("hang", other));
        await quiet();
        for (let i = 0; i < 3; i++) void held(reader.ask("ignore", ref), reader.tell("ignore", ref));
        await at.system.stop(reader, { now: true });
      },
    },
    "a message to one that has ended": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        await at.system.stop(reader, {});
        await errorOf("Ended", () => reader.ask("ignore", ref));
        await errorOf("Ended", () => reader.tell("ignore", ref));
      },
    },
    "a message of no known name": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        await errorOf("BadInput", () => reader.ask("none" as "ignore", ref));
        await errorOf("BadInput", () => reader.tell("none" as "ignore", ref));
      },
    },
    "a message that cannot be sent": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        const message = { deep: [ref, () => {}] } as unknown as { deep: TensorRef[] };
        await errorOf("BadInput", () => reader.ask("ignore", message));
        await errorOf("BadInput", () => reader.tell("ignore", message));
      },
    },
    "an ask that was cancelled before it was sent": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        await errorOf("Cancelled", () => reader.ask("ignore", ref, { signal: AbortSignal.abort() }));
      },
    },
    "a tell that found no room": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader, undefined, { limits: { mailboxMessagesMax: 1 } });
        void held(reader.ask("hang", await put(at)));
        await quiet();
        void reader.tell("ignore", await put(at));
        const [told] = held(reader.tell("ignore", ref, { timeoutMs: 10 }));
        await at.clock.advance(10);
        assert.deepEqual(await settledOf([told]), ["Timeout failed"]);
      },
    },
  };

for (const [title, { reads, run }] of Object.entries(ways)) {
  test(`Pins: ${title} lets go of its tensors, and counts ${reads ? "a read" : "no read"}`, async () => {
    const at = stage();
    const kept = await put(at, 1);
    await run(at, kept);
    await quiet();
    assert.equal(await stateOf(at, kept), "sealed");
    await at.system.store.release(kept);
    assert.equal(await stateOf(at, kept), "gone", "something still pins or views it");
    const counted = await put(at, 1, lastRead);
    await run(at, counted);
    await quiet();
    assert.equal(await stateOf(at, counted), reads ? "gone" : "sealed");
    await leave(at);
  }, { timeoutMs });
}

test("Declared reads count when the message is over, once per message, however often it was got", async () => {
  await property(
    [fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 6 })],
    async (gets, reads) => {
      const at = stage();
      class Many extends Actor {
        async read(message: { ref: TensorRef; again: TensorRef[]; times: number }): Promise<void> {
          for (let i = 0; i < message.times; i++) (await this.store.get(message.ref)).done();
        }
      }
      const many = await at.system.spawn(Many);
      const ref = await put(at, 1, { reads });
      const messages = gets.slice(0, reads);
      for (const [index, times] of messages.entries()) {
        assert.equal(await stateOf(at, ref), "sealed");
        // Twice in one message is one message.
        await many.ask("read", { ref, again: times === 0 ? [ref] : [], times });
        await quiet();
        assert.equal(await stateOf(at, ref), index + 1 === reads ? "gone" : "sealed");
      }
      await leave(at);
    },
    { runs: 40 },
  );
});

test("A tensor of one read that two messages carry lives until both are over", async () => {
  const at = stage();
  const hold = gate();
  class Slow extends Actor {
    async read(ref: TensorRef<"float64">): Promise<number> {
      await hold.passed;
      return (await this.store.get(ref)).data[0]!;
    }
  }
  const slow = await at.system.spawn(Slow);
  const reader = await at.system.spawn(Reader);
  const ref = await put(at, 3, lastRead);
  const call = slow.ask("read", ref);
  assert.equal(await reader.ask("first", ref), 3);
  await quiet();
  assert.notEqual(await stateOf(at, ref), "gone");
  hold.open();
  assert.equal(await call, 3);
  await quiet();
  assert.equal(await stateOf(at, ref), "gone");
  await leave(at);
});

// Weights

test("A message weighs what it references: a full mailbox is one of bytes, too, and lets one in always", async () => {
  const at = stage();
  const reader = await at.system.spawn(Reader, undefined, { limits: { mailboxBytesMax: 2 * bytes } });
  const refs = await Promise.all([1, 2, 3, 4].map((value) => put(at, value)));
  const hold = gate();
  class Slow extends Actor {
    async take(_ref: TensorRef[]): Promise<void> {
      await hold.passed;
    }
  }
  const slow = await at.system.spawn(Slow, undefined, { limits: { mailboxBytesMax: 2 * bytes } });
  void held(slow.ask("take", []));
  await quiet();
  const tells = held(
    slow.tell("take", [refs[0]!, refs[1]!]),
    slow.tell("take", []), // Weighs nothing, and waits behind nobody yet.
    slow.tell("take", [refs[2]!]),
    slow.tell("take", []), // Waits behind the one that has no room: order holds.
  );
  assert.deepEqual(await settledOf(tells), ["value undefined", "value undefined", undefined, undefined]);
  hold.open();
  assert.deepEqual(await settledOf(tells), Array(4).fill("value undefined"));
  // Heavier than the mailbox: alone it may come in.
  assert.deepEqual(await reader.ask("firstOf", { refs }), [1, 2, 3, 4]);
  await leave(at);
});

// Views

test("A view ends with its handler, with or without done, however it ends", async () => {
  const at = stage({ supervision: { on: "resume" } });
  class Ends extends Actor {
    async see(message: { ref: TensorRef; how: string }): Promise<void> {
      const view = await this.store.get(message.ref);
      if (message.how === "done") view.done();
      if (message.how === "twice") {
        view.done();
        view.done();
      }
      if (message.how === "throw") throw new Error("wrong");
      if (message.how === "many") { for await (const _ of this.store.getMany([message.ref, message.ref])) break; }
      if (message.how === "hang") await new Promise(() => {});
    }
  }
  for (const how of ["leave", "done", "twice", "throw", "many", "hang"]) {
    const ends = await at.system.spawn(Ends);
    const ref = await put(at);
    const [call] = held(ends.ask("see", { ref, how }));
    await quiet();
    await at.system.store.release(ref);
    if (how === "hang") {
      assert.equal(await stateOf(at, ref), "released");
      await at.system.stop(ends, { now: true });
    } else await call.catch(() => {});
    assert.equal(await stateOf(at, ref), "gone", how);
    await at.system.stop(ends, {});
  }
  await leave(at);
});

test("A view of started, and of stopping, ends with it", async () => {
  const at = stage();
  const ref = await put(at);
  class Early extends Actor {
    readonly #ref: TensorRef;
    constructor(ref: TensorRef) {
      super();
      this.#ref = ref;
    }
    async started(): Promise<void> {
      await this.store.get(this.#ref);
    }
    async stopping(): Promise<void> {
      await this.store.get(this.#ref);
    }
  }
  const early = await at.system.spawn(Early, ref);
  await at.system.stop(early, {});
  await at.system.store.release(ref);
  assert.equal(await stateOf(at, ref), "gone");
  await leave(at);
});

test("keep makes a view outlive its handler, until done", async () => {
  const at = stage();
  const reader = await at.system.spawn(Reader);
  const ref = await put(at, 7);
  assert.equal(await reader.ask("keep", ref), 7);
  await at.system.store.release(ref);
  assert.equal(await stateOf(at, ref), "released");
  await put(at, 8);
  assert.equal(await reader.ask("look"), 7);
  await reader.ask("drop");
  assert.equal(await stateOf(at, ref), "gone");
  await leave(at);
});

test("What an actor kept goes with it", async () => {
  for (const end of ["stop", "restart"]) {
    const at = stage();
    const reader = await at.system.spawn(Reader);
    const ref = await put(at, 7);
    await reader.ask("keep", ref);
    await at.system.store.release(ref);
    if (end === "stop") await at.system.stop(reader, {});
    else await errorOf("HandlerError", () => reader.ask("fail", ref));
    await quiet();
    assert.equal(await stateOf(at, ref), "gone", `kept by nobody after a ${end}`);
    await leave(at);
  }
});

test("A get that ends after its actor holds nothing", async () => {
  const at = stage();
  const ref = await put(at);
  class Hasty extends Actor {
    async go(): Promise<void> {
      const view = this.store.get(ref);
      void this.stop(this.self, { now: true });
      await view;
    }
    leave(): void {
      // Nobody waits for it: the handler is over first.
      void this.store.get(ref).catch(() => {});
    }
  }
  const hasty = await at.system.spawn(Hasty);
  await hasty.ask("leave");
  await quiet();
  void held(hasty.ask("go"));
  await quiet();
  await at.system.store.release(ref);
  assert.equal(await stateOf(at, ref), "gone");
  await leave(at);
});

test("strict mode: a view that is held beyond its handler shows a pattern after release, not old data", async () => {
  const at = stage({ strict: true });
  const reader = await at.system.spawn(Reader);
  const ref = await put(at, 7);
  assert.equal(await reader.ask("hold", ref), 7);
  await at.system.store.release(ref);
  assert.notEqual(await reader.ask("look"), 7);
  await leave(at);
});

test("strict mode: a write to a got tensor crashes its handler, and the caller learns of it", async () => {
  const at = stage({ strict: true });
  const reader = await at.system.spawn(Reader);
  const small = await at.system.store.put({ data: Float64Array.of(1), dtype: "float64" });
  for (const ref of [await put(at), small]) {
    const error = await errorOf("HandlerError", () => reader.ask("spoil", ref));
    assert.match(error.message, /written to/);
  }
  assert.equal(at.system.statistics().crashes, 2);
  const whole = await put(at, 4);
  assert.equal(await reader.ask("first", whole), 4, "the actor goes on");
  await at.system.close({ now: true });
});

test("strict mode: what the end of a message finds written to disturbs nobody else", async () => {
  // Its last read frees it, and freeing finds the write.
  const at = stage({ strict: true });
  const reader = await at.system.spawn(Reader);
  const neighbour = await at.system.spawn(Reader);
  for (const method of ["ignore", "first"] as const) {
    const draft = await at.system.store.allocate("float64", [elements], { lifetime: lastRead });
    const ref = await draft.seal();
    const sent = reader.ask(method, ref);
    draft.data[5] = 1;
    const [how] = await settledOf([sent]);
    assert.match(how ?? "hangs", /^(value|HandlerError|Corrupt)/);
    const whole = await put(at, 4);
    assert.deepEqual(await settledOf([neighbour.ask("first", whole), reader.ask("first", whole)]), [
      "value 4",
      "value 4",
    ]);
  }
  await at.system.close({ now: true });
}, { timeoutMs });

test("strict mode: a stop that discards a message which finds a write ends all the same", async () => {
  const at = stage({ strict: true });
  const reader = await at.system.spawn(Reader);
  void held(reader.ask("hang", await put(at)));
  await quiet();
  const draft = await at.system.store.allocate("float64", [elements]);
  const ref = await draft.seal();
  const [sent] = held(reader.ask("ignore", ref));
  draft.data[5] = 1;
  await at.system.store.release(ref); // Pinned: freed with the message.
  const ended = at.system.stop(reader, { now: true });
  const [how, end] = await settledOf([sent, ended.then(({ reason }) => reason)]);
  assert.equal(how, "Ended failed");
  assert.equal(end, `value "stopped"`);
  await at.system.close({ now: true });
}, { timeoutMs });

// Answers

class Maker extends Actor {
  async make(lifetime?: Lifetime): Promise<TensorRef<"float64">> {
    const draft = await this.store.allocate("float64", [elements], lifetime === undefined ? {} : { lifetime });
    draft.data.fill(6);
    return await draft.seal();
  }

  async makeMany(count: number): Promise<{ all: TensorRef<"float64">[] }> {
    const all: TensorRef<"float64">[] = [];
    for (let i = 0; i < count; i++) all.push(await this.make());
    return { all };
  }

  async *stream(count: number): AsyncGenerator<TensorRef<"float64">> {
    for (let i = 0; i < count; i++) yield await this.make({ reads: 1 });
  }
}

test("A reference in an answer resolves for the program and for actors", async () => {
  const at = stage();
  const maker = await at.system.spawn(Maker);
  const ref = await maker.ask("make");
  const view = await at.system.store.get(ref);
  assert.equal(view.data[0], 6);
  view.done();
  const { all } = await maker.ask("makeMany", 3);
  const reader = await at.system.spawn(Reader);
  assert.deepEqual(await reader.ask("firstOf", { refs: all }), [6, 6, 6]);
  await leave(at);
});

test("An answer is the asking handler's until that ends; then it counts as read", async () => {
  const at = stage();
  const hold = gate();
  let ref: TensorRef<"float64"> | undefined;
  class Asker extends Actor {
    async use(maker: ActorRef<Maker>): Promise<number> {
      ref = await maker.ask("make", { reads: 1 });
      await this.store.release(ref); // Somebody lets go of it meanwhile.
      await hold.passed;
      return 1;
    }
    async read(maker: ActorRef<Maker>): Promise<number> {
      ref = await maker.ask("make", { reads: 1 });
      await hold.passed;
      return (await this.store.get(ref)).data[0]!;
    }
  }
  const maker = await at.system.spawn(Maker);
  const asker = await at.system.spawn(Asker);
  const first = asker.ask("read", maker);
  await quiet();
  assert.equal(await stateOf(at, ref!), "sealed");
  hold.open();
  assert.equal(await first, 6);
  await quiet();
  assert.equal(await stateOf(at, ref!), "gone", "the one read that was declared has happened");
  await asker.ask("use", maker);
  await quiet();
  assert.equal(await stateOf(at, ref!), "gone");
  await leave(at);
});

test("An answer to one who has ended or left meanwhile pins nothing", async () => {
  const at = stage();
  const hold = gate();
  let made: TensorRef | undefined;
  class Late extends Actor {
    async make(): Promise<TensorRef> {
      await hold.passed;
      return made = await this.store.put({ data: new Float64Array(elements) });
    }
  }
  class Asker extends Actor {
    async use(late: ActorRef<Late>): Promise<void> {
      await late.ask("make");
    }
  }
  const late = await at.system.spawn(Late);
  const asker = await at.system.spawn(Asker);
  void held(asker.ask("use", late));
  await quiet();
  await at.system.stop(asker, { now: true });
  hold.open();
  await quiet();
  await at.system.store.release(made!);
  assert.equal(await stateOf(at, made!), "gone");
  await leave(at);
});

test("A stream's references are pinned until the next is asked for, also when the reader leaves", async () => {
  const at = stage();
  const maker = await at.system.spawn(Maker);
  const seen: TensorRef[] = [];
  for await (const ref of maker.stream("stream", 5, { creditMax: 2 })) {
    seen.push(ref);
    assert.equal(await stateOf(at, ref), "sealed");
    for (const before of seen.slice(0, -1)) assert.equal(await stateOf(at, before), "gone");
  }
  assert.equal(seen.length, 5);
  for await (const ref of maker.stream("stream", 5, { creditMax: 2 })) {
    seen.push(ref);
    break;
  }
  await quiet();
  // The one that was taken is read; those under way were not.
  assert.equal(await stateOf(at, seen.at(-1)!), "gone");
  let left = 0;
  for await (const { state } of at.system.store.list()) if (state === "released") left++;
  assert.equal(left, 0);
  await leave(at);
});

test("A waiting task of a pool pins what it references", async () => {
  const at = stage();
  const hold = gate();
  class Slow extends Actor {
    async first(ref: TensorRef<"float64">): Promise<number> {
      await hold.passed;
      return (await this.store.get(ref)).data[0]!;
    }
  }
  const pool = await at.system.pool(Slow, { size: 1 });
  const [one, two] = await Promise.all([put(at, 1), put(at, 2)]);
  const calls = held(pool.ask("first", one), pool.ask("first", two));
  await quiet();
  // Sent and not yet over: released now, it stays until its message is.
  await at.system.store.release(two);
  assert.notEqual(await stateOf(at, two), "gone");
  hold.open();
  await settledOf(calls);
  await quiet();
  assert.equal(await stateOf(at, two), "gone");
  await leave(at);
});

test("What an actor was constructed with lasts as long as the actor, through its restarts", async () => {
  const at = stage();
  class Model extends Actor {
    readonly #weights: TensorRef<"float64">;
    constructor(input: { weights: TensorRef<"float64"> }) {
      super();
      this.#weights = input.weights;
    }
    async first(): Promise<number> {
      return (await this.store.get(this.#weights)).data[0]!;
    }
    fail(): void {
      throw new Error("wrong");
    }
  }
  const weights = await put(at, 5);
  const model = await at.system.spawn(Model, { weights });
  assert.equal(await model.ask("first"), 5);
  await errorOf("HandlerError", () => model.ask("fail"));
  assert.equal(await model.ask("first"), 5);
  await at.system.stop(model, {});
  await at.system.store.release(weights);
  assert.equal(await stateOf(at, weights), "gone");
  await leave(at);
});

test("A reference that is made up, or of another run, is refused by a typed error and pins nothing", async () => {
  const at = stage();
  const elsewhere = stage({ run: "run-2" });
  const reader = await at.system.spawn(Reader, undefined, { supervision: { on: "resume" } });
  const foreign = await put(elsewhere);
  const [asked, told] = await settledOf([reader.ask("first", foreign), reader.tell("ignore", foreign)]);
  assert.match(asked ?? "hangs", /^(BadInput|HandlerError|Missing)/);
  assert.match(told ?? "hangs", /^(BadInput|Missing|value)/);
  const ref = await put(at);
  const wrong = [{ ...ref, id: "none" }, { ...ref, bytes: 1 }, { ...ref, shape: [1] }, { ...ref, dtype: "int8" }];
  for (const one of wrong) {
    const [how] = await settledOf([reader.ask("first", one as typeof ref)]);
    assert.match(how ?? "hangs", /^(BadInput|HandlerError|Missing|Corrupt)/);
  }
  // Looks like one and is the user's own: no reason to fail, or to hang.
  for (const one of [{ ref: "tensor", id: "x", bytes: 3 }, { ref: "tensor" }, { ref: "actor", id: "main/1" }]) {
    const [how] = await settledOf([reader.ask("ignore", one as unknown as TensorRef)]);
    assert.match(how ?? "hangs", /^(value|BadInput)/);
  }
  assert.equal(await reader.ask("first", ref), 1);
  await leave(elsewhere);
  await leave(at);
});

test("Whatever happens to messages with references, in the end nothing is pinned, viewed or counted wrongly", async () => {
  const kinds = fc.constantFrom("first" as const, "ignore" as const, "fail" as const, "hold" as const);
  const sends = fc.array(
    fc.record({
      kind: kinds,
      tell: fc.boolean(),
      tensor: fc.nat(3),
      timeoutMs: fc.option(fc.constantFrom(1, 5), { nil: undefined }),
      pause: fc.boolean(),
    }),
    { maxLength: 30 },
  );
  await property([sends, fc.boolean(), fc.integer({ min: 1, max: 4 })], async (some, now, mailboxMessagesMax) => {
    const at = stage({ supervision: { restartsMax: 1_000 } });
    const reader = await at.system.spawn(Reader, undefined, { limits: { mailboxMessagesMax } });
    const refs = await Promise.all([0, 1, 2, 3].map((value) => put(at, value)));
    for (const { kind, tell, tensor, timeoutMs: after, pause } of some) {
      const ref = refs[tensor]!;
      const options = after === undefined ? {} : { timeoutMs: after };
      void held(tell ? reader.tell(kind, ref, options) : reader.ask(kind, ref, options));
      if (pause) await at.clock.advance(1);
    }
    await at.system.stop(reader, { now });
    for (const ref of refs) {
      assert.equal(await stateOf(at, ref), "sealed");
      await at.system.store.release(ref);
      assert.equal(await stateOf(at, ref), "gone");
    }
    await leave(at);
  }, { runs: 60 });
});
