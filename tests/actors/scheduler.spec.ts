// Who runs next, in a world whose clock, timers and turns are the test's: nobody starves, and what takes long, or
// throws, keeps neither timers nor other actors waiting.
import { type Runnable, scheduler, schedulerLimits } from "../../runtime/scheduler.ts";
import { assert, fc, property, test } from "../suite.ts";
import { loop, worker } from "./loop.ts";

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
