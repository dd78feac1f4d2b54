// How actors end: stop in its two ways, stopping, children, and what an actor that has ended may still do.
import { Actor, type ActorRef, type AnyActorRef, isShoalError } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, leaveNoTimer, quiet, settledOf, stage } from "./stage.ts";
import { Counter, Other, timeoutMs } from "./counter.ts";

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
    async rebel(late: boolean): Promise<string> {
      if (late) await Promise.resolve();
      await this.stop(this.boss!);
      return "done";
    }
  }
  for (const late of [false, true]) {
    const boss = await at.system.spawn(Boss);
    const worker = await boss.ask("hire");
    const calls = held(worker.ask("rebel", late));
    await quiet();
    // Nobody waits for a timeout to learn what became of it.
    assert.equal((await settledOf(calls))[0], 'value "done"');
    assert.equal(at.system.statistics().actors, 0);
  }
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
