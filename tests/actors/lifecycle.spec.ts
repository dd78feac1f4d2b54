// How actors begin and end: spawn, started, stop in its two ways, stopping, watch, names, find, children, close, dead
// letters, and what an actor that has ended may still do.
import { Actor, type ActorRef, type AnyActorRef, type Ended, isShoalError, type System } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, leaveNoTimer, quiet, settledOf, stage } from "./stage.ts";

const timeoutMs = 8_000;

class Counter extends Actor {
  count = 0;

  add(value: number): number {
    return this.count += value;
  }

  async addSlowly(value: number): Promise<number> {
    await quiet();
    return this.count += value;
  }

  async hang(): Promise<void> {
    await new Promise(() => {});
  }

  fail(): void {
    throw new Error("wrong");
  }
}

class Other extends Actor {
  hello(): string {
    return "hello";
  }
}

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

// Ending

test("stop drains: all that was accepted is handled, in order, and nothing after", async () => {
  const sends = fc.array(fc.record({ ask: fc.boolean(), slow: fc.boolean(), fail: fc.integer({ min: 0, max: 9 }) }), {
    maxLength: 40,
  });
  await property([sends, fc.integer({ min: 1, max: 8 }), fc.boolean()], async (some, mailboxMessagesMax, fromActor) => {
    const at = stage({ supervision: { restartsMax: 1_000 } });
    const seen: number[] = [];
    class Taker extends Actor {
      async take(n: number): Promise<number> {
        if (some[n]!.slow) await Promise.resolve();
        seen.push(n);
        if (some[n]!.fail === 0) throw new Error("wrong");
        return n;
      }
    }
    class Sender extends Actor {
      readonly calls: PromiseLike<unknown>[] = [];
      send(taker: ActorRef<Taker>): void {
        this.calls.push(...sendAll(taker));
      }
      async done(): Promise<number> {
        return (await Promise.allSettled(this.calls)).length;
      }
    }
    const sendAll = (taker: ActorRef<Taker>): PromiseLike<unknown>[] =>
      held(...some.map(({ ask }, n) => ask ? taker.ask("take", n) : taker.tell("take", n)));
    const taker = await at.system.spawn(Taker, undefined, { limits: { mailboxMessagesMax } });
    let calls: PromiseLike<unknown>[] = [];
    let sender: ActorRef<Sender> | undefined;
    if (fromActor) {
      sender = await at.system.spawn(Sender);
      await sender.ask("send", taker);
    } else calls = sendAll(taker);
    const ended = at.system.stop(taker, {});
    assert.equal((await errorOf("Ended", () => taker.ask("take", 0))).outcome, "failed");
    assert.equal((await ended).reason, "stopped");
    assert.deepEqual(seen, some.map((_, n) => n));
    const settled = await settledOf(calls);
    settled.forEach((how, n) => {
      const { ask, fail } = some[n]!;
      assert.equal(how, !ask ? "value undefined" : fail === 0 ? "HandlerError done" : `value ${n}`);
    });
    if (sender !== undefined) assert.equal(await sender.ask("done"), some.length);
    assert.equal(at.system.deadLetters().length, 0);
    await leave(at);
  }, { runs: 40 });
});

test("stop now settles the running call as unknown, queued ones as failed, and keeps tells as dead letters", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter, undefined, { limits: { mailboxMessagesMax: 3 } });
  const calls = held(
    counter.ask("hang"),
    counter.ask("add", 1),
    counter.tell("add", 2),
    counter.ask("add", 3), // The mailbox is full: these wait for room.
    counter.tell("add", 4),
    counter.ask("add", 5),
    counter.tell("fail"),
  );
  await quiet();
  const { reason, id } = await at.system.stop(counter, { now: true });
  assert.deepEqual([reason, id], ["stopped", counter.id]);
  const settled = await settledOf(calls);
  const ask = "Ended failed";
  assert.deepEqual(settled.filter((_, index) => ![2, 4, 6].includes(index)), ["Ended unknown", ask, ask, ask]);
  for (const index of [4, 6]) assert.match(settled[index] ?? "hangs", /^(value|Ended failed)/);
  const letters = at.system.deadLetters();
  assert.deepEqual(letters.map(({ method }) => method), ["add", "add", "fail"]);
  for (const letter of letters) {
    assert.equal(letter.to, counter.id);
    assert.equal(letter.class, "Counter");
    assert.match(letter.reason, /ended/);
  }
  assert.equal(at.system.statistics().deadLetters, 3);
  await leave(at);
});

test("stop drains one that is starting or waits for its restart, too", async () => {
  for (const state of ["starting", "started again", "backoff", "restart due"]) {
    const at = stage({ supervision: { backoffMs: state === "backoff" ? 50 : 0 } });
    const hold = gate();
    let lives = 0;
    class Slow extends Actor {
      async started(): Promise<void> {
        const isSlow = state === "starting" || (state === "started again" && lives > 0);
        lives++;
        if (isSlow) await hold.passed;
      }
      fail(): void {
        throw new Error("wrong");
      }
      hello(): string {
        return "hello";
      }
    }
    const [spawned] = held(at.system.spawn(Slow, undefined, { name: "slow" }));
    const slow = await at.system.find(Slow, "slow");
    if (state !== "starting") {
      await spawned;
      await errorOf("HandlerError", () => slow!.ask("fail"));
    }
    const [call] = held(slow!.ask("hello"));
    const [ended] = held(at.system.stop(slow!, {}));
    await errorOf("Ended", () => slow!.ask("hello"));
    hold.open();
    await at.clock.advance(50);
    const [called] = await settledOf([call]);
    assert.equal(called, `value "hello"`, state);
    assert.equal((await ended).reason, "stopped");
    await leave(at);
  }
});

test("stop twice: the second drains as the first, and now ends a drain that takes too long", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter);
  const calls = held(counter.ask("addSlowly", 1), counter.ask("addSlowly", 2));
  const twice = [at.system.stop(counter, {}), at.system.stop(counter, {})];
  assert.deepEqual(await settledOf(calls), [undefined, undefined]);
  const ends = await Promise.all(twice);
  assert.deepEqual(await settledOf(calls), ["value 1", "value 3"]);
  assert.deepEqual(ends[0], ends[1]);
  assert.deepEqual(await at.system.stop(counter, {}), ends[0], "a third, late");
  assert.deepEqual(await at.system.stop(counter, { now: true }), ends[0]);
  await leaveNoTimer(at);

  const stuck = await at.system.spawn(Counter);
  const hangs = held(stuck.ask("hang"), stuck.ask("add", 1));
  const [draining] = held(at.system.stop(stuck, {}));
  assert.deepEqual(await settledOf([...hangs, draining]), [undefined, undefined, undefined]);
  await at.system.stop(stuck, { now: true });
  assert.deepEqual(await settledOf(hangs), ["Ended unknown", "Ended failed"]);
  assert.equal((await draining).reason, "stopped");
  await quiet();
  await leaveNoTimer(at);
  await leave(at);
});

test("stop ends a handler that never returns when its time is over; an ask of it times out before", async () => {
  const at = stage({ limits: { stopTimeoutMs: 5_000, replyTimeoutMs: 1_000 } });
  const counter = await at.system.spawn(Counter);
  const [hang] = held(counter.ask("hang"));
  await quiet();
  const [queued] = held(counter.ask("add", 1, { timeoutMs: 60_000 }));
  await at.clock.advance(1_000);
  assert.deepEqual(await settledOf([hang, queued]), ["Timeout unknown", undefined]);
  const [ended] = held(at.system.stop(counter, {}));
  await at.clock.advance(4_999);
  assert.deepEqual(await settledOf([ended, queued]), [undefined, undefined]);
  await at.clock.advance(1);
  assert.deepEqual(await settledOf([queued]), ["Ended failed"]);
  assert.equal((await ended).reason, "stopped");
  await leave(at);
});

test("stop waits as long as it is told to, also for ever", async () => {
  const at = stage();
  for (const wait of [10, 3 * 2 ** 30, Number.POSITIVE_INFINITY]) {
    const counter = await at.system.spawn(Counter);
    const hold = gate();
    class Slow extends Actor {
      async wait(): Promise<string> {
        await hold.passed;
        return "waited";
      }
    }
    const slow = await at.system.spawn(Slow);
    const [call] = held(slow.ask("wait"));
    await quiet();
    const [ended] = held(at.system.stop(slow, { timeoutMs: wait }));
    assert.deepEqual(await settledOf([call, ended]), [undefined, undefined]);
    hold.open();
    assert.deepEqual(await settledOf([call]), [`value "waited"`]);
    await ended;
    await at.system.stop(counter, {});
  }
  await leave(at);
}, { timeoutMs });

test("stop from its own handler: the handler ends, what was accepted is handled, and then it is over", async () => {
  const at = stage();
  const seen: string[] = [];
  class Suicidal extends Actor {
    async end(how: "void" | "await"): Promise<string> {
      const ended = this.stop(this.self);
      if (how === "await") await ended; // As a linter asks for; it must not wait for itself.
      seen.push("end");
      return "ended";
    }
    hello(): string {
      seen.push("hello");
      return "hello";
    }
  }
  for (const how of ["void", "await"] as const) {
    seen.length = 0;
    const actor = await at.system.spawn(Suicidal);
    const ended = at.system.watch(actor);
    const calls = held(actor.ask("end", how), actor.ask("hello"));
    assert.deepEqual(await settledOf(calls), [`value "ended"`, `value "hello"`], how);
    assert.equal((await ended).reason, "stopped");
    assert.deepEqual(seen, ["end", "hello"]);
  }
  await leave(at);
}, { timeoutMs });

test("stop now from its own handler ends it there; its call may have happened", async () => {
  const at = stage();
  class Suicidal extends Actor {
    async end(): Promise<string> {
      void this.stop(this.self, { now: true });
      return "ended";
    }
    hello(): void {}
  }
  const actor = await at.system.spawn(Suicidal);
  const calls = held(actor.ask("end"), actor.ask("hello"));
  assert.deepEqual(await settledOf(calls), ["Ended unknown", "Ended failed"]);
  assert.equal((await at.system.watch(actor)).reason, "stopped");
  await leave(at);
});

/** Has children as deep as asked, and keeps account of ends. */
class Parent extends Actor {
  readonly #ends: string[];
  readonly #depth: number;
  constructor(depth: number) {
    super();
    this.#depth = depth;
    this.#ends = ends;
  }
  async started(): Promise<void> {
    if (this.#depth > 0) await this.spawn(Parent, this.#depth - 1, { name: `depth ${this.#depth - 1}` });
  }
  async work(): Promise<string> {
    await quiet();
    return "worked";
  }
  async hang(): Promise<void> {
    await new Promise(() => {});
  }
  async stopping(): Promise<void> {
    this.#ends.push(`stopping ${this.#depth}`);
    await quiet();
    this.#ends.push(`stopped ${this.#depth}`);
  }
}
const ends: string[] = [];

test("A parent that drains lets its children drain, and they end before it", async () => {
  ends.length = 0;
  const at = stage();
  const top = await at.system.spawn(Parent, 2);
  const middle = (await at.system.find(Parent, "depth 1"))!;
  const low = (await at.system.find(Parent, "depth 0"))!;
  const watched = [low, middle, top].map((actor) => at.system.watch(actor));
  const calls = held(low.ask("work"), low.ask("work"), middle.ask("work"), top.ask("work"));
  const { reason } = await at.system.stop(top, {});
  assert.equal(reason, "stopped");
  assert.deepEqual(await settledOf(calls), Array(4).fill(`value "worked"`));
  assert.deepEqual((await Promise.all(watched)).map((ended) => ended.reason), [
    "parent ended",
    "parent ended",
    "stopped",
  ]);
  assert.deepEqual(at.records.flatMap((record) => record.type === "ActorEnded" ? [record.actor.id] : []), [
    low.id,
    middle.id,
    top.id,
  ]);
  await leave(at);
});

test("Parent and child that are stopped at once both end, in either order and way", async () => {
  for (const childFirst of [true, false]) {
    for (const [parentNow, childNow] of [[true, true], [true, false], [false, true], [false, false]]) {
      const at = stage();
      const parent = await at.system.spawn(Parent, 1);
      const child = (await at.system.find(Parent, "depth 0"))!;
      const calls = held(parent.ask("work"), child.ask("work"));
      const stops = [
        () => at.system.stop(parent, { now: parentNow! }),
        () => at.system.stop(child, { now: childNow! }),
      ];
      if (childFirst) stops.reverse();
      await Promise.all(stops.map((stop) => stop()));
      const [first, second] = await settledOf(calls);
      const label = JSON.stringify({ childFirst, parentNow, childNow });
      assert.equal(first, parentNow === true ? "Ended failed" : `value "worked"`, `parent ${label}`);
      if (childNow === false && parentNow === false) assert.equal(second, `value "worked"`, `child ${label}`);
      else assert.match(second ?? `hangs ${label}`, /^(Ended (failed|unknown)|value)/);
      assert.equal(at.system.statistics().actors, 0);
      await leave(at);
    }
  }
});

test("A child that stops its parent and waits for that, too, does not hold it up", async () => {
  const at = stage();
  class Boss extends Actor<Boss> {
    async hire(): Promise<ActorRef<Worker>> {
      const worker = await this.spawn(Worker);
      await worker.ask("meet", this.self);
      return worker;
    }
  }
  class Worker extends Actor {
    boss: AnyActorRef | undefined;
    meet(boss: ActorRef<Boss>): void {
      this.boss = boss;
    }
    async rebel(): Promise<void> {
      await this.stop(this.boss!);
    }
  }
  const boss = await at.system.spawn(Boss);
  const worker = await boss.ask("hire");
  const calls = held(worker.ask("rebel"));
  await quiet();
  // Whatever becomes of the worker's call: nobody waits for a timeout to learn it.
  assert.equal((await settledOf(calls))[0] === undefined, false, "the rebel's call hangs");
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
}, { timeoutMs });

test("stopping that throws or hangs ends all the same, is recorded, and is waited for so long only", async () => {
  for (const how of ["throws", "throws late", "hangs"]) {
    const at = stage({ limits: { stopTimeoutMs: 100 } });
    class Bad extends Actor {
      stopping(): void | Promise<void> {
        if (how === "throws") throw new Error("bad end");
        return this.#late();
      }
      async #late(): Promise<void> {
        await quiet();
        if (how === "hangs") await new Promise(() => {});
        throw new Error("bad end");
      }
    }
    const bad = await at.system.spawn(Bad, undefined, { name: "bad" });
    const [ended] = held(at.system.stop(bad, {}));
    if (how === "hangs") {
      await at.clock.advance(99);
      assert.deepEqual(await settledOf([ended]), [undefined]);
      await errorOf("Conflict", () => at.system.spawn(Bad, undefined, { name: "bad" }));
      await at.clock.advance(1);
    }
    assert.equal((await ended).reason, "stopped");
    const crash = at.records.find((record) => record.type === "ActorCrashed");
    assert.equal(crash?.type === "ActorCrashed" && crash.during, "stopping");
    await at.system.spawn(Other, undefined, { name: "bad" });
    await leaveNoTimer(at);
    await leave(at);
  }
});

test("stopping may tell and ask others, spawn, and is not heard by itself any more", async () => {
  const at = stage();
  const heard: unknown[] = [];
  const counter = await at.system.spawn(Counter);
  class Last extends Actor<Last> {
    readonly #counter: ActorRef<Counter>;
    constructor(counter: ActorRef<Counter>) {
      super();
      this.#counter = counter;
    }
    async stopping(): Promise<void> {
      void this.#counter.tell("add", 10);
      heard.push(await this.#counter.ask("add", 1));
      heard.push(await (await this.spawn(Other)).ask("hello"));
      heard.push(await this.self.ask("hello").catch((error: unknown) => isShoalError(error) && error.code));
    }
    hello(): string {
      return "too late";
    }
  }
  const last = await at.system.spawn(Last, counter);
  await at.system.stop(last, {});
  assert.deepEqual(heard, [11, "hello", "Ended"]);
  assert.equal(at.system.statistics().actors, 1);
  await leave(at);
});

test("stopping does not run for one that crashed, nor twice", async () => {
  const at = stage();
  let times = 0;
  class Farewell extends Actor {
    async stopping(): Promise<void> {
      times++;
      await quiet();
    }
    fail(): void {
      throw new Error("wrong");
    }
  }
  const crashing = await at.system.spawn(Farewell, undefined, { supervision: { on: "stop" } });
  await errorOf("HandlerError", () => crashing.ask("fail"));
  await at.system.watch(crashing);
  assert.equal(times, 0);
  const actor = await at.system.spawn(Farewell);
  await Promise.all([at.system.stop(actor, {}), at.system.stop(actor, { now: true }), at.system.close({})]);
  assert.equal(times, 1);
  await leave(at);
});

test("An actor that has ended is fenced: what it still does reaches nobody", async () => {
  const at = stage();
  const hold = gate();
  const tensor = await at.system.store.put({ data: new Float64Array(4_000) });
  const counter = await at.system.spawn(Counter);
  const codes: unknown[] = [];
  class Zombie extends Actor<Zombie> {
    async work(counter: ActorRef<Counter>): Promise<void> {
      await hold.passed;
      const tries: (() => unknown)[] = [
        () => counter.tell("add", 1),
        () => counter.ask("add", 1),
        () => this.spawn(Other),
        () => this.pool(Other, { size: 2 }),
        () => this.after(1, "hello"),
        () => this.watch(counter, "hello"),
        () => this.find(Other, "none"),
        () => this.store.get(tensor),
        () => this.store.release(tensor),
        () => this.stop(counter),
      ];
      for (const attempt of tries) {
        try {
          await attempt();
          codes.push("done");
        } catch (error) {
          codes.push(isShoalError(error) ? error.code : error);
        }
      }
    }
    hello(): void {}
  }
  const zombie = await at.system.spawn(Zombie);
  const [call] = held(zombie.ask("work", counter));
  await quiet();
  await at.system.stop(zombie, { now: true });
  assert.deepEqual(await settledOf([call]), ["Ended unknown"]);
  hold.open();
  await quiet();
  assert.deepEqual(codes, Array(10).fill("Fenced"));
  assert.equal(await counter.ask("add", 1), 1);
  await leave(at);
});

// Watching

test("watch tells of an end before and after it, every watcher, with the reason and the error", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter, undefined, { supervision: { on: "stop" } });
  const before = [at.system.watch(counter), at.system.watch(counter)];
  await errorOf("HandlerError", () => counter.ask("fail"));
  const all = await Promise.all([...before, at.system.watch(counter)]);
  for (const ended of all) {
    assert.equal(ended.id, counter.id);
    assert.equal(ended.reason, "crashed");
    assert.equal(ended.error?.code, "Error");
    assert.equal(ended.error?.message, "wrong");
  }
  await leave(at);
});

class Watcher extends Actor<Watcher> {
  readonly heard: Ended[] = [];
  follow(actor: AnyActorRef): void {
    this.watch(actor, "over");
  }
  over(ended: Ended): void {
    this.heard.push({ ...ended });
    // A message belongs to its receiver: what it does with it nobody else sees.
    (ended as { id: string }).id = "changed";
  }
  list(): Ended[] {
    return this.heard;
  }
  fail(): void {
    throw new Error("wrong");
  }
}

test("watch by actors: each is told once per watch, itself only, also of the dead, and not after its restart", async () => {
  const at = stage();
  const watchers = await Promise.all([1, 2].map(() => at.system.spawn(Watcher)));
  const forgetful = await at.system.spawn(Watcher);
  const counter = await at.system.spawn(Counter);
  for (const watcher of [...watchers, forgetful]) await watcher.ask("follow", counter);
  await errorOf("HandlerError", () => forgetful.ask("fail"));
  const { id } = await at.system.stop(counter, {});
  for (const watcher of watchers) {
    await quiet();
    assert.deepEqual(await watcher.ask("list"), [{ id, reason: "stopped" }]);
    await watcher.ask("follow", counter);
    await quiet();
    assert.deepEqual(await watcher.ask("list"), [{ id, reason: "stopped" }, { id, reason: "stopped" }]);
  }
  assert.deepEqual(await forgetful.ask("list"), []);
  const dead = await at.system.spawn(Watcher);
  const another = await at.system.spawn(Counter);
  await dead.ask("follow", another);
  await at.system.stop(dead, {});
  await at.system.stop(another, {});
  await quiet();
  assert.equal(at.system.deadLetters().length, 0, "the runtime's own mail to the dead is nobody's loss");
  await leave(at);
});

test("watch of a child, of oneself, and of what is no actor", async () => {
  const at = stage();
  class Mother extends Actor<Mother> {
    readonly heard: string[] = [];
    async bear(): Promise<ActorRef<Counter>> {
      const child = await this.spawn(Counter, undefined, { supervision: { on: "stop" } });
      this.watch(child, "over");
      this.watch(this.self, "over");
      return child;
    }
    over(ended: Ended): void {
      this.heard.push(ended.reason);
    }
    list(): string[] {
      return this.heard;
    }
    watchNothing(): void {
      this.watch({ ref: "actor", id: "main/1" }, "over");
    }
    watchByNothing(): void {
      this.watch(this.self, "none" as "over");
    }
  }
  const mother = await at.system.spawn(Mother, undefined, { supervision: { on: "resume" } });
  const child = await mother.ask("bear");
  await errorOf("HandlerError", () => child.ask("fail"));
  await quiet();
  assert.deepEqual(await mother.ask("list"), ["crashed"]);
  for (const method of ["watchNothing", "watchByNothing"] as const) {
    const error = await errorOf("HandlerError", () => mother.ask(method));
    assert.equal((error.cause as { code?: string }).code, "BadInput");
  }
  for (const nothing of [undefined, null, {}, "main/1", { ref: "actor", id: "main/1" }] as AnyActorRef[]) {
    // Both reject: a caller that catches what a promise says is not surprised by a throw.
    const [watched, stopped] = held(at.system.watch(nothing), at.system.stop(nothing, {}));
    await errorOf("BadInput", () => watched);
    await errorOf("BadInput", () => stopped);
  }
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

// The end of the system

/** Calls of every kind, each under way or waiting. */
async function busySystem(system: System): Promise<PromiseLike<unknown>[]> {
  class Chain extends Actor {
    async askOn(next: ActorRef<Counter>): Promise<void> {
      await next.ask("hang");
    }
    async start(): Promise<void> {
      await this.spawn(Endless);
    }
  }
  class Endless extends Actor {
    async started(): Promise<void> {
      await new Promise(() => {});
    }
  }
  class Source extends Actor {
    async *values(): AsyncGenerator<number> {
      yield 1;
      await new Promise(() => {});
    }
  }
  const full = await system.spawn(Counter, undefined, { limits: { mailboxMessagesMax: 1 } });
  const chain = await system.spawn(Chain);
  const starting = await system.spawn(Chain);
  const source = await system.spawn(Source);
  const pool = await system.pool(Counter, { size: 2 });
  const read = async (): Promise<number> => {
    let count = 0;
    for await (const value of source.stream("values")) count += value;
    return count;
  };
  return held(
    full.ask("hang"),
    full.ask("add", 1),
    full.ask("add", 2),
    full.tell("add", 3),
    chain.ask("askOn", full),
    starting.ask("start"),
    read(),
    pool.map("hang", Array(5).fill(undefined)),
    pool.ask("add", 1),
    system.spawn(Endless),
  );
}

test(
  "close now settles every call that is under way, with an error that says whether it may have happened",
  async () => {
    const at = stage();
    const calls = await busySystem(at.system);
    const watched = at.system.watch(await at.system.spawn(Counter));
    await quiet();
    await at.system.close({ now: true });
    const settled = await settledOf(calls);
    settled.forEach((how, index) =>
      assert.match(how ?? "hangs", /^(Ended|ShuttingDown|Cancelled|HandlerError|value)/, `call ${index}`)
    );
    assert.equal((await watched).reason, "system closed");
    await at.system.ended;
    await leave(at);
  },
  { timeoutMs },
);

test("close drains within its time, and settles every call when that is over", async () => {
  const at = stage();
  const calls = await busySystem(at.system);
  const counter = await at.system.spawn(Counter);
  const slow = held(counter.ask("addSlowly", 1), counter.ask("addSlowly", 1));
  const [closed] = held(at.system.close({ timeoutMs: 5_000 }));
  await quiet();
  await quiet();
  assert.deepEqual(await settledOf([...slow, closed]), ["value 1", "value 2", undefined]);
  await at.clock.advance(5_000);
  await quiet();
  await at.clock.advance(5_000);
  const settled = await settledOf([closed, ...calls]);
  settled.forEach((how, index) => assert.ok(how !== undefined, `call ${index - 1} hangs`));
  await leave(at);
}, { timeoutMs });

test("close twice is once; close now hastens a close that drains", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter);
  const [hang] = held(counter.ask("hang"));
  const closes = held(at.system.close(), at.system.close());
  assert.deepEqual(await settledOf([...closes, hang]), [undefined, undefined, undefined]);
  const [now] = held(at.system.close({ now: true }));
  assert.deepEqual(await settledOf([...closes, now, hang]), [
    "value undefined",
    "value undefined",
    "value undefined",
    "Ended unknown",
  ]);
  await at.system.close();
  await at.system[Symbol.asyncDispose]();
  await at.system.ended;
  await leave(at);
});

test("close drains those that are being drained already", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter);
  const calls = held(counter.ask("addSlowly", 1), counter.ask("addSlowly", 1));
  const [ended] = held(at.system.stop(counter, {}));
  await at.system.close();
  assert.deepEqual(await settledOf(calls), ["value 1", "value 2"]);
  assert.equal((await ended).reason, "stopped");
  await leave(at);
});

test("After close everything answers, and nothing hangs", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter, undefined, { name: "counter" });
  const pool = await at.system.pool(Counter, { size: 2 });
  await at.system.close();
  assert.equal((await errorOf("Ended", () => counter.ask("add", 1))).outcome, "failed");
  await errorOf("Ended", () => counter.tell("add", 1));
  await errorOf("ShuttingDown", () => at.system.spawn(Counter));
  await errorOf("ShuttingDown", () => at.system.pool(Counter, { size: 1 }));
  await errorOf("Ended", () => pool.ask("add", 1));
  await errorOf("Ended", () => pool.map("add", [1, 2]));
  await pool.stop();
  assert.equal(await at.system.find(Counter, "counter"), undefined);
  assert.equal((await at.system.watch(counter)).reason, "system closed");
  assert.equal((await at.system.stop(counter, {})).reason, "system closed");
  await errorOf("ShuttingDown", () => at.system.store.put({ data: new Float64Array(4_000) }));
  await leave(at);
});

test("close lets nobody in: a farewell that spawns into the system is refused", async () => {
  const at = stage();
  const codes: unknown[] = [];
  class Last extends Actor {
    async stopping(): Promise<void> {
      for (const late of [() => at.system.spawn(Counter), () => at.system.close()]) {
        const call = late();
        codes.push(
          await Promise.race([call.then(() => "done", (error: unknown) => isShoalError(error) && error.code), quiet()]),
        );
      }
    }
  }
  await at.system.spawn(Last);
  await at.system.close();
  assert.equal(codes[0], "ShuttingDown");
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
}, { timeoutMs });

test("A system that cannot close its store says so by close and by ended", async () => {
  const at = stage({ strict: true });
  const draft = await at.system.store.allocate("float64", [4_000]);
  await draft.seal();
  draft.data[0] = 1; // Strict mode finds it, at the latest at the end.
  await errorOf("Corrupt", () => at.system.close());
  const [ended] = await settledOf([at.system.ended]);
  assert.match(ended ?? "hangs", /^Corrupt/);
}, { timeoutMs });

// Dead letters

test("Dead letters: the last ones are kept, all are counted, each says what and why", async () => {
  const many = fc.integer({ min: 0, max: 30 });
  await property([many, fc.integer({ min: 0, max: 8 })], async (sent, deadLettersMax) => {
    const at = stage({ limits: { deadLettersMax } });
    const counter = await at.system.spawn(Counter);
    await at.system.stop(counter, {});
    for (let i = 0; i < sent; i++) void counter.tell(i % 2 === 0 ? "add" : "addSlowly", i);
    const letters = at.system.deadLetters();
    assert.equal(at.system.statistics().deadLetters, sent);
    assert.equal(letters.length, Math.min(sent, deadLettersMax));
    letters.forEach((letter, index) => {
      const number = sent - letters.length + index;
      assert.equal(letter.method, number % 2 === 0 ? "add" : "addSlowly");
      assert.equal(letter.to, counter.id);
      assert.match(letter.reason, /has ended/);
    });
    await leave(at);
  }, { runs: 50 });
});

test("Dead letters are of tells only: a caller learns of its call by itself", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter);
  await at.system.stop(counter, {});
  await errorOf("Ended", () => counter.ask("add", 1));
  assert.equal(at.system.deadLetters().length, 0);
  const told = counter.tell("add", 1);
  await errorOf("Ended", () => told);
  assert.equal(at.system.deadLetters().length, 1);
  await leave(at);
});

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

test("stop of oneself while one is constructed or starts ends there: no start, no message, no spawn", async () => {
  for (const where of ["constructor", "started at once", "started later"]) {
    for (const now of [true, false]) {
      const at = stage();
      const seen: string[] = [];
      class Quitter extends Actor<Quitter> {
        constructor() {
          super();
          seen.push("constructor");
          if (where === "constructor") void this.stop(this.self, { now });
        }
        started(): void | Promise<void> {
          seen.push("started");
          if (where === "started at once") void this.stop(this.self, { now });
          if (where === "started later") return this.#later();
        }
        async #later(): Promise<void> {
          await quiet();
          void this.stop(this.self, { now });
          await quiet();
        }
        stopping(): void {
          seen.push("stopping");
        }
      }
      const spawned = held(at.system.spawn(Quitter, undefined, { name: "quitter" }));
      for (let turns = 0; turns < 5; turns++) await quiet();
      const [how] = await settledOf(spawned);
      // Either it never was, or it was and has ended; it is not left behind.
      assert.match(how ?? "hangs", now ? /^Ended/ : /^(Ended|value)/, `${where} ${now}`);
      assert.equal(at.system.statistics().actors, 0, `${where} ${now}`);
      if (where === "constructor" && now) assert.deepEqual(seen, ["constructor"]);
      assert.equal(await at.system.find(Quitter, "quitter"), undefined);
      await leave(at);
    }
  }
}, { timeoutMs });

test("close drains: what was accepted is handled, also by handlers that need children or restarts", async () => {
  const at = stage();
  class Helper extends Actor {
    double(value: number): number {
      return value * 2;
    }
  }
  class Boss extends Actor {
    helper: ActorRef<Helper> | undefined;
    async started(): Promise<void> {
      this.helper = await this.spawn(Helper);
    }
    async work(value: number): Promise<number> {
      await quiet();
      const extra = await this.spawn(Helper);
      return await extra.ask("double", await this.helper!.ask("double", value));
    }
    fail(): void {
      throw new Error("wrong");
    }
  }
  const boss = await at.system.spawn(Boss);
  const calls = held(boss.ask("work", 1), boss.ask("fail"), boss.ask("work", 2));
  const [closed] = held(at.system.close());
  await errorOf("ShuttingDown", () => at.system.spawn(Helper));
  await closed;
  assert.deepEqual(await settledOf(calls), ["value 4", "HandlerError done", "value 8"]);
  await leave(at);
}, { timeoutMs });

test("close within a time hastens drains that have longer", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter);
  const [hang] = held(counter.ask("hang"));
  await quiet();
  const [ended] = held(at.system.stop(counter, { timeoutMs: 60_000 }));
  const [closed] = held(at.system.close({ timeoutMs: 100 }));
  await at.clock.advance(100);
  const [how, end, close] = await settledOf([hang, ended.then(({ reason }) => reason), closed]);
  assert.equal(how, "Ended unknown");
  assert.match(end ?? "hangs", /stopped|system closed/);
  assert.equal(close, "value undefined");
  await leave(at);
});

test("stop and close refuse options that mean nothing", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter);
  const pool = await at.system.pool(Counter, { size: 1 });
  for (const wrong of [{ timeoutMs: Number.NaN }, { timeoutMs: -1 }, { timeoutMs: "5" }, { nwo: true }] as object[]) {
    for (const end of [() => at.system.stop(counter, wrong), () => pool.stop(wrong), () => at.system.close(wrong)]) {
      const error = await errorOf("BadInput", end);
      assert.match(error.message, /timeoutMs|nwo/);
    }
  }
  assert.equal(await counter.ask("add", 1), 1, "nothing has ended");
  assert.equal(await pool.ask("add", 1), 1);
  await leave(at);
}, { timeoutMs });

test("A thousand actors that end each other in circles all end", async () => {
  const at = stage();
  class Killer extends Actor<Killer> {
    victim: AnyActorRef | undefined;
    aim(victim: ActorRef<Killer>): void {
      this.victim = victim;
      this.watch(victim, "gone");
    }
    async fire(): Promise<void> {
      await this.stop(this.victim!);
    }
    async gone(): Promise<void> {
      await this.stop(this.self);
    }
  }
  const all = await Promise.all(Array.from({ length: 1_000 }, () => at.system.spawn(Killer)));
  for (const [index, killer] of all.entries()) await killer.ask("aim", all[(index + 1) % all.length]!);
  const watched = all.map((killer) => at.system.watch(killer));
  const [call] = held(all[0]!.ask("fire"));
  await Promise.all(watched);
  assert.match((await settledOf([call]))[0] ?? "hangs", /^(value|Ended)/);
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
}, { timeoutMs });

test("Watches and asks among actors that come and go: everybody learns of every end, in any order", async () => {
  const steps = fc.array(
    fc.record({
      who: fc.nat(4),
      whom: fc.nat(4),
      what: fc.constantFrom("watch", "stop", "now", "fail", "ask", "pause"),
    }),
    { maxLength: 40 },
  );
  await property([steps], async (some) => {
    const at = stage({ supervision: { restartsMax: 2 } });
    const watchers = await Promise.all([0, 1, 2, 3, 4].map(() => at.system.spawn(Watcher)));
    const ends = watchers.map((watcher) => at.system.watch(watcher));
    const calls: Promise<unknown>[] = [];
    for (const { who, whom, what } of some) {
      const [one, other] = [watchers[who]!, watchers[whom]!];
      if (what === "watch") calls.push(...held(one.ask("follow", other)));
      else if (what === "fail") calls.push(...held(one.ask("fail")));
      else if (what === "ask") calls.push(...held(one.ask("list")));
      else if (what === "pause") await quiet();
      else calls.push(...held(at.system.stop(one, { now: what === "now" })));
    }
    await at.system.close();
    for (const how of await settledOf([...calls, ...ends])) assert.notEqual(how, undefined);
    await leave(at);
  }, { runs: 100 });
});
