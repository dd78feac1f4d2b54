// Timers on the runtime's clock: an actor's messages to itself. They come when they are due, never after they were
// cancelled, never in a life that did not set them, and never pile up.
import { Actor, type ActorRef, isShoalError, launch, type TensorRef, type Timer } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { fails, followed, gate, inSystem, noTimers, type WorldSystem } from "./world.ts";

let door = gate();

class Clock extends Actor<Clock> {
  readonly ticks: unknown[] = [];
  readonly timers: Timer[] = [];
  after1(plan: { ms: number; value: unknown }): void {
    this.timers.push(this.after(plan.ms, "tick", plan.value));
  }
  afterEach(delaysMs: number[]): void {
    for (const ms of delaysMs) this.after1({ ms, value: ms });
  }
  every1(plan: { ms: number; value: unknown }): void {
    this.timers.push(this.every(plan.ms, "tick", plan.value));
  }
  everySlow(ms: number): void {
    this.timers.push(this.every(ms, "slow"));
  }
  everySelfCancelling(plan: { ms: number; count: number }): void {
    const timer = this.every(plan.ms, "cancelAt", { timer: this.timers.length, count: plan.count });
    this.timers.push(timer);
  }
  tick(value: unknown): void {
    this.ticks.push(value);
  }
  async slow(): Promise<void> {
    this.ticks.push(this.now());
    await door.opened;
  }
  cancelAt(plan: { timer: number; count: number }): void {
    this.ticks.push("tick");
    if (this.ticks.length === plan.count) this.timers[plan.timer]!.cancel();
  }
  mutate(value: { list: number[] }): void {
    this.ticks.push([...value.list]);
    value.list.push(9);
  }
  everyMutated(plan: { ms: number }): void {
    this.every(plan.ms, "mutate", { list: [1] });
  }
  afterTensor(plan: { ms: number; tensor: TensorRef }): void {
    this.after(plan.ms, "read", plan.tensor);
  }
  async read(tensor: TensorRef): Promise<void> {
    try {
      this.ticks.push((await this.store.get(tensor)).data[0]);
    } catch (error) {
      this.ticks.push(isShoalError(error) ? error.code : String(error));
    }
  }
  cancel(index: number): void {
    this.timers[index]!.cancel();
  }
  cancelBehind(index: number): void {
    this.timers[index]!.cancel();
    this.timers[index]!.cancel();
  }
  async hold(): Promise<void> {
    await door.opened;
  }
  crash(): never {
    throw new Error("crash");
  }
  refusals(): string[] {
    const found: string[] = [];
    const attempt = (make: () => unknown): void => {
      try {
        make();
        found.push("accepted");
      } catch (error) {
        found.push(isShoalError(error) ? error.code : (error as Error).name);
      }
    };
    for (const ms of [NaN, -1, Infinity, 2 ** 31, "5" as unknown as number, undefined as unknown as number]) {
      attempt(() => this.after(ms, "tick", 0));
      attempt(() => this.every(ms, "tick", 0));
    }
    attempt(() => this.after(1, "absent" as "tick", 0));
    attempt(() => this.after(1, "started" as unknown as "tick", 0));
    attempt(() => this.after(1, "tick", () => 1));
    attempt(() => this.every(1, "tick", new Date()));
    return found;
  }
  everyZero(): string {
    try {
      this.timers.push(this.every(0, "tick", 0));
      return "accepted";
    } catch (error) {
      return (error as Error).name;
    }
  }
  many(count: number): string {
    try {
      for (let i = 0; i < count; i++) this.timers.push(this.after(1_000, "tick", i));
      return "accepted";
    } catch (error) {
      return isShoalError(error) ? error.code : String(error);
    }
  }
  all(): unknown[] {
    return this.ticks;
  }
}

async function clock(system: WorldSystem): Promise<ActorRef<Clock>> {
  door = gate();
  return await system.spawn(Clock);
}

test("after: comes once, when it is due, with its message", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    await ref.ask("after1", { ms: 100, value: { a: [1n] } });
    await ref.ask("after1", { ms: 0, value: "at once" });
    await system.environment.advance(0);
    assert.deepEqual(await ref.ask("all"), ["at once"]);
    await system.environment.advance(99);
    assert.deepEqual(await ref.ask("all"), ["at once"]);
    await system.environment.advance(1);
    assert.deepEqual(await ref.ask("all"), ["at once", { a: [1n] }]);
    await system.environment.advance(1_000);
    assert.equal((await ref.ask("all")).length, 2);
    await noTimers(system);
  });
});

test("after: those due earlier come earlier, those due together in the order they were set", async () => {
  await property([fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 })], async (waits) => {
    await inSystem({}, async (system) => {
      const ref = await clock(system);
      for (const [i, ms] of waits.entries()) await ref.ask("after1", { ms, value: [ms, i] });
      await system.environment.advance(25);
      const sorted = waits.map((ms, i) => [ms, i]).sort(([a, i], [b, j]) => a! - b! || i! - j!);
      assert.deepEqual(await ref.ask("all"), sorted);
    });
  }, { runs: 30 });
});

test("every: comes each period, without drift", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    await ref.ask("every1", { ms: 10, value: "t" });
    await system.environment.advance(105);
    assert.equal((await ref.ask("all")).length, 10);
    await system.environment.advance(95);
    assert.equal((await ref.ask("all")).length, 20);
  });
});

test("every: does not pile up while its handler, or another, takes long", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    await ref.ask("everySlow", 10);
    await system.environment.advance(1_000);
    const { mailbox } = (ref as unknown as { target: { mailbox?: { length: number } } }).target;
    assert.ok((mailbox?.length ?? 0) <= 1, `${mailbox?.length} ticks wait`);
    door.open();
    await system.environment.settle();
    const ticks = await ref.ask("all");
    assert.ok(ticks.length <= 2, `${ticks.length} ticks came at once`);
    await system.environment.advance(10);
    assert.equal((await ref.ask("all")).length, ticks.length + 1, "then it goes on");
  });
});

test("every: after a pause of the whole process missed ticks are not made up for", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    await ref.ask("every1", { ms: 10, value: "t" });
    system.environment.spend(10_000);
    await system.environment.advance(0);
    assert.ok((await ref.ask("all")).length <= 2);
    await system.environment.advance(100);
    const count = (await ref.ask("all")).length;
    assert.ok(count >= 10 && count <= 12, `${count} ticks`);
  });
});

test("every: a handler may change what it got: the next tick has the message as it was set", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    await ref.ask("everyMutated", { ms: 10 });
    await system.environment.advance(35);
    assert.deepEqual(await ref.ask("all"), [[1], [1], [1]]);
  });
});

test("cancel: before it is due, twice, after it came, and inside its own handler", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    await ref.ask("after1", { ms: 10, value: "cancelled" });
    await ref.ask("after1", { ms: 10, value: "comes" });
    await ref.ask("cancel", 0);
    await ref.ask("cancel", 0);
    await system.environment.advance(20);
    await ref.ask("cancel", 1);
    assert.deepEqual(await ref.ask("all"), ["comes"]);
    await ref.ask("everySelfCancelling", { ms: 10, count: 4 });
    await system.environment.advance(1_000);
    assert.deepEqual(await ref.ask("all"), ["comes", "tick", "tick", "tick"]);
    await noTimers(system);
  });
});

test("cancel: a tick that waits in the mailbox already does not come any more", async () => {
  for (const every of [false, true]) {
    await inSystem({}, async (system) => {
      const ref = await clock(system);
      await ref.ask(every ? "every1" : "after1", { ms: 10, value: "late" });
      void ref.tell("hold");
      void ref.tell("cancelBehind", 0);
      await system.environment.advance(25);
      door.open();
      await system.environment.settle();
      assert.deepEqual(await ref.ask("all"), []);
      await noTimers(system);
    });
  }
});

test("life: the timers of a life end with it, those that are due already too", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    await ref.ask("after1", { ms: 10, value: "old, once" });
    await ref.ask("every1", { ms: 10, value: "old, ever" });
    const held = followed(ref.ask("hold"));
    const crash = followed(ref.ask("crash"));
    await system.environment.advance(15);
    // Both ticks wait behind the crash.
    door.open();
    await system.environment.settle();
    assert.ok(held.ended !== undefined && crash.ended?.error !== undefined);
    await system.environment.advance(100);
    assert.deepEqual(await ref.ask("all"), [], "the next life got what it did not ask for");
    await ref.ask("after1", { ms: 10, value: "new" });
    await system.environment.advance(10);
    assert.deepEqual(await ref.ask("all"), ["new"]);
    await noTimers(system);
  });
});

test("life: one that was stopped, now or drained, ticks no more, and leaves no timer", async () => {
  for (const now of [true, false]) {
    await inSystem({}, async (system) => {
      const ref = await clock(system);
      await ref.ask("every1", { ms: 10, value: "t" });
      await ref.ask("after1", { ms: 10, value: "t" });
      await system.stop(ref, { now });
      const { handled } = system.statistics();
      await system.environment.advance(100);
      assert.equal(system.statistics().handled, handled);
      await noTimers(system);
    });
  }
});

test("life: an old life that still runs sets no timers", async () => {
  class Old extends Actor<Old> {
    static outcome = "";
    async linger(): Promise<void> {
      await door.opened;
      try {
        this.after(1, "note");
        Old.outcome = "accepted";
      } catch (error) {
        Old.outcome = isShoalError(error) ? error.code : String(error);
      }
    }
    note(): void {}
  }
  await inSystem({}, async (system) => {
    door = gate();
    const ref = await system.spawn(Old);
    void ref.tell("linger");
    await system.environment.settle();
    await system.stop(ref, { now: true });
    door.open();
    await system.environment.settle();
    assert.equal(Old.outcome, "Fenced");
    await noTimers(system);
  });
});

test("limits: no number of milliseconds, no such message, what cannot be sent: refused where the timer is set", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    const refusals = await ref.ask("refusals");
    assert.deepEqual(
      refusals.slice(0, 12).filter((text) => !["RangeError", "TypeError", "BadInput"].includes(text)),
      [],
    );
    assert.deepEqual(refusals.slice(12), ["BadInput", "BadInput", "BadInput", "BadInput"]);
    await noTimers(system);
    assert.equal(system.statistics().crashes, 0);
  });
});

test("limits: a period of 0 is refused: it would never let time pass", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    const outcome = await ref.ask("everyZero");
    if (outcome === "accepted") await ref.ask("cancel", 0);
    assert.notEqual(outcome, "accepted");
  });
});

test("limits: timersMax holds, and a timer that came, was cancelled or died with its life makes room", async () => {
  await inSystem({ limits: { timersMax: 5 } }, async (system) => {
    const ref = await clock(system);
    assert.equal(await ref.ask("many", 5), "accepted");
    assert.equal(await ref.ask("many", 1), "CapacityExceeded");
    await ref.ask("cancel", 0);
    await ref.ask("cancel", 0);
    assert.equal(await ref.ask("many", 1), "accepted");
    assert.equal(await ref.ask("many", 1), "CapacityExceeded");
    await system.environment.advance(1_000);
    assert.deepEqual(await ref.ask("all"), [1, 2, 3, 4, 0]);
    assert.equal(await ref.ask("many", 5), "accepted");
    await fails(ref.ask("crash"), "HandlerError");
    assert.equal(await ref.ask("many", 5), "accepted");
    const other = await clock(system);
    assert.equal(await other.ask("many", 1), "CapacityExceeded");
    await system.stop(ref, { now: true });
    assert.equal(await other.ask("many", 5), "accepted");
  });
});

test("timer: what its message references is pinned until it was handled", async () => {
  await inSystem({}, async (system) => {
    const ref = await clock(system);
    const tensor = await system.store.put({ data: new Float64Array(4_000).fill(7) }, {
      lifetime: { until: "release" },
    });
    await ref.ask("afterTensor", { ms: 100, tensor });
    await system.store.release(tensor);
    assert.equal(system.tensorStore.statistics().tensors, 1, "it is not kept for the timer");
    await system.environment.advance(100);
    await ref.ask("all");
    assert.equal(system.tensorStore.statistics().tensors, 0, "it is still kept");
  });
});

test("timer: one in a full mailbox has room always, and order among the mail it met", async () => {
  await inSystem({ limits: { mailboxMessagesMax: 2 } }, async (system) => {
    const ref = await clock(system);
    await ref.ask("after1", { ms: 10, value: "timer" });
    void ref.tell("hold");
    await system.environment.settle();
    for (let i = 0; i < 5; i++) void ref.tell("tick", i);
    await system.environment.advance(10);
    door.open();
    await system.environment.settle();
    assert.deepEqual(await ref.ask("all"), [0, 1, "timer", 2, 3, 4]);
  });
});

test("timer: now is the runtime's clock", async () => {
  class Teller extends Actor {
    time(): number {
      return this.now();
    }
  }
  await inSystem({}, async (system) => {
    const ref = await system.spawn(Teller);
    const before = await ref.ask("time");
    await system.environment.advance(1_234);
    assert.equal(await ref.ask("time"), before + 1_234);
  });
});

test("timer: in a real process they come, in order, and none keeps the process alive after the end", async () => {
  const system = await launch({ store: "memory:", record: () => {} });
  try {
    const ref = await system.spawn(Clock);
    // Far from each other: on a busy machine there may be a pause between the settings of two.
    await ref.ask("afterEach", [800, 1, 400]);
    await ref.ask("every1", { ms: 3_600_000, value: "never" });
    while ((await ref.ask("all")).length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.deepEqual(await ref.ask("all"), [1, 400, 800]);
  } finally {
    await system.close();
  }
});
