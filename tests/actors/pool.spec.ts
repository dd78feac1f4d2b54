// Pools: idle members pull tasks, one that ends gives its task back, answers come in order, and everything settles.
import { Actor, type ActorRef, type Pool, type Result } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { type Gate, gate, held, leave, quiet, settledOf, stage } from "./stage.ts";

const timeoutMs = 8_000;

/** Works until the test lets it: tasks by number. */
class Board {
  readonly started: number[] = [];
  readonly finished: number[] = [];
  readonly members = new Map<number, ActorRef<Worker>[]>();
  readonly #gates = new Map<number, Gate>();

  at(task: number): Gate {
    let found = this.#gates.get(task);
    if (found === undefined) this.#gates.set(task, found = gate());
    return found;
  }
}

let board = new Board();

class Worker extends Actor<Worker> {
  async work(task: number): Promise<number> {
    board.started.push(task);
    const before = board.members.get(task) ?? [];
    board.members.set(task, [...before, this.self]);
    await board.at(task).passed;
    board.finished.push(task);
    return task * 10;
  }

  square(value: number): number {
    return value * value;
  }

  async uneven(value: number): Promise<number> {
    for (let i = 0; i < value % 5; i++) await Promise.resolve();
    if (value % 7 === 3) throw new RangeError(`no ${value}`);
    return value;
  }

  me(): ActorRef<Worker> {
    return this.self;
  }

  echo(message: { value: number }): number {
    return message.value;
  }

  fail(text: string): void {
    throw new Error(text);
  }

  async endMe(): Promise<void> {
    void this.stop(this.self, { now: true });
    await new Promise(() => {});
  }
}

class Slowpoke extends Worker {
  async stopping(): Promise<void> {
    await quiet();
    await quiet();
  }
}

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

test("A pool hands tasks to idle members only, one each", async () => {
  board = new Board();
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 3 });
  const mapped = pool.map("work", [0, 1, 2, 3, 4, 5]);
  await quiet();
  assert.deepEqual(board.started, [0, 1, 2]);
  board.at(1).open();
  await quiet();
  assert.deepEqual(board.started, [0, 1, 2, 3]);
  assert.equal(board.members.get(3)![0]!.id, board.members.get(1)![0]!.id, "the one that became idle");
  for (const task of [0, 2, 3, 4, 5]) board.at(task).open();
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
  board = new Board();
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
  board = new Board();
  const at = stage();
  class Picky extends Worker {
    async pick(task: number): Promise<number> {
      if (task === 1) {
        board.started.push(task);
        await board.at(task).passed;
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
  assert.deepEqual(board.started, [0, 1]);
  board.at(1).open();
  const error = await errorOf("HandlerError", () => mapped);
  assert.match(error.message, /picky/);
  board.at(0).open();
  await quiet();
  assert.deepEqual(board.started, [0, 1], "a task was started after the failure");
  assert.equal(closed, 1, "the inputs are told that no more are wanted");
  assert.deepEqual(await pool.map("square", [2]), [4], "the pool goes on");
  await leave(at);
});

test("results left early starts no more tasks, and tells the inputs", async () => {
  board = new Board();
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
  board.at(0).open();
  for await (const result of pool.results("work", inputs())) {
    assert.equal(result.index, 0);
    break;
  }
  await quiet();
  const begun = board.started.length;
  for (let task = 0; task < 100; task++) board.at(task).open();
  await quiet();
  assert.ok(board.started.length <= begun, `${board.started.length - begun} tasks were started for nobody`);
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

test("A member that ends under its task gives it back, and others do it", async () => {
  board = new Board();
  const at = stage();
  for (const Class of [Worker, Slowpoke]) {
    board = new Board();
    const pool = await at.system.pool(Class, { size: 2 });
    const mapped = pool.map("work", [0, 1, 2]);
    await quiet();
    await at.system.stop(board.members.get(0)![0]!, { now: true });
    board.at(1).open();
    await quiet();
    for (const task of [0, 2]) board.at(task).open();
    assert.deepEqual(await mapped, [0, 10, 20]);
    const [first, second] = board.members.get(0)!;
    assert.notEqual(first!.id, second!.id);
    assert.equal(board.members.get(0)!.length, 2);
    assert.equal(pool.size, 1);
    await pool.stop();
  }
  await leave(at);
}, { timeoutMs });

test("A member that is about to end gets no tasks, and costs none an attempt", async () => {
  board = new Board();
  const at = stage();
  const pool = await at.system.pool(Slowpoke, { size: 2, attemptsMax: 2 });
  const one = await pool.ask("me");
  const busy = pool.ask("work", 0);
  await quiet();
  // Busy or idle, it drains; its farewell takes time.
  const ended = at.system.stop(one, {});
  const calls = held(pool.ask("square", 2), pool.ask("square", 3), pool.ask("square", 4));
  board.at(0).open();
  assert.deepEqual(await settledOf(calls), ["value 4", "value 9", "value 16"]);
  await ended;
  assert.deepEqual(await settledOf([busy]), ["value 0"]);
  assert.equal(pool.size, 1);
  await leave(at);
}, { timeoutMs });

test("Tasks that a stopped member would get go to the others that are alive", async () => {
  // Two of three members are drained with a long farewell while idle; nothing may be lost to them.
  board = new Board();
  const at = stage();
  const pool = await at.system.pool(Slowpoke, { size: 3, attemptsMax: 1 });
  const mapped = held(pool.map("work", [0, 1, 2]))[0];
  await quiet();
  for (const task of [0, 1, 2]) board.at(task).open();
  await mapped;
  const stops = [0, 1].map((task) => at.system.stop(board.members.get(task)![0]!, {}));
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
  board = new Board();
  const at = stage({ supervision: { on: "stop" } });
  const pool = await at.system.pool(Worker, { size: 2 });
  const calls = held(pool.ask("work", 0), pool.ask("work", 1), pool.ask("work", 2), pool.map("work", [3, 4]));
  await quiet();
  for (const task of [0, 1]) await at.system.stop(board.members.get(task)![0]!, { now: true });
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

test("stop lets tasks that run end, or not, and refuses those that wait and come", async () => {
  for (const now of [false, true]) {
    board = new Board();
    const at = stage();
    const pool = await at.system.pool(Worker, { size: 2 });
    const calls = held(pool.ask("work", 0), pool.ask("work", 1), pool.ask("work", 2));
    await quiet();
    const [stopped] = held(pool.stop({ now }));
    const late = held(pool.ask("square", 1));
    for (const task of [0, 1, 2]) board.at(task).open();
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
  board = new Board();
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
  assert.deepEqual(board.started, [0, 1]);
  for (const task of [0, 1]) board.at(task).open();
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
    board = new Board();
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
    board.at(0).open();
    assert.deepEqual(await settledOf([busy]), ["value 0"]);
    assert.equal(await pool.ask("square", 7), 49);
    await leave(at);
  },
  { timeoutMs },
);

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
  board = new Board();
  const at = stage();
  const pool = await at.system.pool(Worker, { size: 1 });
  const [busy] = held(pool.ask("work", 0));
  await quiet();
  const message = { value: 1 };
  const call = pool.ask("echo", message);
  message.value = 2;
  board.at(0).open();
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
