// Views of tensors end with their handler; what a program must not do with them shows in strict mode.
import { Actor, type TensorRef } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { held, leave, quiet, settledOf, stage } from "./stage.ts";
import { elements, lastRead, put, Reader, stateOf, timeoutMs } from "./reader.ts";

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
