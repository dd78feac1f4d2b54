// What becomes of an actor that fails: the directives, and the policies that choose among them.
import { Actor, type Directive, type Supervision } from "../../runtime/mod.ts";
import { decide, defaultSupervision, type Failures } from "../../runtime/supervision.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { leave, settledOf, stage } from "./stage.ts";
import { Counter, crashes, timeoutMs } from "./failing.ts";

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
