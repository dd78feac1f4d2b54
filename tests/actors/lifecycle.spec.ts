// How actors begin: spawn, started, names, find, and what becomes of one that cannot.
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Counter, Other, timeoutMs } from "./counter.ts";

// Beginning

test("spawn constructs, starts, and only then handles what came meanwhile, in order", async () => {
  const at = stage();
  const hold = gate();
  const heard: string[] = [];
  class Slow extends Actor<Slow> {
    constructor(name: string) {
      super();
      heard.push(`constructor ${name}`);
      void this.self.tell("take", "from the constructor");
    }
    async started(): Promise<void> {
      heard.push("started");
      void this.self.tell("take", "from started");
      await hold.passed;
      heard.push("started ends");
    }
    take(text: string): void {
      heard.push(text);
    }
    stopping(): void {
      heard.push("stopping");
    }
  }
  const spawned = at.system.spawn(Slow, "one", { name: "slow" });
  const found = await at.system.find(Slow, "slow");
  void found!.tell("take", "from outside");
  assert.deepEqual(await settledOf([spawned]), [undefined]);
  hold.open();
  const ref = await spawned;
  await ref.ask("take", "last");
  await at.system.stop(ref, {});
  assert.deepEqual(heard, [
    "constructor one",
    "started",
    "started ends",
    "from the constructor",
    "from started",
    "from outside",
    "last",
    "stopping",
  ]);
  await leave(at);
});

for (const how of ["constructor", "started at once", "started later"] as const) {
  test(`A ${how} that throws at first rejects the spawn, whatever the policy, and frees the name`, async () => {
    for (const on of ["restart", "resume", "stop", "escalate"] as const) {
      const at = stage({ supervision: { on } });
      let tries = 0;
      let stoppings = 0;
      const fails = (where: typeof how): boolean => tries === 1 && where === how;
      class Broken extends Actor {
        constructor() {
          super();
          tries++;
          if (fails("constructor")) throw new RangeError("not ready");
        }
        started(): void | Promise<void> {
          void this.spawn(Other).catch(() => {});
          if (fails("started at once")) throw new RangeError("not ready");
          return this.#later();
        }
        async #later(): Promise<void> {
          await quiet();
          if (fails("started later")) throw new RangeError("not ready");
        }
        stopping(): void {
          stoppings++;
        }
        hello(): string {
          return "hello";
        }
      }
      const error = await errorOf("HandlerError", () => at.system.spawn(Broken, undefined, { name: "it" }));
      assert.match(error.message, /Broken.*RangeError: not ready/);
      assert.ok(error.cause instanceof Error && error.cause.name === "RangeError");
      await quiet();
      assert.equal(at.system.statistics().actors, 0, "neither it nor its child is left");
      assert.equal(at.system.statistics().restarts, 0);
      assert.equal(stoppings, 0, "what never was needs no farewell");
      assert.equal(await at.system.find(Broken, "it"), undefined);
      const again = await at.system.spawn(Broken, undefined, { name: "it" });
      assert.equal(await again.ask("hello"), "hello");
      await leave(at);
    }
  });
}

test("What was sent to one that fails at its first start is settled", async () => {
  const at = stage();
  const hold = gate();
  class Broken extends Actor {
    async started(): Promise<void> {
      await hold.passed;
      throw new Error("not ready");
    }
    hello(): void {}
  }
  const [spawned] = held(at.system.spawn(Broken, undefined, { name: "it" }));
  const found = await at.system.find(Broken, "it");
  const [call] = held(found!.ask("hello"));
  void found!.tell("hello");
  const watched = at.system.watch(found!);
  hold.open();
  assert.deepEqual(await settledOf([spawned, call]), ["HandlerError done", "Ended failed"]);
  assert.equal((await watched).reason, "crashed");
  assert.equal(at.system.deadLetters().length, 1);
  await leave(at);
});

test("A spawn whose started never settles is settled by the end of its system, and by a stop", async () => {
  for (const end of ["close", "stop"]) {
    const at = stage();
    class Stuck extends Actor {
      async started(): Promise<void> {
        await new Promise(() => {});
      }
      hello(): void {}
    }
    const [spawned] = held(at.system.spawn(Stuck, undefined, { name: "stuck" }));
    const found = await at.system.find(Stuck, "stuck");
    const [call] = held(found!.ask("hello"));
    if (end === "close") await at.system.close({ now: true });
    else await at.system.stop(found!, { now: true });
    const [how, called] = await settledOf([spawned, call]);
    assert.match(how ?? `the spawn hangs after ${end}`, /^(Ended|ShuttingDown) /);
    assert.equal(called, "Ended failed");
    await leave(at);
  }
});

test("spawn refuses what is no class of actors, and input that cannot be sent, and leaves nothing", async () => {
  const at = stage();
  class Plain {
    hello(): void {}
  }
  class Taker extends Actor {
    readonly input: unknown;
    constructor(input: unknown) {
      super();
      this.input = input;
    }
  }
  const wrong: unknown[] = [Plain, Actor, undefined, null, {}, "Counter", () => new Counter(), class {}];
  for (const one of wrong) {
    await errorOf("BadInput", () => at.system.spawn(one as typeof Counter));
    await errorOf("BadInput", () => at.system.pool(one as typeof Counter, { size: 1 }));
  }
  const error = await errorOf("BadInput", () => at.system.spawn(Taker, { a: [1, () => {}] }, { name: "taker" }));
  assert.match(error.message, /a\[1\]/);
  await errorOf("TooLarge", () => at.system.spawn(Taker, "x".repeat(2 ** 21), { name: "taker" }));
  assert.equal(at.system.statistics().actors, 0);
  await at.system.spawn(Taker, 1, { name: "taker" });
  assert.throws(() => new Taker(1), TypeError);
  await leave(at);
}, { timeoutMs });

test("spawn refuses options that it does not know, naming the nearest, and values that mean nothing", async () => {
  const at = stage();
  const wrong: [object, RegExp][] = [
    [{ nmae: "x" }, /name/],
    [{ supervison: {} }, /supervision/],
    [{ supervision: { backofMs: 1 } }, /backoffMs/],
    [{ supervision: { on: "restrat" } }, /restart/],
    [{ supervision: { restartsMax: Number.NaN } }, /restartsMax/],
    [{ supervision: { backoffMs: -1 } }, /backoffMs/],
    [{ supervision: { beyond: "restart" } }, /beyond/],
    [{ limits: { mailboxMessageMax: 1 } }, /mailboxMessagesMax/],
    [{ limits: { mailboxMessagesMax: Number.NaN } }, /mailboxMessagesMax/],
    [{ name: 7 }, /name/],
  ];
  for (const [options, expected] of wrong) {
    const error = await errorOf("BadInput", () => at.system.spawn(Counter, undefined, options));
    assert.match(error.message, expected);
  }
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
});

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

// Waiting in circles

test("A child whose start asks its parent, which waits for that start, is told so instead of hanging", async () => {
  const at = stage();
  class Needy extends Actor {
    readonly #parent: ActorRef<Giver>;
    constructor(parent: ActorRef<Giver>) {
      super();
      this.#parent = parent;
    }
    async started(): Promise<void> {
      await this.#parent.ask("settings");
    }
  }
  class Giver extends Actor<Giver> {
    settings(): number {
      return 7;
    }
    async open(): Promise<void> {
      await this.spawn(Needy, this.self);
    }
  }
  const giver = await at.system.spawn(Giver, undefined, { supervision: { on: "resume" } });
  const [how] = await settledOf([giver.ask("open")]);
  assert.equal(how, "HandlerError done");
  assert.equal(await giver.ask("settings"), 7);
  await leave(at);
}, { timeoutMs });

// Second thoughts

test("A child that was started without waiting may ask its parent once that is idle", async () => {
  const at = stage();
  const hold = gate();
  class Needy extends Actor {
    readonly #parent: ActorRef<Giver>;
    constructor(parent: ActorRef<Giver>) {
      super();
      this.#parent = parent;
    }
    async started(): Promise<void> {
      await hold.passed;
      await this.#parent.ask("settings");
    }
  }
  class Giver extends Actor<Giver> {
    hired: Promise<unknown> | undefined;
    open(): void {
      this.hired = this.spawn(Needy, this.self, { name: "needy" });
      this.hired.catch(() => {});
    }
    settings(): number {
      return 7;
    }
    async isHired(): Promise<boolean> {
      return await this.hired!.then(() => true, () => false);
    }
  }
  const giver = await at.system.spawn(Giver);
  await giver.ask("open");
  await quiet();
  hold.open();
  await quiet();
  // Its handler is long over: nobody waits for anybody in a circle.
  assert.equal(await giver.ask("isHired"), true);
  await leave(at);
}, { timeoutMs });
