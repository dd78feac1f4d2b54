// The handlers of one actor never overlap; and a model of all that calls may come to.
import { Actor, type ActorRef, isShoalError } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { followed, gate, inSystem, macrotask, noTimers } from "./world.ts";
import type { Server } from "./server.ts";
import { scene, server } from "./server.ts";

/* oxlint-disable unicorn/no-thenable -- odd thenables are what is tested */

// ——— alone (L11)

test("alone: the handlers of one actor never overlap, whatever they are and await", async () => {
  const log: string[] = [];
  class Alone extends Actor<Alone> {
    async waits(n: number): Promise<void> {
      log.push(`${n}(`);
      for (let i = 0; i < n % 4; i++) await (i % 2 === 0 ? macrotask() : Promise.resolve());
      log.push(`${n})`);
    }
    sync(n: number): void {
      log.push(`${n}(`, `${n})`);
    }
    async *flows(n: number): AsyncGenerator<number> {
      log.push(`${n}(`);
      try {
        for (let i = 0; i < n % 5; i++) {
          yield i;
          await macrotask();
        }
      } finally {
        log.push(`${n})`);
      }
    }
    *plain(n: number): Generator<number> {
      log.push(`${n}(`);
      try {
        for (let i = 0; i < n % 5; i++) yield i;
      } finally {
        log.push(`${n})`);
      }
    }
    async throws(n: number): Promise<void> {
      log.push(`${n}(`);
      await macrotask();
      log.push(`${n})`);
      throw new Error("thrown");
    }
    async asks(plan: { n: number; other: ActorRef<Server> }): Promise<void> {
      log.push(`${plan.n}(`);
      await plan.other.ask("add", 1);
      log.push(`${plan.n})`);
    }
    ticking(n: number): void {
      log.push(`${n}(`);
      this.after(n % 3, "sync", n + 1_000);
      log.push(`${n})`);
    }
  }
  const plan = fc.array(
    fc.constantFrom("waits", "sync", "flows", "plain", "throws", "asks", "ticking", "early", "thenable"),
    { maxLength: 25 },
  );
  await property([plan, fc.boolean()], async (steps, strict) => {
    log.length = 0;
    await inSystem({ strict }, async (system) => {
      const alone = await system.spawn(Alone, undefined, { supervision: { on: "resume" } });
      const other = await server(system);
      const calls = steps.map((step, n) => {
        if (step === "flows" || step === "plain") {
          return (async () => {
            for await (const _ of alone.stream(step, n));
          })();
        }
        if (step === "early") {
          return (async () => {
            for await (const _ of alone.stream("flows", n)) break;
          })();
        }
        if (step === "asks") return alone.ask("asks", { n, other });
        return alone.ask(step === "thenable" ? "waits" : step as "sync", n);
      });
      await Promise.allSettled(calls);
      await system.environment.advance(10);
      for (let i = 0; i < log.length; i += 2) assert.equal(log[i]!.replace("(", ")"), log[i + 1], log.join(" "));
    });
  }, { runs: 100 });
});

test("alone: a thenable that settles twice, at once or never settles its ask once and frees its actor once", async () => {
  class Odd extends Actor {
    handled = 0;
    twice(): unknown {
      return {
        then(resolve: (value: number) => void, reject: (error: Error) => void) {
          resolve(1);
          resolve(2);
          reject(new Error("too late"));
          throw new Error("even later");
        },
      };
    }
    late(): unknown {
      return {
        then(resolve: (value: number) => void) {
          setImmediate(() => resolve(3));
          setImmediate(() => resolve(4));
        },
      };
    }
    nested(): unknown {
      return {
        then(resolve: (value: unknown) => void) {
          resolve({ then: (inner: (value: number) => void) => inner(5) });
        },
      };
    }
    next(): number {
      return ++this.handled;
    }
  }
  await inSystem({}, async (system) => {
    const odd = await system.spawn(Odd);
    const calls = [
      odd.ask("twice"),
      odd.ask("next"),
      odd.ask("late"),
      odd.ask("next"),
      odd.ask("nested"),
      odd.ask("next"),
    ];
    assert.deepEqual(await Promise.all(calls), [1, 1, 3, 2, 5, 3]);
    assert.equal(system.statistics().crashes, 0);
  });
});

// ——— the model

interface Action {
  readonly do: "ask" | "tell" | "timed" | "cancel" | "advance" | "stop" | "crash" | "open" | "turn" | "hop" | "late";
  readonly to: number;
  readonly ms: number;
}

class Member extends Actor {
  /** Kept outside: what was applied, by life. */
  readonly history: { applied: number[]; lives: number[] };
  readonly serial: number;
  constructor(at: number) {
    super();
    this.serial = at;
    this.history = histories[at]!;
  }
  override started(): void {
    this.history.lives.push(this.history.applied.length);
  }
  apply(n: number): number {
    this.history.applied.push(n);
    return n;
  }
  async wait(n: number): Promise<number> {
    this.history.applied.push(n);
    await scene.door.opened;
    return n;
  }
  crash(n: number): never {
    this.history.applied.push(n);
    throw new Error("crash");
  }
  async hop(plan: { n: number; to: ActorRef<Member> }): Promise<number> {
    this.history.applied.push(plan.n);
    return await plan.to.ask("apply", plan.n);
  }
}
let histories: { applied: number[]; lives: number[] }[] = [];

test("model: whatever is asked, told, cancelled, stopped or crashes, each call settles once, rightly, in order", async () => {
  const actions = fc.array(
    fc.record<Action>({
      do: fc.constantFrom(
        "ask",
        "ask",
        "tell",
        "tell",
        "timed",
        "cancel",
        "advance",
        "stop",
        "crash",
        "open",
        "turn",
        "hop",
        "late",
      ),
      to: fc.nat(2),
      ms: fc.integer({ min: 0, max: 50 }),
    }),
    { maxLength: 80 },
  );
  const limits = fc.record({
    mailboxMessagesMax: fc.integer({ min: 1, max: 3 }),
    overflowMessagesMax: fc.integer({ min: 0, max: 6 }),
    sendTimeoutMs: fc.integer({ min: 1, max: 100 }),
    replyTimeoutMs: fc.constantFrom(60, 10_000),
  });
  const seenOutcomes = new Map<string, number>();
  await property([actions, limits, fc.boolean()], async (plan, chosen, strict) => {
    histories = [0, 1, 2].map(() => ({ applied: [], lives: [] }));
    scene.door = gate();
    const sentTo: { n: number; call: ReturnType<typeof followed> }[][] = [[], [], []];
    let program: ActorRef<Member> | undefined;
    await inSystem({ limits: chosen, strict }, async (system) => {
      const members: ActorRef<Member>[] = [];
      for (const at of [0, 1, 2]) members.push(await system.spawn(Member, at));
      program = members[0]!;
      const controllers: AbortController[] = [];
      let n = 0;
      for (const action of plan) {
        const to = members[action.to]!;
        const sent = sentTo[action.to]!;
        const follow = (call: PromiseLike<unknown>): void => void sent.push({ n: n++, call: followed(call) });
        switch (action.do) {
          case "ask":
            follow(to.ask(action.ms < 25 ? "apply" : "wait", n));
            break;
          case "tell":
            follow(to.tell(action.ms < 25 ? "apply" : "wait", n));
            break;
          case "timed":
            follow(to.ask("wait", n, { timeoutMs: action.ms }));
            break;
          case "late":
            follow(to.tell("apply", n, { timeoutMs: action.ms }));
            break;
          case "crash":
            follow(action.ms < 25 ? to.ask("crash", n) : to.tell("crash", n));
            break;
          case "hop":
            follow(to.ask("hop", { n, to: members[(action.to + 1) % 3]! }));
            break;
          case "cancel": {
            const controller = new AbortController();
            controllers.push(controller);
            follow(to.ask("wait", n, { signal: controller.signal }));
            if (action.ms < 25) controllers.shift()!.abort();
            break;
          }
          case "advance":
            await system.environment.advance(action.ms);
            break;
          case "stop":
            // Seldom: an actor that has ended makes for a dull rest.
            if (action.ms > 44) void system.stop(to, { now: action.ms > 47 });
            break;
          case "open":
            scene.door.open();
            scene.door = gate();
            break;
          default:
            await macrotask();
        }
      }
      for (let i = 0; i < 100; i++) {
        scene.door.open();
        scene.door = gate();
        await system.environment.advance(150);
        if (sentTo.flat().every(({ call }) => call.ended !== undefined)) break;
      }
      for (const controller of controllers) controller.abort();
      scene.door.open(); // for those too who handle what nobody waits for any more
      await system.environment.settle();
      for (const [at, sent] of sentTo.entries()) {
        const { applied } = histories[at]!;
        // What hops here from a neighbour is another sender's.
        const own = applied.filter((value) => sent.some((entry) => entry.n === value));
        assert.deepEqual(own, [...own].sort((a, b) => a - b), "out of order, or twice");
        assert.equal(new Set(own).size, own.length);
        for (const { n: number, call } of sent) {
          assert.ok(call.ended !== undefined, `message ${number} has not settled`);
          assert.equal(call.times, 1);
          const { error } = call.ended;
          if (error === undefined) {
            seenOutcomes.set("value", (seenOutcomes.get("value") ?? 0) + 1);
            continue;
          }
          assert.ok(isShoalError(error), String(error));
          seenOutcomes.set(
            `${error.code} ${error.outcome}`,
            (seenOutcomes.get(`${error.code} ${error.outcome}`) ?? 0) + 1,
          );
          const happened = own.includes(number);
          if (error.outcome === "failed") {
            assert.ok(!happened, `message ${number} failed (${error.code}) and was applied`);
          }
          if (error.outcome === "done") {
            assert.ok(happened, `message ${number} is done (${error.code}) and was not applied`);
          }
        }
        for (const { n: number, call } of sent) {
          if (call.ended?.error === undefined && call.ended?.value !== undefined) assert.ok(own.includes(number));
        }
      }
      for (const member of members) {
        const { target, source } = member as unknown as { target: Inner; source: Inner };
        assert.equal(target.waitingElsewhere, 0);
        assert.equal(source.waitingElsewhere, 0);
        assert.ok(target.mailbox === undefined, "its mailbox is not empty");
        assert.equal(target.extras?.asking?.size ?? 0, 0, "it still waits for an answer");
        assert.ok(target.running === undefined, "it still runs something");
      }
      await noTimers(system);
    });
    assert.ok(program !== undefined);
  }, { runs: 250 });
  for (
    const outcome of [
      "value",
      "Timeout failed",
      "Timeout unknown",
      "Cancelled failed",
      "CapacityExceeded failed",
      "HandlerError done",
    ]
  ) {
    assert.ok((seenOutcomes.get(outcome) ?? 0) > 0, `never seen: ${outcome} of ${[...seenOutcomes.keys()].join(", ")}`);
  }
});

interface Inner {
  readonly waitingElsewhere: number;
  readonly mailbox: unknown;
  readonly running: unknown;
  readonly extras?: { readonly asking?: ReadonlySet<unknown> };
}
