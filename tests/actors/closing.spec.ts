// The end of a system: it drains or ends at once, and every call settles.
import { Actor, type ActorRef, isShoalError, type System } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Counter, timeoutMs } from "./counter.ts";

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
