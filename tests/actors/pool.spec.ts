// Pools: idle members pull tasks, and answers come in order, each once.
import { Actor, type Result } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { realWorld } from "../../runtime/launch/world.ts";
import { runLedger } from "../../runtime/run/ledger.ts";
import { type Gate, gate, held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Board, scene, timeoutMs, Worker } from "./board.ts";

test("map answers in the order of its inputs, whoever was first", async () => {
  await property(
    [fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 60 }), fc.integer({ min: 1, max: 6 })],
    async (pauses, size) => {
      const at = stage();
      class Uneven extends Actor {
        async run(input: { index: number; pause: number }): Promise<number> {
          for (let i = 0; i < input.pause; i++) await Promise.resolve();
          return input.index;
        }
      }
      const pool = await at.system.pool(Uneven, { size });
      assert.equal(pool.size, size);
      const answers = await pool.map("run", pauses.map((pause, index) => ({ index, pause })));
      assert.deepEqual(answers, pauses.map((_, index) => index));
      await leave(at);
    },
    { runs: 50 },
  );
});

test("results yields each input once, with its index, failures as values", async () => {
  await property([fc.array(fc.nat(20), { maxLength: 60 }), fc.integer({ min: 1, max: 6 })], async (inputs, size) => {
    const at = stage({ supervision: { restartsMax: 1_000 } });
    const pool = await at.system.pool(Worker, { size });
    const found: Result<number>[] = [];
    for await (const result of pool.results("uneven", inputs)) found.push(result);
    found.sort((a, b) => a.index - b.index);
    assert.equal(found.length, inputs.length);
    found.forEach((result, index) => {
      assert.equal(result.index, index);
      const input = inputs[index]!;
      if (input % 7 !== 3) assert.equal(result.error === undefined && result.value, input);
      else assert.match(result.error?.message ?? "", new RegExp(`RangeError: no ${input}`));
    });
    await leave(at);
  }, { runs: 50 });
});

test("A member takes the next task with a name only when the end of its last is written down", async () => {
  scene.board = new Board();
  const slow: Gate[] = [];
  const ledger = runLedger({
    environment: realWorld,
    kept: new Map(),
    record() {},
    written() {
      slow.push(gate());
      return slow.at(-1)!.passed;
    },
  });
  const at = stage({ ledger });
  const pool = await at.system.pool(Worker, { size: 2 });
  const mapped = pool.map("work", [0, 1, 2, 3], { name: "kept" });
  await quiet();
  for (const task of [0, 1]) scene.board.at(task).open();
  await quiet();
  // A kill would run these two again, and no more.
  assert.deepEqual([scene.board.finished, scene.board.started], [[0, 1], [0, 1]]);
  slow[1]!.open();
  await quiet();
  assert.deepEqual(scene.board.started, [0, 1, 2]);
  // What has no name is not written down: nobody waits for that.
  scene.board.at(7).open();
  scene.board.at(8).open();
  const others = pool.map("work", [7, 8]);
  scene.board.at(2).open();
  await quiet();
  assert.deepEqual(scene.board.started, [0, 1, 2]);
  slow[2]!.open();
  await quiet();
  scene.board.at(3).open();
  for (let index = 0; index < 4; index++) {
    slow[index]?.open();
    await quiet();
  }
  assert.deepEqual(await mapped, [0, 10, 20, 30]);
  assert.deepEqual(await others, [70, 80]);
  await leave(at);
});

test("A pool hands tasks to idle members only, one each", async () => {
  scene.board = new Board();
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 3 });
  const mapped = pool.map("work", [0, 1, 2, 3, 4, 5]);
  await quiet();
  assert.deepEqual(scene.board.started, [0, 1, 2]);
  scene.board.at(1).open();
  await quiet();
  assert.deepEqual(scene.board.started, [0, 1, 2, 3]);
  assert.equal(scene.board.members.get(3)![0]!.id, scene.board.members.get(1)![0]!.id, "the one that became idle");
  for (const task of [0, 2, 3, 4, 5]) scene.board.at(task).open();
  assert.deepEqual(await mapped, [0, 10, 20, 30, 40, 50]);
  await leave(at);
});

test("map of nothing is nothing; one task, many members; many tasks, one member", async () => {
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 1 });
  assert.deepEqual(await pool.map("square", []), []);
  assert.deepEqual(await pool.map("square", new Set([3, 2, 1])), [9, 4, 1]);
  const wide = await at.system.pool(Worker, { size: 50 });
  assert.deepEqual(await wide.map("square", [5]), [25]);
  const all: Result<number>[] = [];
  for await (const result of wide.results("square", [])) all.push(result);
  assert.deepEqual(all, []);
  await leave(at);
});

test("map takes its inputs only as members become idle, a hundred thousand of them", async () => {
  scene.board = new Board();
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 4 });
  let taken = 0;
  function* inputs(count: number): Generator<number> {
    for (let i = 0; i < count; i++) {
      taken++;
      yield i;
    }
  }
  const [mapped] = held(pool.map("work", inputs(1_000_000)));
  await quiet();
  assert.ok(taken <= 8, `${taken} inputs were taken for 4 members`);
  await pool.stop({ now: true });
  await errorOf("Ended", () => mapped);
  assert.ok(taken <= 16, `${taken} inputs were taken though the pool is no more`);

  const next = await at.system.pool(Worker, { size: 4 });
  taken = 0;
  let mostAhead = 0;
  let answered = 0;
  for await (const result of next.results("square", inputs(100_000))) {
    answered++;
    if (result.error !== undefined) throw result.error;
    mostAhead = Math.max(mostAhead, taken - answered);
  }
  assert.equal(answered, 100_000);
  assert.equal(taken, 100_000);
  await leave(at);
}, { timeoutMs: 20_000 });

test("results waits for a reader that takes its time: what is ahead of it is bounded", async () => {
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 4 });
  let taken = 0;
  function* inputs(): Generator<number> {
    while (taken < 50_000) yield taken++;
  }
  for await (const _ of pool.results("square", inputs())) {
    for (let i = 0; i < 20; i++) await quiet();
    break;
  }
  // Two for each member, or so; not all there are.
  assert.ok(taken < 1_000, `${taken} inputs were taken for a reader that took one answer`);
  await leave(at);
}, { timeoutMs: 20_000 });

test("A task that fails fails map at once, and no more tasks are started", async () => {
  scene.board = new Board();
  const at = stage();
  class Picky extends Worker {
    async pick(task: number): Promise<number> {
      if (task === 1) {
        scene.board.started.push(task);
        await scene.board.at(task).passed;
        throw new RangeError("picky");
      }
      return await this.work(task);
    }
  }
  const pool = await at.system.pool(Picky, { size: 2 });
  let closed = 0;
  function* inputs(): Generator<number> {
    try {
      for (let i = 0; i < 100; i++) yield i;
    } finally {
      closed++;
    }
  }
  const [mapped] = held(pool.map("pick", inputs()));
  await quiet();
  assert.deepEqual(scene.board.started, [0, 1]);
  scene.board.at(1).open();
  const error = await errorOf("HandlerError", () => mapped);
  assert.match(error.message, /picky/);
  scene.board.at(0).open();
  await quiet();
  assert.deepEqual(scene.board.started, [0, 1], "a task was started after the failure");
  assert.equal(closed, 1, "the inputs are told that no more are wanted");
  assert.deepEqual(await pool.map("square", [2]), [4], "the pool goes on");
  await leave(at);
});

test("results left early starts no more tasks, and tells the inputs", async () => {
  scene.board = new Board();
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 2 });
  let closed = 0;
  function* inputs(): Generator<number> {
    try {
      for (let i = 0; i < 100; i++) yield i;
    } finally {
      closed++;
    }
  }
  scene.board.at(0).open();
  for await (const result of pool.results("work", inputs())) {
    assert.equal(result.index, 0);
    break;
  }
  await quiet();
  const begun = scene.board.started.length;
  for (let task = 0; task < 100; task++) scene.board.at(task).open();
  await quiet();
  assert.ok(scene.board.started.length <= begun, `${scene.board.started.length - begun} tasks were started for nobody`);
  assert.equal(closed, 1);
  assert.deepEqual(await pool.map("square", [2, 3]), [4, 9], "its members are idle again");
  await leave(at);
});

test("Inputs that throw fail map and results, and leave the members idle", async () => {
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 2 });
  function* inputs(count: number): Generator<number> {
    for (let i = 0; i < count; i++) yield i;
    throw new RangeError("no more inputs");
  }
  for (const count of [0, 1, 5]) {
    await assert.rejects(pool.map("square", inputs(count)), /no more inputs/);
    const found: number[] = [];
    await assert.rejects(async () => {
      for await (const { index } of pool.results("square", inputs(count))) found.push(index);
    }, /no more inputs/);
    assert.deepEqual(found.sort((a, b) => a - b), Array.from({ length: count }, (_, index) => index));
  }
  await assert.rejects(async () => pool.map("square", undefined as unknown as number[]), TypeError);
  assert.deepEqual(await pool.map("square", [1, 2, 3]), [1, 4, 9]);
  await leave(at);
});

test("pool refuses a size, attempts and members that mean nothing, and leaves no member behind", async () => {
  const at = stage();
  const wrong: unknown[] = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "4", undefined, null];
  for (const size of wrong) {
    const error = await errorOf("BadInput", () => at.system.pool(Worker, { size: size as number }));
    assert.match(error.message, /size/);
  }
  for (const attemptsMax of [0, -1, 1.5, Number.NaN, "3"]) {
    const options = { size: 1, attemptsMax: attemptsMax as number };
    assert.match((await errorOf("BadInput", () => at.system.pool(Worker, options))).message, /attemptsMax/);
  }
  const unknown = { size: 1, sise: 2 };
  assert.match((await errorOf("BadInput", () => at.system.pool(Worker, unknown))).message, /size/);
  let made = 0;
  class Fourth extends Actor {
    constructor() {
      super();
      if (++made === 4) throw new Error("no fourth");
    }
  }
  assert.match((await errorOf("HandlerError", () => at.system.pool(Fourth, { size: 6 }))).message, /no fourth/);
  await quiet();
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
}, { timeoutMs });

test("A timeout or a signal reaches the member that has the task", async () => {
  const at = stage();
  let aborted = 0;
  class Watchful extends Actor {
    async wait(): Promise<void> {
      await new Promise<void>((resolve) => this.signal.addEventListener("abort", () => resolve()));
      aborted++;
    }
  }
  const pool = await at.system.pool(Watchful, { size: 1 });
  const controller = new AbortController();
  const calls = held(
    pool.ask("wait", undefined, { signal: controller.signal }),
    pool.ask("wait", undefined, { timeoutMs: 50 }),
  );
  await quiet();
  controller.abort();
  assert.deepEqual((await settledOf(calls))[0], "Cancelled unknown");
  await at.clock.advance(50);
  assert.match((await settledOf(calls))[1] ?? "hangs", /^Timeout/);
  await quiet();
  assert.ok(aborted >= 1);
  await leave(at);
});

test("A task belongs to the pool once it was asked: what its sender changes later is not seen", async () => {
  scene.board = new Board();
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 1 });
  const [busy] = held(pool.ask("work", 0));
  await quiet();
  const message = { value: 1 };
  const call = pool.ask("echo", message);
  message.value = 2;
  scene.board.at(0).open();
  assert.equal(await call, 1);
  await busy;
  await leave(at);
});

test("What cannot be sent fails its task with the path, and the pool goes on", async () => {
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 2 });
  const bad = { value: () => {} } as unknown as { value: number };
  assert.match((await errorOf("BadInput", () => pool.ask("echo", bad))).message, /message\.value/);
  await errorOf("BadInput", () => pool.map("echo", [{ value: 1 }, bad, { value: 2 }]));
  await errorOf("BadInput", () => pool.ask("none" as "square", 1));
  assert.deepEqual(await pool.map("echo", [{ value: 1 }, { value: 2 }]), [1, 2]);
  await leave(at);
});

test("Members are constructed each with an input of its own", async () => {
  const at = stage();
  class Fed extends Actor {
    readonly #items: number[];
    constructor(input: { items: number[] }) {
      super();
      this.#items = input.items;
    }
    add(item: number): number {
      return this.#items.push(item);
    }
  }
  const pool = await at.system.pool(Fed, { size: 3, input: { items: [1] } });
  assert.deepEqual(await pool.map("add", [1, 2, 3]), [2, 2, 2]);
  await leave(at);
});

test("Two maps at once share the members fairly enough that both end", async () => {
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 2 });
  const inputs = Array.from({ length: 500 }, (_, index) => index);
  const [one, two] = await Promise.all([pool.map("square", inputs), pool.map("square", inputs)]);
  assert.deepEqual(one, two);
  assert.equal(one.length, 500);
  await leave(at);
});
