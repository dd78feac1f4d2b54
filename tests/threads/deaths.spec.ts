// What becomes of calls when their thread ends: by itself, by an error that nobody catches, or for want of memory.
// minutes: 3
import { isShoalError, launch, type LaunchOptions, type System, type TensorRef } from "../../runtime/mod.ts";
import { assert, long, seed, test } from "../suite.ts";
import { Worker } from "./actors.ts";

const noRecord = (): void => {};

async function inThreads(options: LaunchOptions, body: (system: System) => Promise<void>): Promise<void> {
  // Not strict: handlers and tests tell each other where they are by words in a tensor that both see.
  const system = await launch({ threads: 2, record: noRecord, strict: false, ...options });
  try {
    await body(system);
  } finally {
    await system.close({ now: true });
  }
}

interface Settled {
  readonly outcome: "done" | "failed" | "unknown";
  readonly value: unknown;
}

/** Asks whose answers, however they end, are counted: one that ended twice is found. */
function asked(calls: readonly Promise<unknown>[]): Promise<readonly Settled[]> {
  return Promise.all(
    calls.map((call) =>
      call.then((value): Settled => ({ outcome: "done", value }), (error: unknown): Settled => {
        if (!isShoalError(error)) throw error;
        assert.ok(["Ended", "Lost"].includes(error.code), `${error.code}: ${error.message}`);
        return { outcome: error.outcome, value: undefined };
      })
    ),
  );
}

/** What was said of each call, against the marks that the handlers left outside of their thread. */
async function judged(system: System, tally: TensorRef, settled: readonly Settled[]): Promise<Record<string, number>> {
  const marks = await system.store.get(tally);
  const counts: Record<string, number> = { done: 0, failed: 0, unknown: 0 };
  for (const [index, { outcome, value }] of settled.entries()) {
    counts[outcome]! += 1;
    const times = Number(marks.data[index]);
    if (outcome === "done") assert.deepEqual([times, value], [1, index]);
    else if (outcome === "failed") assert.equal(times, 0, `call ${index} failed, and was handled`);
    else assert.ok(times <= 1, `call ${index} was handled ${times} times`);
  }
  marks.done();
  return counts;
}

/** The handler computes by now. */
async function begun(words: Int32Array): Promise<void> {
  while (Atomics.load(words, 0) === 0) await new Promise((resolve) => setImmediate(resolve));
}

const inFlight = 1_000;

for (const how of ["exit", "error"] as const) {
  const times = long ? 100 : 5;
  test(
    `threads: ${how} with ${inFlight} asks in flight, ${times} times: each settles, once, and as it was`,
    async () => {
      const totals: Record<string, number> = { done: 0, failed: 0, unknown: 0 };
      await inThreads({}, async (system) => {
        for (let time = 0; time < times; time++) {
          const victim = await system.spawn(Worker, undefined, { on: "threads" });
          const tally = await system.store.put({ data: new Int32Array(8_192) });
          const calls: Promise<unknown>[] = [];
          const endsAt = (seed + time * 331) % inFlight;
          for (let index = 0; index < inFlight; index++) {
            calls.push(victim.ask("mark", { tally, index }));
            if (index === endsAt) victim.ask("end", how).catch(() => {});
          }
          const counts = await judged(system, tally, await asked(calls));
          for (const [outcome, count] of Object.entries(counts)) totals[outcome]! += count;
          await system.store.release(tally);
        }
      });
      assert.ok(
        totals["done"]! > 0 && totals["unknown"]! > 0,
        `it ended before, or after, all of them: ${JSON.stringify(totals)}`,
      );
    },
    { timeoutMs: 60_000 * (long ? 20 : 1) },
  );
}

test.on(
  "node",
  "threads: one that runs out of memory ends alone, and its calls settle",
  "Deno ends the whole process with such a thread",
  () =>
    inThreads({ threadHeapBytesMax: 100 * 2 ** 20 }, async (system) => {
      const [victim, other] = [
        await system.spawn(Worker, undefined, { on: "threads" }),
        await system.spawn(Worker, undefined, { on: "threads" }),
      ];
      const calls = [victim.ask("end", "memory"), ...Array.from({ length: 100 }, (_, by) => victim.ask("echo", by))];
      const settled = await asked(calls);
      assert.equal(settled[0]!.outcome, "unknown");
      // What had not left for the thread that ended is handled by the actor's next life.
      for (const [index, { outcome, value }] of settled.entries()) {
        if (outcome === "done") assert.equal(value, index - 1);
      }
      assert.equal(await other.ask("echo", 5), 5);
    }),
  { timeoutMs: 120_000 },
);

test("threads: an actor whose thread ends lives on in another, under the same reference, without its state", () =>
  inThreads({}, async (system) => {
    const victim = await system.spawn(Worker, undefined, { on: "threads", name: "victim" });
    let end: string | undefined;
    void system.watch(victim).then(({ reason }) => end = reason);
    const thread = await victim.ask("thread");
    for (let life = 1; life <= 3; life++) {
      assert.equal(await victim.ask("add", life), life);
      await assert.rejects(victim.ask("end", "exit"), { code: /^(Ended|Lost)$/, outcome: "unknown" });
      assert.equal(await victim.ask("add", 0), 0);
    }
    assert.notEqual(await victim.ask("thread"), thread);
    assert.equal((await system.find(Worker, "victim"))?.id, victim.id);
    assert.equal(end, undefined);
    await system.stop(victim);
    await assert.rejects(victim.ask("add", 1), { code: "Ended" });
  }));

test("threads: one that is not to live on has ended with its thread, and whoever watches it learns of it", () =>
  inThreads({}, async (system) => {
    const stopped = await system.spawn(Worker, undefined, { on: "threads", supervision: { on: "stop" } });
    const watched = system.watch(stopped);
    stopped.ask("end", "exit").catch(() => {});
    assert.equal((await watched).reason, "lost");
    await assert.rejects(stopped.ask("add", 1), { code: "Ended" });
    const often = await system.spawn(Worker, undefined, { on: "threads", supervision: { restartsMax: 2 } });
    const ended = system.watch(often);
    for (let life = 0; life < 3; life++) await assert.rejects(often.ask("end", "exit"));
    assert.equal((await ended).reason, "lost");
    const next = await system.spawn(Worker, undefined, { on: "threads" });
    assert.notEqual(await next.ask("thread"), 0);
  }));

test(
  "threads: a pool gives the tasks of a thread that ended to others, and has as many members as before",
  () =>
    inThreads({ threads: 3 }, async (system) => {
      const pool = await system.pool(Worker, { size: 6, attemptsMax: 5 });
      const tasks = Array.from({ length: 300 }, (_, value) => value);
      const answers = pool.map("echo", tasks);
      // It is tried again in others, and ends each of them.
      await assert.rejects(pool.ask("end", "exit"), { code: /^(Ended|Lost)$/ });
      assert.deepEqual(await answers, tasks);
      assert.deepEqual(await pool.map("echo", tasks), tasks);
      assert.equal(pool.size, 6);
    }),
  { timeoutMs: 60_000 },
);

test(
  "threads: a handler that computes is busy, and not dead: nobody is ended for it, and its answer comes",
  () =>
    inThreads({}, async (system) => {
      const [busy, idle] = [
        await system.spawn(Worker, undefined, { on: "threads" }),
        await system.spawn(Worker, undefined, { on: "threads" }),
      ];
      const flag = await system.store.put({ data: new Int32Array(8_192) });
      const view = await system.store.get(flag);
      const words = view.data as Int32Array;
      const computed = busy.ask("compute", { flag, limitMs: 120_000 });
      const waiting = Array.from({ length: 10 }, (_, value) => busy.ask("echo", value));
      await begun(words);
      // More than any tick, probe or grace there is; a minute in the long run.
      for (let round = 0; round < (long ? 60 : 4); round++) {
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        assert.equal(await idle.ask("echo", round), round);
      }
      Atomics.store(words, 1, 1);
      assert.equal(await computed, "computed");
      assert.deepEqual(await Promise.all(waiting), Array.from({ length: 10 }, (_, value) => value));
      view.done();
    }),
  { timeoutMs: 120_000 },
);

test(
  "threads: cancelling a handler that computes ends its thread, and its neighbours there live on elsewhere",
  () =>
    inThreads({ threads: 1 }, async (system) => {
      const busy = await system.spawn(Worker, undefined, { on: "threads" });
      const neighbours = await system.pool(Worker, { size: 2 });
      const flag = await system.store.put({ data: new Int32Array(8_192) });
      const view = await system.store.get(flag);
      const cancelling = new AbortController();
      const computed = busy.ask("compute", { flag, limitMs: 600_000 }, { signal: cancelling.signal });
      await begun(view.data as Int32Array);
      const waiting = neighbours.map("echo", [1, 2, 3]);
      cancelling.abort();
      await assert.rejects(computed, { code: "Cancelled", outcome: "unknown" });
      assert.deepEqual(await waiting, [1, 2, 3]);
      view.done();
    }),
  { timeoutMs: 60_000 },
);
