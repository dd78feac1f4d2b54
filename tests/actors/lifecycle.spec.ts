// How actors begin: spawn, started, what becomes of one that cannot, and waits in circles while they do.
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
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
