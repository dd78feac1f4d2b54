// How a restart waits: backoff, its window, and actors that fail again while they begin anew.
import { Actor, type ActorRef, type Directive } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Counter, timeoutMs } from "./failing.ts";

test("Backoff holds the restart, and mail waits for it", async () => {
  const at = stage({ supervision: { backoffMs: 100, backoffMaxMs: 300, restartsMax: 4 } });
  const counter = await at.system.spawn(Counter);
  for (const waitMs of [100, 200, 300, 300]) {
    await errorOf("HandlerError", () => counter.ask("fail", "again"));
    const next = counter.ask("add", waitMs);
    await at.clock.advance(waitMs - 1);
    assert.deepEqual(await settledOf([next]), [undefined]);
    await at.clock.advance(1);
    assert.deepEqual(await settledOf([next]), ["value 1"]);
  }
  const call = counter.ask("fail", "beyond");
  assert.deepEqual(await settledOf([call, counter.ask("add", 1)]), ["HandlerError done", "Ended failed"]);
  assert.equal((await at.system.watch(counter)).reason, "crashed");
  assert.equal(at.system.statistics().restarts, 4);
  await leave(at);
});

test("Backoff begins anew when its window is over", async () => {
  const at = stage({ supervision: { backoffMs: 10, windowMs: 1_000, restartsMax: 2 } });
  const counter = await at.system.spawn(Counter);
  for (let round = 0; round < 5; round++) {
    for (const waitMs of [10, 20]) {
      await errorOf("HandlerError", () => counter.ask("fail", "again"));
      const next = counter.ask("add", 1);
      await at.clock.advance(waitMs);
      assert.deepEqual(await settledOf([next]), ["value 1"]);
    }
    await at.clock.advance(1_000);
  }
  assert.equal(at.system.statistics().restarts, 10);
  await leave(at);
});

test("Backoff without an upper end does not overflow the timers of the platform", async () => {
  // The world of tests refuses a timer that setTimeout would turn into one of 1 ms.
  const at = stage({ supervision: { backoffMs: 2 ** 30, backoffMaxMs: Number.POSITIVE_INFINITY, windowMs: 2 ** 50 } });
  const counter = await at.system.spawn(Counter);
  for (const restarts of [0, 1]) {
    await errorOf("HandlerError", () => counter.ask("fail", "again"));
    await at.clock.advance(2 ** 30 - 1);
    assert.equal(at.system.statistics().restarts, restarts);
    await at.clock.advance(1);
    await quiet();
    assert.equal(at.system.statistics().restarts, 1);
  }
  await leave(at);
}, { timeoutMs });

test("Backoff holds also for one that has its turn coming when a child's failure is passed up to it", async () => {
  const at = stage();
  class Parent extends Actor {
    child: ActorRef<Counter> | undefined;
    async started(): Promise<void> {
      this.child = await this.spawn(Counter, undefined, { supervision: { on: "escalate" } });
    }
    give(): ActorRef<Counter> {
      return this.child!;
    }
    hello(): string {
      return "hello";
    }
  }
  const parent = await at.system.spawn(Parent, undefined, { supervision: { backoffMs: 500 } });
  const child = await parent.ask("give");
  void child.tell("fail", "up");
  const hello = parent.ask("hello"); // Stands in the run queue behind the child.
  assert.deepEqual(await settledOf([hello]), [undefined]);
  assert.equal(at.system.statistics().restarts, 0);
  await at.clock.advance(500);
  assert.deepEqual(await settledOf([hello]), [`value "hello"`]);
  assert.equal(at.system.statistics().restarts, 1);
  await leave(at);
});

for (const how of ["constructor", "started at once", "started later"] as const) {
  test(`A ${how} that throws at each restart counts as a failure, in turn and without recursion`, async () => {
    const at = stage({ supervision: { restartsMax: 8_000, windowMs: 1e9 } });
    let lives = 0;
    const broken = (where: typeof how): boolean => lives > 1 && where === how;
    class Broken extends Actor {
      constructor() {
        super();
        lives++;
        if (broken("constructor")) throw new Error("constructor");
      }
      started(): void | Promise<void> {
        if (broken("started at once")) throw new Error("at once");
        if (how === "started later") return this.#later();
      }
      async #later(): Promise<void> {
        await Promise.resolve();
        if (broken("started later")) throw new Error("later");
      }
      fail(): void {
        throw new Error("first");
      }
      hello(): string {
        return "hello";
      }
    }
    const actor = await at.system.spawn(Broken);
    const ended = at.system.watch(actor);
    const neighbour = await at.system.spawn(Counter);
    await errorOf("HandlerError", () => actor.ask("fail"));
    const [waiting] = held(actor.ask("hello"));
    // Others have their turn meanwhile.
    assert.equal(await neighbour.ask("add", 1), 1);
    assert.equal((await ended).reason, "crashed");
    assert.equal((await errorOf("Ended", () => waiting)).outcome, "failed");
    assert.equal(lives, 8_001);
    const { crashes: crashed, restarts } = at.system.statistics();
    assert.deepEqual({ crashed, restarts }, { crashed: 8_001, restarts: 8_000 });
    await leave(at);
  });
}

test("started that never settles after a restart holds its mail, and can be stopped", async () => {
  const at = stage({ limits: { replyTimeoutMs: 1_000 } });
  let lives = 0;
  class Stuck extends Actor {
    async started(): Promise<void> {
      if (++lives > 1) await new Promise(() => {});
    }
    fail(): void {
      throw new Error("wrong");
    }
    hello(): string {
      return "hello";
    }
  }
  const stuck = await at.system.spawn(Stuck);
  await errorOf("HandlerError", () => stuck.ask("fail"));
  const first = stuck.ask("hello");
  assert.deepEqual(await settledOf([first]), [undefined]);
  await at.clock.advance(1_000);
  assert.deepEqual(await settledOf([first]), ["Timeout failed"]);
  const second = stuck.ask("hello");
  const ended = at.system.stop(stuck, { now: true });
  assert.deepEqual(await settledOf([second]), ["Ended failed"]);
  assert.equal((await ended).reason, "stopped");
  await leave(at);
});

test("resume of one whose constructor threw never runs a handler without an actor", async () => {
  let lives = 0;
  class Unmade extends Actor {
    readonly made: boolean;
    constructor() {
      super();
      if (++lives === 2) throw new RangeError("not this time");
      this.made = true;
    }
    fail(): void {
      throw new Error("wrong");
    }
    isMade(): boolean {
      return this.made;
    }
  }
  const on = (error: unknown): Directive => error instanceof RangeError ? "resume" : "restart";
  const at = stage({ supervision: { on } });
  const actor = await at.system.spawn(Unmade);
  await errorOf("HandlerError", () => actor.ask("fail"));
  const [answer] = await settledOf([actor.ask("isMade")]);
  // There is no state to go on with: a new one, or an end.
  assert.match(answer ?? "nothing", /^(value true|Ended failed)$/);
  await leave(at);
}, { timeoutMs });
