// How actors on threads end: with those who spawned them, by a stop that finds their thread gone, and when the system
// drains while they compute.
import { isShoalError, launch, type LaunchOptions, type System } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { Spawner, Worker } from "./actors.ts";

const noRecord = (): void => {};

async function inThreads(options: LaunchOptions, body: (system: System) => Promise<void>): Promise<void> {
  const system = await launch({ threads: 2, record: noRecord, ...options });
  try {
    await body(system);
  } finally {
    await system.close({ now: true });
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("ends on threads: a child whose parent ends while it is spawned ends too", () =>
  inThreads({}, async (system) => {
    await system.spawn(Worker, undefined, { on: "threads" });
    for (let round = 0; round < 8; round++) {
      const parent = await system.spawn(Spawner);
      const spawning = parent.ask("child", `child${round}`).then(() => true, () => false);
      for (let turns = 0; turns < round % 4; turns++) await turn();
      await system.stop(parent, { now: true });
      await spawning;
      // It is told to end, and its name is free then: a name has one owner, so that taking it says that it has.
      for (;;) {
        try {
          await system.stop(await system.spawn(Worker, undefined, { name: `child${round}` }));
          break;
        } catch (error) {
          if (!isShoalError(error, "Conflict")) throw error;
          await turn();
        }
      }
    }
  }), { timeoutMs: 60_000 });

test("ends on threads: a child that has ended is nothing to its parent any more; one that lives ends with it", () =>
  inThreads({}, async (system) => {
    const parent = await system.spawn(Spawner);
    const [one, two] = [await parent.ask("child", "one"), await parent.ask("child", "two")];
    assert.equal((await system.stop(one)).reason, "stopped");
    const watched = system.watch(two);
    await system.stop(parent);
    assert.equal((await watched).reason, "stopped");
    const error = await errorOf("Ended", () => two.ask("echo", 1));
    assert.notEqual(error.outcome, "done");
  }));

test(
  "ends on threads: what is stopped just as its thread ends is stopped, and so is its pool",
  () =>
    inThreads({ threads: 2 }, async (system) => {
      for (let round = 0; round < 3; round++) {
        const [one, two] = [
          await system.spawn(Worker, undefined, { on: "threads" }),
          await system.spawn(Worker, undefined, { on: "threads" }),
        ];
        const pool = await system.pool(Worker, { size: 2, on: "threads" });
        const deaths = [one.ask("end", "exit"), two.ask("end", "exit")];
        for (const death of deaths) death.catch(() => {});
        if (round > 0) await Promise.allSettled(deaths.slice(0, round));
        const stops = [system.stop(one, { now: true }), system.stop(two), pool.stop({ now: true })];
        for (const stop of stops) await stop;
        await errorOf("Ended", () => one.ask("echo", 1));
      }
    }),
  { timeoutMs: 60_000 },
);

test(
  "ends on threads: a close that drains answers what threads have taken in, also those that compute meanwhile",
  async () => {
    for (let round = 0; round < 6; round++) {
      const system = await launch({ threads: 2, record: noRecord });
      const [one, two] = [
        await system.spawn(Worker, undefined, { on: "threads" }),
        await system.spawn(Worker, undefined, { on: "threads" }),
      ];
      const asks = Array.from({ length: 100 }, (_, value) => (value % 2 === 0 ? one : two).ask("echo", value));
      const computed = one.ask("spin", 50);
      await system.close();
      assert.deepEqual(await Promise.all(asks), Array.from({ length: 100 }, (_, value) => value));
      assert.equal(await computed, 50);
    }
  },
  { timeoutMs: 60_000 },
);

test(
  "ends on threads: a handler in the main thread that asks a drained thread is told so, and holds nothing up",
  async () => {
    const system = await launch({ threads: 2, record: noRecord, limits: { stopTimeoutMs: 600_000 } });
    const parent = await system.spawn(Spawner);
    const child = await parent.ask("child", "late");
    let open!: (value: number) => void;
    const opened = new Promise<number>((resolve) => open = resolve);
    const late = parent.ask("askLater", child);
    Spawner.door = opened;
    const closing = system.close();
    // The child ends while the threads are drained, and its parent asks it after that.
    await system.watch(child);
    open(1);
    const error = await errorOf("HandlerError", () => late);
    assert.match(error.message, /it has ended/);
    await closing;
  },
  { timeoutMs: 60_000 },
);

test("ends on threads: a supervision that is a function is refused for one actor too, in words", () =>
  inThreads({}, async (system) => {
    const supervision = { on: () => "restart" as const };
    const error = await errorOf("BadInput", () => system.spawn(Worker, undefined, { on: "threads", supervision }));
    assert.match(error.message, /^Cannot spawn Worker on main-t1: supervision\.on is a function/);
  }));

test("threads: a pool whose system ends under it settles every task that waits", async () => {
  for (let round = 0; round < 5; round++) {
    const system = await launch({ threads: 2 });
    const pool = await system.pool(Worker, { size: 2, on: "threads" });
    const tasks = Array.from({ length: 500 }, (_, index) => pool.ask("echo", index));
    const ends = Promise.allSettled(tasks);
    await tasks[round];
    await system.close({ now: true });
    for (const end of await ends) {
      if (end.status === "rejected") assert.ok(["Ended", "Lost", "ShuttingDown"].includes(end.reason.code), end.reason);
    }
  }
});
