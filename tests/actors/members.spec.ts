// Members of pools that end, begin anew or are stuck: their tasks are given to others, or given up.
import { Actor, type Pool } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Board, scene, Slowpoke, timeoutMs, Worker } from "./board.ts";

test("A member that ends under its task gives it back, and others do it", async () => {
  scene.board = new Board();
  const at = stage();
  for (const Class of [Worker, Slowpoke]) {
    scene.board = new Board();
    const pool = await at.system.pool(Class, { size: 2 });
    const mapped = pool.map("work", [0, 1, 2]);
    await quiet();
    await at.system.stop(scene.board.members.get(0)![0]!, { now: true });
    scene.board.at(1).open();
    await quiet();
    for (const task of [0, 2]) scene.board.at(task).open();
    assert.deepEqual(await mapped, [0, 10, 20]);
    const [first, second] = scene.board.members.get(0)!;
    assert.notEqual(first!.id, second!.id);
    assert.equal(scene.board.members.get(0)!.length, 2);
    assert.equal(pool.size, 1);
    await pool.stop();
  }
  await leave(at);
}, { timeoutMs });

test("A member that is about to end gets no tasks, and costs none an attempt", async () => {
  scene.board = new Board();
  const at = stage();
  const pool = await at.system.pool(Slowpoke, { size: 2, attemptsMax: 2 });
  const one = await pool.ask("me");
  const busy = pool.ask("work", 0);
  await quiet();
  // Busy or idle, it drains; its farewell takes time.
  const ended = at.system.stop(one, {});
  const calls = held(pool.ask("square", 2), pool.ask("square", 3), pool.ask("square", 4));
  scene.board.at(0).open();
  assert.deepEqual(await settledOf(calls), ["value 4", "value 9", "value 16"]);
  await ended;
  assert.deepEqual(await settledOf([busy]), ["value 0"]);
  assert.equal(pool.size, 1);
  await leave(at);
}, { timeoutMs });

test("Tasks that a stopped member would get go to the others that are alive", async () => {
  // Two of three members are drained with a long farewell while idle; nothing may be lost to them.
  scene.board = new Board();
  const at = stage();
  const pool = await at.system.pool(Slowpoke, { size: 3, attemptsMax: 1 });
  const mapped = held(pool.map("work", [0, 1, 2]))[0];
  await quiet();
  for (const task of [0, 1, 2]) scene.board.at(task).open();
  await mapped;
  const stops = [0, 1].map((task) => at.system.stop(scene.board.members.get(task)![0]!, {}));
  assert.deepEqual(await pool.map("square", [1, 2, 3, 4]), [1, 4, 9, 16]);
  await Promise.all(stops);
  assert.equal(pool.size, 1);
  await leave(at);
}, { timeoutMs });

test("attemptsMax: a task that ends its members is given up, and says so", async () => {
  for (const attemptsMax of [1, 2, 3]) {
    const at = stage();
    const pool = await at.system.pool(Worker, { size: 5, attemptsMax });
    const error = await errorOf("Ended", () => pool.ask("endMe"));
    assert.equal(error.outcome, "unknown");
    await quiet();
    assert.equal(pool.size, 5 - attemptsMax);
    assert.equal(await pool.ask("square", 3), 9);
    await leave(at);
  }
});

test("A pool whose members are all gone fails what waits and what comes, and says why", async () => {
  scene.board = new Board();
  const at = stage({ supervision: { on: "stop" } });
  const pool = await at.system.pool(Worker, { size: 2 });
  const calls = held(pool.ask("work", 0), pool.ask("work", 1), pool.ask("work", 2), pool.map("work", [3, 4]));
  await quiet();
  for (const task of [0, 1]) await at.system.stop(scene.board.members.get(task)![0]!, { now: true });
  const settled = await settledOf(calls);
  for (const how of settled) assert.match(how ?? "hangs", /^Ended/);
  assert.equal(pool.size, 0);
  const error = await errorOf("Ended", () => pool.ask("square", 1));
  assert.match(error.message, /Worker/);
  const failing = await at.system.pool(Worker, { size: 1 });
  await errorOf("HandlerError", () => failing.ask("fail", "the disk is full"));
  await quiet();
  assert.match((await errorOf("Ended", () => failing.ask("square", 1))).message, /the disk is full/);
  await leave(at);
});

test("A member that fails comes back under its policy, and takes tasks again", async () => {
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 1, supervision: { backoffMs: 100 } });
  await errorOf("HandlerError", () => pool.ask("fail", "once"));
  const [call] = held(pool.ask("square", 3));
  assert.deepEqual(await settledOf([call]), [undefined]);
  await at.clock.advance(100);
  assert.deepEqual(await settledOf([call]), ["value 9"]);
  await leave(at);
});

test("stop lets tasks that run end, or not, and refuses those that wait and come", async () => {
  for (const now of [false, true]) {
    scene.board = new Board();
    const at = stage();
    const pool = await at.system.pool(Worker, { size: 2 });
    const calls = held(pool.ask("work", 0), pool.ask("work", 1), pool.ask("work", 2));
    await quiet();
    const [stopped] = held(pool.stop({ now }));
    const late = held(pool.ask("square", 1));
    for (const task of [0, 1, 2]) scene.board.at(task).open();
    const [zero, one, two] = await settledOf(calls);
    assert.deepEqual([zero, one], now ? ["Ended unknown", "Ended unknown"] : ["value 0", "value 10"]);
    assert.equal(two, "Ended failed");
    assert.deepEqual(await settledOf([stopped, ...late]), ["value undefined", "Ended failed"]);
    assert.equal(pool.size, 0);
    await pool.stop();
    await pool.stop({ now: true });
    assert.equal(at.system.statistics().actors, 0);
    await leave(at);
  }
});

test("A pool ends with the actor that made it, and its tasks settle", async () => {
  scene.board = new Board();
  const at = stage();
  class Maker extends Actor {
    #pool: Pool<Worker> | undefined;
    async run(tasks: number[]): Promise<number[]> {
      this.#pool ??= await this.pool(Worker, { size: 3 });
      return await this.#pool.map("work", tasks);
    }
    fail(): void {
      throw new Error("wrong");
    }
    hello(): string {
      return "hello";
    }
  }
  const maker = await at.system.spawn(Maker);
  const [first] = held(maker.ask("run", [0, 1]));
  await quiet();
  assert.deepEqual(scene.board.started, [0, 1]);
  for (const task of [0, 1]) scene.board.at(task).open();
  assert.deepEqual(await first, [0, 10]);
  assert.equal(at.system.statistics().actors, 4);
  await errorOf("HandlerError", () => maker.ask("fail"));
  assert.equal(await maker.ask("hello"), "hello");
  await quiet();
  assert.equal(at.system.statistics().actors, 1, "the pool of the life before is no more");
  const [second] = held(maker.ask("run", [5]));
  await quiet();
  await at.system.stop(maker, { now: true });
  assert.deepEqual(await settledOf([second]), ["Ended unknown"]);
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
});

test(
  "ask of a pool waits no longer than its timeout, and ends with its signal, also while no member is idle",
  async () => {
    scene.board = new Board();
    const at = stage({ limits: { replyTimeoutMs: 10_000 } });
    const pool = await at.system.pool(Worker, { size: 1 });
    const [busy] = held(pool.ask("work", 0, { timeoutMs: 60_000 }));
    await quiet();
    const controller = new AbortController();
    const waiting = held(
      pool.ask("square", 1, { timeoutMs: 100 }),
      pool.ask("square", 2, { signal: controller.signal }),
      pool.ask("square", 3),
      pool.map("square", [4, 5], { timeoutMs: 200 }),
      pool.ask("square", 6, { signal: AbortSignal.abort() }),
    );
    assert.deepEqual(await settledOf(waiting), [undefined, undefined, undefined, undefined, "Cancelled failed"]);
    controller.abort();
    await at.clock.advance(100);
    assert.deepEqual((await settledOf(waiting)).slice(0, 3), ["Timeout failed", "Cancelled failed", undefined]);
    await at.clock.advance(100);
    assert.deepEqual((await settledOf(waiting))[3], "Timeout failed");
    await at.clock.advance(9_800);
    assert.deepEqual((await settledOf(waiting))[2], "Timeout failed");
    scene.board.at(0).open();
    assert.deepEqual(await settledOf([busy]), ["value 0"]);
    assert.equal(await pool.ask("square", 7), 49);
    await leave(at);
  },
  { timeoutMs },
);

test("A member that begins a new life stays a member", async () => {
  const at = stage();
  class Igniter extends Actor {
    burn(): void {
      throw new Error("fire");
    }
  }
  class Foreman extends Actor {
    async square(value: number): Promise<number> {
      if (value === 13) {
        // A child's failure, passed up, ends this life under its task.
        void (await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } })).tell("burn");
        await new Promise(() => {});
      }
      return value * value;
    }
  }
  const pool = await at.system.pool(Foreman, { size: 2, attemptsMax: 2 });
  for (let i = 0; i < 3; i++) {
    // It is the task that ends them: given up after two attempts.
    const [how] = await settledOf([pool.ask("square", 13)]);
    assert.equal(how, "Ended unknown");
    assert.equal(at.system.statistics().actors, 2);
    assert.equal(pool.size, 2, "both are alive, and take tasks");
    assert.deepEqual(await pool.map("square", [1, 2, 3]), [1, 4, 9]);
  }
  await leave(at);
}, { timeoutMs });

test("A member that is stuck in a task which was given up is not idle: the others do the rest", async () => {
  const at = stage();
  class Stuck extends Actor {
    async work(value: number): Promise<number> {
      if (value < 0) await new Promise(() => {});
      return value;
    }
  }
  for (const how of ["Timeout unknown", "Cancelled unknown"]) {
    const pool = await at.system.pool(Stuck, { size: 2 });
    const controller = new AbortController();
    const options = how.startsWith("Timeout") ? { timeoutMs: 10 } : { signal: controller.signal };
    const [stuck] = held(pool.ask("work", -1, options));
    await quiet();
    controller.abort();
    await at.clock.advance(10);
    assert.deepEqual(await settledOf([stuck]), [how]);
    const [mapped] = held(pool.map("work", [1, 2, 3, 4], { timeoutMs: 1_000 }));
    assert.deepEqual(await settledOf([mapped]), ["value [1,2,3,4]"], `after ${how}`);
    await pool.stop({ now: true });
  }
  await leave(at);
}, { timeoutMs });

test("results of a wide pool without members are an error each, however many there are", async () => {
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 4_000 });
  await pool.stop();
  let failed = 0;
  for await (const { error } of pool.results("square", Array.from({ length: 20_000 }, (_, index) => index))) {
    const { code } = error as { code?: string };
    assert.equal(code, "Ended");
    failed++;
  }
  assert.equal(failed, 20_000);
  await leave(at);
}, { timeoutMs: 20_000 });

test("One signal serves many tasks, silently, and is let go of", async () => {
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(String(warning));
  process.on("warning", onWarning);
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 3 });
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  await Promise.all(Array.from({ length: 100 }, (_, index) => pool.ask("square", index, { signal })));
  await quiet(); // Warnings are told in a later turn.
  process.off("warning", onWarning);
  assert.equal(listeners, 0, "the signal keeps what it was told to watch");
  assert.deepEqual(warnings, []);
  await leave(at);
});
