// Names of actors: exact, taken once, free again when their bearer has ended, and found by class.
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Counter, Other } from "./counter.ts";

// Names

test("Names are exact: those that collide elsewhere are all different here, and each is taken once", async () => {
  const names = [
    "a",
    "aa",
    "A",
    "a/b",
    "a b",
    "..",
    ".",
    "../..",
    "/",
    "%2e",
    "é".normalize("NFC"),
    "é".normalize("NFD"),
    "__proto__",
    "constructor",
    "toString",
    "1",
    " ",
    "名",
    "\u{1f41f}",
  ];
  assert.notEqual("é".normalize("NFC"), "é".normalize("NFD"));
  const pick = fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 40 });
  await property([pick], async (some) => {
    const at = stage();
    const holders = new Map<string, ActorRef<Counter>>();
    for (const name of some) {
      const holder = holders.get(name);
      if (holder === undefined) {
        assert.equal(await at.system.find(Counter, name), undefined);
        holders.set(name, await at.system.spawn(Counter, undefined, { name }));
        continue;
      }
      const error = await errorOf("Conflict", () => at.system.spawn(Counter, undefined, { name }));
      assert.ok(error.message.includes(holder.id), error.message);
      assert.equal((await at.system.find(Counter, name))?.id, holder.id);
      await at.system.stop(holder, {});
      holders.delete(name);
    }
    assert.equal(at.system.statistics().actors, holders.size);
    for (const [name, holder] of holders) assert.equal((await at.system.find(Counter, name))?.id, holder.id);
    await leave(at);
  }, { runs: 30 });
});

test("Names have an end: none is empty or too long", async () => {
  const at = stage({ limits: { nameCharsMax: 5 } });
  await at.system.spawn(Counter, undefined, { name: "12345" });
  for (const name of ["", "123456", "x".repeat(1_000_000)]) {
    const error = await errorOf("BadInput", () => at.system.spawn(Counter, undefined, { name }));
    assert.ok(error.message.length < 300, "the message repeats no name without end");
  }
  assert.equal(at.system.statistics().actors, 1);
  await leave(at);
});

test("A name is taken while its actor starts and while it ends", async () => {
  const at = stage();
  const begin = gate();
  const end = gate();
  class Slow extends Actor {
    async started(): Promise<void> {
      await begin.passed;
    }
    async stopping(): Promise<void> {
      await end.passed;
    }
  }
  const again = () => at.system.spawn(Slow, undefined, { name: "slow" });
  const spawned = again();
  await errorOf("Conflict", again);
  begin.open();
  const slow = await spawned;
  const ended = at.system.stop(slow, {});
  await errorOf("Conflict", again);
  end.open();
  await ended;
  await again();
  await leave(at);
});

test("A child that ends with its parent's life leaves its name to the next one", async () => {
  const at = stage();
  class Parent extends Actor {
    async started(): Promise<void> {
      await this.spawn(Counter, undefined, { name: "child" });
    }
    fail(): void {
      throw new Error("wrong");
    }
    hello(): string {
      return "hello";
    }
  }
  const parent = await at.system.spawn(Parent);
  const first = await at.system.find(Counter, "child");
  for (let i = 0; i < 3; i++) await errorOf("HandlerError", () => parent.ask("fail"));
  assert.equal(await parent.ask("hello"), "hello");
  const next = await at.system.find(Counter, "child");
  assert.notEqual(next!.id, first!.id);
  assert.equal(at.system.statistics().crashes, 3);
  await leave(at);
});

test("A child that takes its time to end gives its name to the next life of its parent all the same", async () => {
  const at = stage({ supervision: { restartsMax: 3 } });
  class Slow extends Actor {
    async stopping(): Promise<void> {
      await quiet();
    }
  }
  class Parent extends Actor {
    async started(): Promise<void> {
      await this.spawn(Slow, undefined, { name: "child" });
    }
    fail(): void {
      throw new Error("wrong");
    }
    hello(): string {
      return "hello";
    }
  }
  const parent = await at.system.spawn(Parent);
  const ended = at.system.watch(parent);
  const calls = held(parent.ask("fail"), parent.ask("hello"));
  await quiet();
  await quiet();
  // A new life before the old one's children are gone would fail on their names, again and again.
  assert.deepEqual(await settledOf([...calls, ended]), ["HandlerError done", `value "hello"`, undefined]);
  assert.equal(at.system.statistics().crashes, 1);
  await leave(at);
});

test("find finds by class, by a class above, and refuses another", async () => {
  const at = stage();
  class More extends Counter {
    twice(): number {
      return this.count * 2;
    }
  }
  const more = await at.system.spawn(More, undefined, { name: "more" });
  assert.equal((await at.system.find(More, "more"))?.id, more.id);
  assert.equal(await (await at.system.find(Counter, "more"))!.ask("add", 2), 2);
  const error = await errorOf("Incompatible", () => at.system.find(Other, "more"));
  assert.match(error.message, /more.*Other.*More/);
  await at.system.spawn(Counter, undefined, { name: "counter" });
  await errorOf("Incompatible", () => at.system.find(More, "counter"));
  assert.equal(await at.system.find(Counter, "none"), undefined);
  assert.equal(await at.system.find(Counter, ""), undefined);
  await leave(at);
});
