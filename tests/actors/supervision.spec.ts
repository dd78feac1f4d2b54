// What happens to an actor that fails: directives, policies, backoff and window, escalation, and what its old life may
// still do.
import {
  Actor,
  type ActorRef,
  type Directive,
  isShoalError,
  type RunRecord,
  type Supervision,
} from "../../runtime/mod.ts";
import { decide, defaultSupervision, type Failures } from "../../runtime/supervision.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, leaveNoTimer, quiet, settledOf, stage } from "./stage.ts";

const timeoutMs = 8_000;

/** Counts, and fails when it is told to. */
class Counter extends Actor {
  readonly seen: number[] = [];

  add(value: number): number {
    return this.seen.push(value);
  }

  list(): number[] {
    return this.seen;
  }

  fail(text: string): void {
    this.seen.push(-1);
    throw new Error(text);
  }

  async failLater(text: string): Promise<void> {
    this.seen.push(-2);
    await Promise.resolve();
    throw new Error(text);
  }
}

const crashes = (records: readonly RunRecord[]) => records.filter((record) => record.type === "ActorCrashed");

test("restart gives a new state, the same input, and the mail behind the crash in order", async () => {
  const at = stage();
  class Heir extends Actor {
    readonly #start: { items: number[] };
    readonly #seen: number[] = [];

    constructor(start: { items: number[] }) {
      super();
      this.#start = start;
      start.items.push(99); // Belongs to this life only.
    }

    take(value: number): number[] {
      if (value === 0) throw new RangeError("zero");
      this.#seen.push(value);
      return [...this.#start.items, ...this.#seen];
    }
  }
  const input = { items: [7] };
  const heir = await at.system.spawn(Heir, input);
  input.items.push(8);
  const calls = [1, 2, 0, 3, 4].map((value) => heir.ask("take", value));
  const settled = await Promise.allSettled(calls);
  const values = settled.map((one) => one.status === "fulfilled" ? one.value : one.reason.code);
  assert.deepEqual(values, [[7, 99, 1], [7, 99, 1, 2], "HandlerError", [7, 99, 3], [7, 99, 3, 4]]);
  const error = await errorOf("HandlerError", () => calls[2]);
  assert.equal(error.outcome, "done");
  assert.match(error.message, /RangeError: zero/);
  assert.ok(error.cause instanceof Error && error.cause.name === "RangeError");
  const { crashes: crashed, restarts } = at.system.statistics();
  assert.deepEqual({ crashed, restarts }, { crashed: 1, restarts: 1 });
  await leave(at);
});

test("resume keeps the state, of a handler that throws at once and of one that throws late", async () => {
  const at = stage({ supervision: { on: "resume" } });
  const counter = await at.system.spawn(Counter);
  for (const text of ["now", "later"]) {
    void counter.tell("add", 1);
    await errorOf("HandlerError", () => text === "now" ? counter.ask("fail", text) : counter.ask("failLater", text));
  }
  assert.deepEqual(await counter.ask("list"), [1, -1, 1, -2]);
  assert.equal(at.system.statistics().restarts, 0);
  assert.equal(at.system.statistics().crashes, 2);
  await leave(at);
});

test("stop ends the one that failed, settles what waits as failed, and leaves its neighbours alone", async () => {
  const at = stage();
  const neighbour = await at.system.spawn(Counter);
  const counter = await at.system.spawn(Counter, undefined, { supervision: { on: "stop" } });
  const ended = at.system.watch(counter);
  const calls = [counter.ask("add", 1), counter.ask("fail", "wrong"), counter.ask("add", 2)];
  void counter.tell("add", 3);
  assert.deepEqual(await settledOf(calls), ["value 1", "HandlerError done", "Ended failed"]);
  const { reason, error } = await ended;
  assert.equal(reason, "crashed");
  assert.equal(error?.message, "wrong");
  assert.deepEqual(at.system.deadLetters().map(({ method, to }) => [method, to]), [["add", counter.id]]);
  assert.equal((await errorOf("Ended", () => counter.ask("add", 4))).outcome, "failed");
  assert.equal(await neighbour.ask("add", 1), 1);
  await leave(at);
});

test("A policy is asked with what was thrown, as it was thrown", async () => {
  const asked: unknown[] = [];
  class Odd extends Error {
    readonly directive: Directive;
    constructor(directive: Directive) {
      super(directive);
      this.directive = directive;
    }
  }
  class Thrower extends Actor {
    kept = 0;
    async throw(what: Directive | "text"): Promise<void> {
      this.kept++;
      if (what === "text") throw "no error at all";
      throw new Odd(what);
    }
    count(): number {
      return this.kept;
    }
  }
  const on = (error: unknown): Directive => {
    asked.push(error);
    return error instanceof Odd ? error.directive : "resume";
  };
  const at = stage({ supervision: { on } });
  const thrower = await at.system.spawn(Thrower);
  const said = await errorOf("HandlerError", () => thrower.ask("throw", "text"));
  assert.match(said.message, /no error at all/);
  await errorOf("HandlerError", () => thrower.ask("throw", "resume"));
  assert.equal(await thrower.ask("count"), 2);
  await errorOf("HandlerError", () => thrower.ask("throw", "restart"));
  assert.equal(await thrower.ask("count"), 0);
  await errorOf("HandlerError", () => thrower.ask("throw", "stop"));
  assert.equal((await at.system.watch(thrower)).reason, "crashed");
  assert.equal(asked[0], "no error at all");
  assert.deepEqual(crashes(at.records).map((record) => record.directive), ["resume", "resume", "restart", "stop"]);
  await leave(at);
});

const nonsense: readonly [string, () => Directive][] = [
  ["throws", () => {
    throw new Error("the policy itself");
  }],
  ["answers nothing", () => undefined as never],
  ["answers a word that is none", () => "restrat" as never],
  ["answers a promise", () => Promise.resolve("restart") as never],
];

for (const [title, on] of nonsense) {
  for (const method of ["fail", "failLater"] as const) {
    test(`A policy that ${title} ends its actor and nothing else, after ${method}`, async () => {
      const at = stage();
      const neighbour = await at.system.spawn(Counter);
      const counter = await at.system.spawn(Counter, undefined, { supervision: { on } });
      const ended = at.system.watch(counter);
      const calls = [counter.ask(method, "wrong"), counter.ask("add", 1), neighbour.ask("add", 1)];
      const settled = await settledOf(calls);
      assert.deepEqual(settled, ["HandlerError done", "Ended failed", "value 1"]);
      assert.match((await ended).reason, /^(crashed|escalated)$/);
      const [crash] = crashes(at.records);
      assert.match(crash?.directive ?? "", /^(restart|resume|stop|escalate)$/);
      await leave(at);
    }, { timeoutMs });
  }
}

/** The rule of DESIGN's window, once more and plainly. */
function model(policy: Supervision, failedAt: readonly number[]): (number | "beyond")[] {
  let since = 0;
  let restarts = 0;
  return failedAt.map((now, index) => {
    if (index === 0 || now - since >= policy.windowMs) [since, restarts] = [now, 0];
    if (restarts >= policy.restartsMax) return "beyond";
    let delay = policy.backoffMs;
    for (let i = 0; i < restarts; i++) delay *= 2;
    restarts++;
    return Math.min(delay, policy.backoffMaxMs);
  });
}

test("decide waits twice as long each time, up to the longest, and begins anew with each window", async () => {
  const policies = fc.record({
    restartsMax: fc.integer({ min: 0, max: 6 }),
    windowMs: fc.integer({ min: 1, max: 100 }),
    backoffMs: fc.integer({ min: 0, max: 10 }),
    backoffMaxMs: fc.integer({ min: 0, max: 100 }),
    beyond: fc.constantFrom("stop" as const, "escalate" as const),
  });
  await property([policies, fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 30 })], (some, pauses) => {
    const policy: Supervision = { ...defaultSupervision, ...some };
    let now = 5;
    const times = pauses.map((pause) => now += pause);
    let failures: Failures | undefined;
    const found = times.map((time) => {
      const decision = decide(policy, failures, new Error("x"), time);
      failures = decision.failures;
      if (decision.directive === "restart") return decision.delayMs;
      assert.equal(decision.directive, policy.beyond);
      return "beyond";
    });
    assert.deepEqual(found, model(policy, times));
  }, { runs: 300 });
});

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
    const at = stage({ supervision: { restartsMax: 20_000, windowMs: 1e9 } });
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
    assert.equal(lives, 20_001);
    const { crashes: crashed, restarts } = at.system.statistics();
    assert.deepEqual({ crashed, restarts }, { crashed: 20_001, restarts: 20_000 });
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

/** A child whose failure goes up while its parent's handler is under way. */
class Igniter extends Actor {
  burn(): void {
    throw new Error("fire");
  }
}

test("A handler of an old life is fenced: its tells, asks, timers, children and reads are refused", async () => {
  const at = stage({ supervision: { on: (error) => String(error).includes("fire") ? "restart" : "resume" } });
  const hold = gate();
  const other = await at.system.spawn(Counter);
  const tensor = await at.system.store.put({ data: new Float64Array(4_000) });
  const late: Record<string, unknown> = {};
  let lives = 0;
  class Old extends Actor<Old> {
    readonly life = ++lives;
    async work(other: ActorRef<Counter>): Promise<number> {
      const igniter = await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } });
      void other.tell("add", this.life);
      void igniter.tell("burn");
      await hold.passed;
      const tries: Record<string, () => unknown> = {
        tell: () => other.tell("add", 100),
        ask: () => other.ask("add", 101),
        selfTell: () => this.self.tell("hello"),
        after: () => this.after(0, "hello"),
        every: () => this.every(1, "hello"),
        spawn: () => this.spawn(Counter),
        pool: () => this.pool(Counter, { size: 1 }),
        find: () => this.find(Counter, "none"),
        watch: () => this.watch(other, "hello"),
        get: () => this.store.get(tensor),
        put: () => this.store.put({ data: new Float64Array(1) }),
        release: () => this.store.release(tensor),
      };
      for (const [name, attempt] of Object.entries(tries)) {
        try {
          await attempt();
          late[name] = "done";
        } catch (error) {
          late[name] = isShoalError(error) ? `${error.code} ${error.outcome}` : error;
        }
      }
      late["signal"] = this.signal.aborted;
      return 7;
    }
    hello(): number {
      return this.life;
    }
  }
  const old = await at.system.spawn(Old);
  const call = old.ask("work", other);
  assert.deepEqual(await settledOf([call]), ["Ended unknown"]);
  assert.equal(await old.ask("hello"), 2);
  hold.open();
  await quiet();
  const { signal, ...refused } = late;
  assert.equal(signal, true);
  for (const [name, how] of Object.entries(refused)) assert.equal(how, "Fenced failed", name);
  assert.equal(Object.keys(refused).length, 12);
  assert.deepEqual(await other.ask("list"), [1]);
  const letters = at.system.deadLetters().filter(({ to }) => to === other.id);
  assert.equal(letters.length, 1, "a fenced tell is a dead letter");
  assert.equal(at.system.statistics().actors, 2);
  (await at.system.store.get(tensor)).done();
  await leave(at);
});

test("A handler of an old life that throws or returns late changes nothing any more", async () => {
  for (const end of ["throws", "returns"]) {
    const at = stage();
    const hold = gate();
    let lives = 0;
    class Old extends Actor {
      readonly life = ++lives;
      async work(): Promise<number> {
        void (await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } })).tell("burn");
        await hold.passed;
        if (end === "throws") throw new Error("too late");
        return 1;
      }
      async slow(): Promise<number> {
        await quiet();
        return this.life;
      }
      hello(): number {
        return this.life;
      }
    }
    const old = await at.system.spawn(Old);
    const calls = held(old.ask("work"), old.ask("slow"), old.ask("hello"));
    await quiet();
    hold.open();
    // The new life's handler is under way when the old one ends; it is not interrupted, and nothing overlaps it.
    await quiet();
    assert.deepEqual(await settledOf(calls), ["Ended unknown", "value 2", "value 2"]);
    assert.equal(lives, 2);
    assert.equal(at.system.statistics().crashes, 2, "the child's and the parent's");
    await leave(at);
  }
});

test("A handler of an old life draws random numbers that differ", async () => {
  const at = stage();
  const hold = gate();
  const drawn: number[] = [];
  class Old extends Actor {
    async work(): Promise<void> {
      void (await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } })).tell("burn");
      await hold.passed;
      // Whoever draws until a number fits would never come to an end with one that stays the same.
      for (let i = 0; i < 8; i++) drawn.push(this.random.next());
    }
  }
  const old = await at.system.spawn(Old);
  const call = old.ask("work");
  assert.deepEqual(await settledOf([call]), ["Ended unknown"]);
  hold.open();
  await quiet();
  assert.equal(drawn.length, 8);
  assert.equal(new Set(drawn).size, 8);
  await leave(at);
});

test("A pool or child that an old life was about to start does not live on in the new one", async () => {
  for (const what of ["pool", "spawn"]) {
    for (const end of ["restart", "stop"]) {
      const at = stage();
      const hold = gate();
      class Slow extends Actor {
        async started(): Promise<void> {
          await hold.passed;
        }
      }
      class Old extends Actor {
        async work(): Promise<void> {
          const igniter = await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } });
          if (end === "restart") void igniter.tell("burn");
          if (what === "pool") await this.pool(Slow, { size: 3 });
          else await this.spawn(Slow);
        }
      }
      const old = await at.system.spawn(Old);
      const [call] = held(old.ask("work"));
      await quiet();
      if (end === "stop") await at.system.stop(old, { now: true });
      assert.deepEqual(await settledOf([call]), ["Ended unknown"]);
      hold.open();
      await quiet();
      assert.equal(at.system.statistics().actors, end === "stop" ? 0 : 1, `${what} ${end}`);
      await leave(at);
    }
  }
});

/** Three levels, each told how to answer failures. */
class Level extends Actor {
  readonly #depth: number;
  readonly #policies: Directive[];
  child: ActorRef<Level> | undefined;
  kept = 0;

  constructor(input: { depth: number; policies: Directive[] }) {
    super();
    this.#depth = input.depth;
    this.#policies = input.policies;
  }

  async started(): Promise<void> {
    const [on, ...policies] = this.#policies;
    if (on === undefined) return;
    const input = { depth: this.#depth + 1, policies };
    this.child = await this.spawn(Level, input, { name: `level ${this.#depth + 1}`, supervision: { on } });
  }

  bump(): number {
    return ++this.kept;
  }

  fail(): void {
    throw new Error(`level ${this.#depth}`);
  }

  async hang(): Promise<void> {
    await new Promise(() => {});
  }
}

test("escalate goes up level by level until one judges, whose children end and begin anew", async () => {
  const at = stage();
  const input = { depth: 0, policies: ["restart", "escalate", "escalate"] satisfies Directive[] };
  const root = await at.system.spawn(Level, input);
  const levels = await Promise.all([1, 2, 3].map((depth) => at.system.find(Level, `level ${depth}`)));
  const ends = levels.map((level) => at.system.watch(level!));
  for (const level of [root, ...levels]) assert.equal(await level!.ask("bump"), 1);
  const hangs = levels.slice(0, 2).map((level) => level!.ask("hang"));
  const fails = levels[2]!.ask("fail");
  assert.deepEqual(await settledOf([...hangs, fails]), ["Ended unknown", "Ended unknown", "HandlerError done"]);
  assert.deepEqual(await settledOf(ends), [
    undefined,
    ...[2, 3].map((depth) => settledEnd(levels[depth - 1]!.id)),
  ]);
  assert.equal(await root.ask("bump"), 2, "the root was not asked to judge");
  for (const depth of [1, 2, 3]) {
    const anew = await at.system.find(Level, `level ${depth}`);
    assert.equal(await anew!.ask("bump"), 1, `level ${depth}`);
  }
  assert.equal(at.system.statistics().actors, 4);
  await leave(at);

  function settledEnd(id: string): string {
    const { reason, error } = at.records.flatMap((record) =>
      record.type === "ActorEnded" && record.actor.id === id ? [record] : []
    )[0]!;
    assert.equal(reason, "escalated");
    return `value ${JSON.stringify({ id, reason, error })}`;
  }
});

test("escalate beyond the root ends the system: ended rejects, every pending call settles", async () => {
  const at = stage({ supervision: { on: "escalate" } });
  const input = { depth: 0, policies: ["escalate", "escalate"] satisfies Directive[] };
  const root = await at.system.spawn(Level, input);
  const neighbour = await at.system.spawn(Level, { depth: 0, policies: [] });
  const deepest = await at.system.find(Level, "level 2");
  const calls = [
    root.ask("hang"),
    root.ask("bump"),
    neighbour.ask("hang"),
    neighbour.ask("bump"),
    deepest!.ask("fail"),
    deepest!.ask("bump"),
  ];
  const settled = await settledOf(calls);
  assert.deepEqual(settled, [
    "Ended unknown",
    "Ended failed",
    "Ended unknown",
    "Ended failed",
    "HandlerError done",
    "Ended failed",
  ]);
  await assert.rejects(at.system.ended, /level 2/);
  await errorOf("ShuttingDown", () => at.system.spawn(Counter));
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
});

test("A failure beyond the window escalates where that is asked for", async () => {
  const at = stage({ supervision: { restartsMax: 2, beyond: "escalate" } });
  const counter = await at.system.spawn(Counter);
  for (let i = 0; i < 2; i++) await errorOf("HandlerError", () => counter.ask("fail", "once more"));
  await errorOf("HandlerError", () => counter.ask("fail", "too often"));
  await assert.rejects(at.system.ended, /too often/);
  assert.deepEqual(crashes(at.records).map((record) => record.directive), ["restart", "restart", "escalate"]);
  await leave(at);
});

test("A restart ends the children, timers and watches of the life before", async () => {
  const at = stage();
  const other = await at.system.spawn(Counter);
  const heard: string[] = [];
  let lives = 0;
  class Parent extends Actor<Parent> {
    readonly life = ++lives;
    async begin(other: ActorRef<Counter>): Promise<ActorRef<Counter>> {
      this.every(10, "tick", this.life);
      this.after(25, "tick", this.life);
      this.watch(other, "over");
      return await this.spawn(Counter);
    }
    tick(life: number): void {
      heard.push(`tick of ${life} in ${this.life}`);
    }
    over(): void {
      heard.push(`over in ${this.life}`);
    }
    fail(): void {
      throw new Error("wrong");
    }
  }
  const parent = await at.system.spawn(Parent);
  const child = await parent.ask("begin", other);
  await at.clock.advance(10);
  await quiet();
  await errorOf("HandlerError", () => parent.ask("fail"));
  assert.equal((await at.system.watch(child)).reason, "parent ended");
  await at.clock.advance(1_000);
  await at.system.stop(other);
  await quiet();
  assert.deepEqual(heard, ["tick of 1 in 1"]);
  await leaveNoTimer(at);
  await leave(at);
});

/** Collects garbage where the runtime lets a program do so. */
async function collector(): Promise<(() => void) | undefined> {
  const direct = (globalThis as { gc?: () => void }).gc;
  if (direct !== undefined) return direct;
  try {
    const { setFlagsFromString } = await import("node:v8");
    setFlagsFromString("--expose-gc");
    const { runInNewContext } = await import("node:vm");
    return runInNewContext("gc") as () => void;
  } catch {
    return undefined;
  }
}

test("Ten thousand crashes and restarts lose nothing, are all counted, and leave nothing behind", async () => {
  const collect = await collector();
  const at = stage({ record: () => {}, supervision: { restartsMax: Number.POSITIVE_INFINITY } });
  const other = await at.system.spawn(Counter);
  let alive = 0;
  class Busy extends Actor<Busy> {
    async started(): Promise<void> {
      alive++;
      this.every(1_000, "hello");
      this.watch(other, "hello");
      await this.spawn(Counter);
    }
    hello(): string {
      return "hello";
    }
    fail(): void {
      throw new Error("wrong");
    }
  }
  const busy = await at.system.spawn(Busy);
  const cycle = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const failed = busy.ask("fail");
      const [one, two] = await Promise.allSettled([failed, busy.ask("hello")]);
      assert.equal(one.status, "rejected");
      assert.deepEqual(two, { status: "fulfilled", value: "hello" });
    }
  };
  await cycle(2_500);
  // What leaks grows in every round; what the runtime keeps for itself does not.
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    collect?.();
    const before = process.memoryUsage().heapUsed;
    await cycle(2_500);
    collect?.();
    least = Math.min(least, process.memoryUsage().heapUsed - before);
  }
  assert.equal(alive, 10_001);
  const { crashes: crashed, restarts, actors, deadLetters } = at.system.statistics();
  assert.deepEqual({ crashed, restarts, actors, deadLetters }, {
    crashed: 10_000,
    restarts: 10_000,
    actors: 3,
    deadLetters: 0,
  });
  // A hundred bytes a cycle would be a leak already.
  if (collect !== undefined) assert.ok(least < 250_000, `the heap grows by ${least} bytes in 2,500 cycles`);
  await leave(at);
});

test("A record taker that throws disturbs neither a crash nor an end", async () => {
  const at = stage({
    record() {
      throw new Error("the disk is full");
    },
  });
  const [counter] = await settledOf([at.system.spawn(Counter)]);
  assert.match(counter ?? "", /^value/);
  const again = await at.system.spawn(Counter);
  assert.deepEqual(await settledOf([again.ask("fail", "x"), again.ask("add", 1)]), ["HandlerError done", "value 1"]);
  await at.system.stop(again);
  await leave(at);
}, { timeoutMs });

test("A crash in the middle of a drain loses nothing that was let in, and lets nothing more in", async () => {
  for (const backoffMs of [0, 50]) {
    const at = stage({ supervision: { backoffMs } });
    const counter = await at.system.spawn(Counter);
    const calls = held(
      counter.ask("add", 1),
      counter.ask("failLater", "wrong"),
      counter.ask("add", 2),
      counter.ask("list"),
    );
    const ended = at.system.stop(counter);
    await quiet();
    await errorOf("Ended", () => counter.ask("add", 3));
    await at.clock.advance(backoffMs);
    assert.deepEqual(await settledOf(calls), ["value 1", "HandlerError done", "value 1", "value [2]"]);
    assert.equal((await ended).reason, "stopped");
    await leave(at);
  }
});

test("A crash whose directive is stop ends a drain at once", async () => {
  const at = stage({ supervision: { on: "stop" } });
  const counter = await at.system.spawn(Counter);
  const calls = [counter.ask("failLater", "wrong"), counter.ask("add", 2)];
  const ended = at.system.stop(counter);
  assert.deepEqual(await settledOf([...calls, ended.then(({ reason }) => reason)]), [
    "HandlerError done",
    "Ended failed",
    `value "crashed"`,
  ]);
  await leaveNoTimer(at);
  await leave(at);
});

/** What a program may throw, some of which cannot even be looked at. */
const thrown: readonly [string, () => unknown][] = [
  ["nothing", () => undefined],
  ["null", () => null],
  ["a symbol", () => Symbol("x")],
  ["an object without a prototype", () => Object.create(null)],
  ["an object that throws when it is read", () => ({
    toString() {
      throw new Error("not to be read");
    },
    [Symbol.for("nodejs.util.inspect.custom")]() {
      throw new Error("not to be shown");
    },
  })],
  ["an error whose members throw", () =>
    Object.defineProperties(new Error("x"), {
      message: {
        get() {
          throw new Error("no message");
        },
      },
      name: {
        get() {
          throw new Error("no name");
        },
      },
      stack: {
        get() {
          throw new Error("no stack");
        },
      },
    })],
  ["a proxy that throws at everything", () =>
    new Proxy({}, {
      get() {
        throw new Error("no get");
      },
      getPrototypeOf() {
        throw new Error("no prototype");
      },
    })],
  ["a function", () => () => {}],
];

for (const [title, make] of thrown) {
  test(
    `Whatever is thrown: ${title}, by a handler, a start, a farewell or a policy, is answered and recorded`,
    async () => {
      class Thrower extends Actor {
        readonly #where: string;
        constructor(where: string) {
          super();
          this.#where = where;
          if (where === "constructor") throw make();
        }
        async started(): Promise<void> {
          await Promise.resolve();
          if (this.#where === "started") throw make();
        }
        async fail(): Promise<void> {
          await Promise.resolve();
          throw make();
        }
        failAtOnce(): void {
          throw make();
        }
        stopping(): void {
          throw make();
        }
        hello(): string {
          return "hello";
        }
      }
      const at = stage();
      for (const where of ["constructor", "started"]) {
        assert.deepEqual(await settledOf([at.system.spawn(Thrower, where)]), ["HandlerError done"], where);
      }
      const policies: (Directive | (() => Directive))[] = ["restart", "resume", "stop", () => {
        throw make();
      }, () => make() as Directive];
      for (const on of policies) {
        for (const method of ["fail", "failAtOnce"] as const) {
          const actor = await at.system.spawn(Thrower, "nowhere", { supervision: { on } });
          const [failed, hello] = await settledOf([actor.ask(method), actor.ask("hello")]);
          assert.equal(failed, "HandlerError done", `${String(on)} ${method}`);
          assert.equal(hello, on === "restart" || on === "resume" ? `value "hello"` : "Ended failed");
          const [ended] = await settledOf([at.system.stop(actor)]);
          assert.match(ended ?? "hangs", /^value/);
        }
      }
      // The records go on.
      const before = at.records.length;
      await at.system.stop(await at.system.spawn(Counter));
      assert.equal(at.records.length, before + 2);
      await leave(at);
    },
    { timeoutMs },
  );
}

test("References in what waits behind a crash belong to the life that handles it", async () => {
  class Echo extends Actor {
    echo(value: number): number {
      return value;
    }
  }
  class Relay extends Actor {
    fail(): void {
      throw new Error("wrong");
    }
    async pass(message: { readonly to: ActorRef<Echo>; readonly value: number }): Promise<number> {
      return await message.to.ask("echo", message.value);
    }
  }
  for (const mailboxMessagesMax of [100, 1]) {
    const at = stage({ limits: { mailboxMessagesMax } });
    const to = await at.system.spawn(Echo);
    const relay = await at.system.spawn(Relay);
    const failed = relay.ask("fail").catch(() => "failed");
    const answers = [1, 2, 3].map((value) => relay.ask("pass", { to, value }));
    assert.equal(await failed, "failed");
    assert.deepEqual(await Promise.all(answers), [1, 2, 3]);
    await leave(at);
  }
});
