// Crashes in numbers, in the middle of an end, of whatever can be thrown, and with mail that waits behind them.
import { Actor, type ActorRef, type Directive } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { held, leave, leaveNoTimer, quiet, settledOf, stage } from "./stage.ts";
import { Counter, timeoutMs } from "./failing.ts";

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
