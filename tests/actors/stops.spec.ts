// How one actor ends: stop in its two ways, its time, from its own handler, and in circles of a thousand.
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, leaveNoTimer, quiet, settledOf, stage } from "./stage.ts";
import { Counter, timeoutMs } from "./counter.ts";

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
