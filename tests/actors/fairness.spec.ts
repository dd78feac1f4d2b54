// Whole systems in which somebody never stops or computes for long: the event loop, timers and others have their turn.
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { followed, gate, inSystem, world } from "./world.ts";

class Worker extends Actor<Worker> {
  handled = 0;
  work(ms: number): number {
    if (ms > 0) clock?.spend(ms);
    return ++this.handled;
  }
  async endless(other: ActorRef<Worker>): Promise<number> {
    for (let i = 0; i < 50_000; i++) {
      if (stopped) return i;
      await other.ask("work", 0);
    }
    return -1;
  }
  loop(left: number): void {
    if (left > 0 && !stopped) void this.self.tell("loop", left - 1);
    else ended = left;
  }
  async *numbers(count: number): AsyncGenerator<number> {
    for (let i = 0; i < count; i++) yield i;
  }
  *plain(count: number): Generator<number> {
    for (let i = 0; i < count; i++) yield i;
  }
}

let clock: { spend(ms: number): void } | undefined;

let stopped = false;

let ended = -1;

/** Something of the event loop's own, that must get its turn. */
function outside(): void {
  stopped = false;
  ended = -1;
  setImmediate(() => setImmediate(() => stopped = true));
}

test("system: an endless loop of asks between two actors lets the event loop in", async () => {
  await inSystem({}, async (system) => {
    const [a, b] = [await system.spawn(Worker), await system.spawn(Worker)];
    outside();
    assert.notEqual(await a.ask("endless", b), -1, "50,000 asks, and the event loop had no turn");
  });
});

test("system: an endless loop of asks by the program lets the event loop in", async () => {
  await inSystem({}, async (system) => {
    const a = await system.spawn(Worker);
    outside();
    for (let i = 0; !stopped; i++) {
      assert.ok(i < 50_000, "50,000 asks, and the event loop had no turn");
      await a.ask("work", 0);
    }
  });
});

test("system: an actor that tells itself without end lets the event loop in", async () => {
  await inSystem({}, async (system) => {
    const a = await system.spawn(Worker);
    outside();
    void a.tell("loop", 100_000);
    await system.environment.settle();
    assert.ok(ended > 0, "100,000 tells, and the event loop had no turn");
  });
});

test("system: an endless stream lets the event loop in", async () => {
  for (const method of ["numbers", "plain"] as const) {
    await inSystem({}, async (system) => {
      const a = await system.spawn(Worker);
      outside();
      let count = 0;
      for await (const _ of a.stream(method, 100_000)) {
        count++;
        if (stopped) break;
      }
      assert.ok(count < 100_000, `100,000 values of ${method}, and the event loop had no turn`);
    });
  }
});

test("system: a flood at one actor lets another answer before it is through", async () => {
  await inSystem({ limits: { mailboxMessagesMax: 20_000 } }, async (system) => {
    const [flooded, other] = [await system.spawn(Worker), await system.spawn(Worker)];
    for (let i = 0; i < 20_000; i++) void flooded.tell("work", 0);
    assert.equal(await other.ask("work", 0), 1);
    const done = await flooded.ask("work", 0);
    assert.equal(done, 20_001);
    const again = followed(flooded.ask("work", 0));
    await system.environment.settle();
    assert.deepEqual(again.ended, { value: 20_002 });
  });
});

test("system: a timer is at most a handler late while handlers compute for long", async () => {
  const environment = world();
  await inSystem({ environment }, async (system) => {
    clock = environment;
    const flooded = await system.spawn(Worker);
    let late = 0;
    let firedAt = -1;
    // Another timer of the same event loop, due after one of the handlers.
    const handlers = 64;
    for (let i = 0; i < handlers; i++) void flooded.tell("work", 1_000);
    setImmediate(() => firedAt = environment.now());
    const startedAt = environment.now();
    await environment.settle();
    late = firedAt - startedAt;
    assert.ok(firedAt >= 0 && late <= 3_000, `handlers of 1,000 ms kept the event loop out for ${late} ms`);
    clock = undefined;
  });
});

test("system: a deadline that passed while another handler computed is met: what waited never runs", async () => {
  const environment = world();
  await inSystem({ environment }, async (system) => {
    clock = environment;
    const busy = await system.spawn(Worker);
    const first = followed(busy.ask("work", 5_000));
    const second = followed(busy.ask("work", 0, { timeoutMs: 1_000 }));
    const third = followed(busy.ask("work", 0));
    await environment.advance(1_000);
    assert.deepEqual(first.ended, { value: 1 });
    const error = second.ended?.error as { code?: unknown; outcome?: unknown } | undefined;
    assert.equal(error?.code, "Timeout", "it was answered, 4 s after its deadline");
    assert.equal(error?.outcome, "failed");
    assert.deepEqual(third.ended, { value: 2 }, "its handler ran all the same");
    clock = undefined;
  });
});

test("system: what a handler that never returns keeps waiting is its own mail only", async () => {
  class Stuck extends Actor {
    async wait(): Promise<void> {
      await door.opened;
    }
  }
  const door = gate();
  await inSystem({}, async (system) => {
    const stuck = await system.spawn(Stuck);
    const worker = await system.spawn(Worker);
    const waiting = Array.from({ length: 10 }, () => followed(stuck.ask("wait")));
    for (let i = 1; i <= 100; i++) assert.equal(await worker.ask("work", 0), i);
    assert.ok(waiting.every(({ ended: over }) => over === undefined));
    door.open();
    await system.environment.settle();
    assert.ok(waiting.every(({ ended: over }) => over !== undefined));
  });
});
