// References in answers, streams, waiting tasks and constructors: whose they are, and until when.
import { Actor, type ActorRef, type Lifetime, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, quiet, settledOf, stage } from "./stage.ts";
import { elements, put, Reader, stateOf } from "./reader.ts";

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
