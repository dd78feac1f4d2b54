// Who runs next, in a world whose clock, timers and turns are the test's: nobody starves, and what takes long, or
// throws, keeps neither timers nor other actors waiting.
import type { Environment } from "../../runtime/environment.ts";
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { type Runnable, scheduler, schedulerLimits } from "../../runtime/scheduler.ts";
import { assert, fc, property, test } from "../suite.ts";
import { followed, gate, inSystem, world } from "./world.ts";

interface Loop extends Environment {
  /** How often a turn of the event loop was asked for. */
  readonly laters: number;
  /** What escaped from a call. */
  readonly thrown: unknown[];
  spend(ms: number): void;
  /** One call that is due in this turn, or else the next turn; false where there is nothing to do. */
  step(): boolean;
  /** Steps until nothing is left, or so many turns have passed. */
  run(turnsMax?: number): void;
}

function loop(): Loop {
  const soons: (() => void)[] = [];
  let next: (() => void)[] = [];
  let now = 0;
  let laters = 0;
  const thrown: unknown[] = [];
  function guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      thrown.push(error);
    }
  }
  function step(): boolean {
    const soon = soons.shift();
    if (soon !== undefined) {
      guarded(soon);
      return true;
    }
    const due = next;
    next = [];
    for (const call of due) soons.push(call);
    return due.length > 0;
  }
  return {
    now: () => now,
    date: () => now,
    after: () => assert.fail("the scheduler sets no timers"),
    soon: (call) => void soons.push(call),
    later(call) {
      laters++;
      next.push(call);
    },
    token: () => "0",
    get laters() {
      return laters;
    },
    thrown,
    spend: (ms) => void (now += ms),
    step,
    run(turnsMax = 1e6) {
      const until = laters + turnsMax;
      while (laters < until && step());
    },
  };
}

/** One with so much work, which writes down each piece and queues itself again while some is left. */
function worker(
  queue: { ready(runnable: Runnable): void },
  pieces: number,
  piece: () => void,
): Runnable & { left: number } {
  const self = {
    left: pieces,
    run(budget: number): number {
      let used = 0;
      while (used < budget && self.left > 0) {
        self.left--;
        used++;
        piece();
      }
      if (self.left > 0) queue.ready(self);
      return used;
    },
  };
  return self;
}

test("scheduler: works off what is ready, each in its turn, first come first served", () => {
  const environment = loop();
  const queue = scheduler(environment);
  const log: string[] = [];
  for (const name of ["a", "b", "c"]) queue.ready(worker(queue, 1, () => void log.push(name)));
  assert.equal(log.length, 0, "nobody runs inside of ready");
  assert.equal(queue.waiting(), 3);
  environment.run();
  assert.deepEqual(log, ["a", "b", "c"]);
  assert.equal(queue.waiting(), 0);
});

test("scheduler: a flood at one lets every other in after one turn of it", () => {
  const environment = loop();
  const queue = scheduler(environment);
  const log: string[] = [];
  queue.ready(worker(queue, 100_000, () => void log.push("flood")));
  queue.ready(worker(queue, 1, () => void log.push("other")));
  environment.run();
  const before = log.indexOf("other");
  assert.ok(before > 0 && before <= schedulerLimits.turnMessagesMax, `${before} pieces of the flood came first`);
  assert.equal(log.length, 100_001);
});

test("scheduler: a flood lets timers and I/O in after each slice", () => {
  const environment = loop();
  const queue = scheduler(environment);
  let sinceLater = 0;
  let most = 0;
  let seen = 0;
  queue.ready(worker(queue, 200_000, () => {
    if (environment.laters !== seen) {
      seen = environment.laters;
      sinceLater = 0;
    }
    most = Math.max(most, ++sinceLater);
  }));
  environment.run();
  assert.ok(most <= 2 * schedulerLimits.sliceMessagesMax, `${most} pieces of work without a turn for timers`);
});

test("scheduler: work that always comes anew, one piece at a time, lets timers in too", () => {
  const environment = loop();
  const queue = scheduler(environment);
  let pieces = 0;
  const again = {
    run: (): number => {
      // As a handler that asks: the answer comes between microtasks, when the queue is empty.
      if (++pieces < 50_000) environment.soon(() => queue.ready(again));
      return 1;
    },
  };
  queue.ready(again);
  environment.run();
  assert.equal(pieces, 50_000);
  assert.ok(environment.laters >= 50_000 / (2 * schedulerLimits.sliceMessagesMax), `${environment.laters} turns`);
});

test("scheduler: what a new turn of the event loop brings runs in that turn, unless timers have waited too long", () => {
  const environment = loop();
  const queue = scheduler(environment);
  let pieces = 0;
  /** A message comes from elsewhere, in a turn of its own, so long after the one before. */
  const arrive = (afterMs: number): void => {
    environment.spend(afterMs);
    queue.turned();
    queue.ready(worker(queue, 1, () => void pieces++));
    environment.run();
  };
  for (let n = 0; n < 10; n++) arrive(schedulerLimits.sliceMs);
  assert.ok(environment.laters > 0 && environment.laters < 5, `${environment.laters} more turns for 10 messages`);
  const { laters } = environment;
  for (let n = 0; n < 10; n++) arrive(1_000);
  assert.ok(environment.laters >= laters + 4, "nobody knows whether timers had their turn");
  assert.equal(pieces, 20);
  // Of a queue that stands already nothing is known.
  queue.ready(worker(queue, 50_000, () => queue.turned()));
  const before = environment.laters;
  environment.run();
  assert.ok(environment.laters - before >= 50_000 / (2 * schedulerLimits.sliceMessagesMax));
});

test("scheduler: handlers that take long let timers in after each that overran the slice, once it is known", () => {
  for (const actors of [1, 100]) {
    const environment = loop();
    const queue = scheduler(environment);
    const pieces = 1_000;
    for (let i = 0; i < actors; i++) queue.ready(worker(queue, pieces / actors, () => environment.spend(1_000)));
    environment.run();
    assert.ok(
      environment.laters >= pieces / 4,
      `${pieces} pieces of a second each at ${actors} actors, and timers were let in ${environment.laters} times`,
    );
  }
});

test("scheduler: one that finds nothing to do costs a piece, so that a crowd of them lets timers in", () => {
  const environment = loop();
  const queue = scheduler(environment);
  let runs = 0;
  const idle = {
    run: (): number => {
      if (++runs < 20_000) queue.ready(idle);
      return 0;
    },
  };
  queue.ready(idle);
  environment.run();
  assert.equal(runs, 20_000);
  assert.ok(environment.laters >= 20_000 / (2 * schedulerLimits.sliceMessagesMax));
});

test("scheduler: one that throws stops nobody else", () => {
  for (const many of [1, 3, 2_000]) {
    const environment = loop();
    const queue = scheduler(environment);
    let others = 0;
    for (let i = 0; i < many; i++) {
      queue.ready({
        run: () => {
          throw new Error("a bug");
        },
      });
      queue.ready(worker(queue, 1, () => void others++));
    }
    environment.run();
    assert.equal(others, many);
    assert.equal(environment.thrown.length, many, "and what it threw is not swallowed");
    queue.ready(worker(queue, 1, () => void others++));
    environment.run();
    assert.equal(others, many + 1, "one that becomes ready later runs");
  }
});

test("scheduler: whatever comes when, everybody's work is done, and nobody waits longer than all others' turns", async () => {
  const plan = fc.array(
    fc.record({ worker: fc.nat(7), pieces: fc.integer({ min: 1, max: 300 }), steps: fc.nat(3), ms: fc.nat(2) }),
    { maxLength: 60 },
  );
  await property([plan], (steps) => {
    const environment = loop();
    const queue = scheduler(environment);
    const left = new Array<number>(8).fill(0);
    const queued = new Array<boolean>(8).fill(false);
    const turns: number[] = [];
    const runnables = left.map((_, index): Runnable => ({
      run(budget) {
        turns.push(index);
        queued[index] = false;
        const used = Math.min(budget, left[index]!);
        left[index]! -= used;
        wake(index);
        return used;
      },
    }));
    function wake(index: number): void {
      if (queued[index]! || left[index] === 0) return;
      queued[index] = true;
      queue.ready(runnables[index]!);
    }
    for (const { worker: index, pieces, steps: count, ms } of steps) {
      left[index]! += pieces;
      wake(index);
      environment.spend(ms);
      for (let i = 0; i < count; i++) environment.step();
    }
    const before = turns.length;
    const owing = left.map((work, index) => work > 0 ? index : -1).filter((index) => index >= 0);
    environment.run();
    assert.deepEqual(left, new Array(8).fill(0));
    assert.equal(queue.waiting(), 0);
    for (const index of owing) {
      const first = turns.slice(before).indexOf(index);
      assert.ok(
        first >= 0 && first < owing.length,
        `worker ${index} waited ${first} turns of ${owing.length} who wait`,
      );
    }
  }, { runs: 300 });
});

// ——— whole systems

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
