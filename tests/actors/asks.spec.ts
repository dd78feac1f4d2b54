// Every ask settles, once, with a value or with an error that says whether it happened: deadlines, signals, ends of
// either side, circles, and the answers that cannot be.
import { getEventListeners } from "node:events";
import { deadlines, Expiring } from "../../runtime/deadlines.ts";
import { Actor, type ActorRef, isShoalError, launch } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import {
  checked,
  fails,
  followed,
  type Gate,
  gate,
  inSystem,
  macrotask,
  noTimers,
  world,
  type WorldSystem,
} from "./world.ts";

/* oxlint-disable unicorn/no-thenable -- odd thenables are what is tested */

let door = gate();
const doors: Gate[] = [];

class Server extends Actor {
  handled = 0;
  aborted: unknown = "never";
  began = 0;
  add(value: number): number {
    return this.handled += value;
  }
  async hold(value: unknown): Promise<unknown> {
    this.began++;
    await door.opened;
    this.handled++;
    return value;
  }
  /** Looks at its signal from the start. */
  async watchful(): Promise<string> {
    const { signal } = this;
    signal.addEventListener("abort", () => this.aborted = signal.reason);
    await door.opened;
    return "late";
  }
  /** Looks at its signal when it is over already. */
  async belated(): Promise<void> {
    await door.opened;
    this.aborted = this.signal.aborted ? this.signal.reason : "not aborted";
  }
  async numbered(index: number): Promise<number> {
    await doors[index]!.opened;
    return index;
  }
  fail(what: string): never {
    if (what === "error") throw Object.assign(new RangeError("boom"), { code: "EBOOM" });
    if (what === "undefined") throw undefined;
    if (what === "text") throw "only text"; // oxlint-disable-line no-throw-literal
    if (what === "strange") throw Object.assign(new Error(), { name: Symbol("n"), message: Symbol("m") });
    throw {
      get message(): never {
        throw new Error("twice");
      },
    }; // oxlint-disable-line no-throw-literal
  }
  async failLater(): Promise<never> {
    await Promise.resolve();
    throw new Error("later");
  }
  seen(): unknown[] {
    return [this.handled, this.began];
  }
  abortedWith(): string {
    return isShoalError(this.aborted) ? `${this.aborted.code} ${this.aborted.outcome}` : String(this.aborted);
  }
  signalOfTell(): void {
    this.aborted = this.signal.aborted;
  }
}

type Loose = {
  ask(method: string, message?: unknown, options?: object): Promise<unknown>;
  tell(method: string): PromiseLike<void>;
};
const loose = (ref: unknown): Loose => ref as Loose;

async function server(system: WorldSystem): Promise<ActorRef<Server>> {
  door = gate();
  return await system.spawn(Server, undefined, { supervision: { on: "resume" } });
}

// ——— outcomes

test("ask: a value is a value, also undefined and null; a thrown error is HandlerError, done, plain", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    assert.equal(await ref.ask("add", 2), 2);
    const error = await fails(ref.ask("fail", "error"), "HandlerError", "done");
    assert.match(error.message, /to fail: its handler threw: RangeError: boom$/);
    const { cause } = error as { cause: Error & { code?: unknown } };
    assert.deepEqual([cause.name, cause.message, cause.code, cause.constructor], [
      "RangeError",
      "boom",
      "EBOOM",
      Error,
    ]);
    await fails(ref.ask("failLater"), "HandlerError", "done");
    for (const what of ["undefined", "text", "strange", "getter"]) {
      const call = followed(ref.ask("fail", what));
      await system.environment.settle();
      checked(call.ended, "HandlerError", "done");
    }
    assert.equal(await ref.ask("add", 1), 3, "it goes on after each");
  });
});

test("ask: there is no such message: BadInput, failed, with the nearest name; nothing of the life cycle can be asked", async () => {
  await inSystem({}, async (system) => {
    const ref = loose(await server(system));
    assert.match((await fails(ref.ask("ad"), "BadInput", "failed")).message, /did you mean add\?/);
    for (
      const method of [
        "constructor",
        "started",
        "stopping",
        "snapshot",
        "restore",
        "self",
        "store",
        "log",
        "spawn",
        "after",
        "signal",
        "toString",
        "hasOwnProperty",
        "__proto__",
        "handled",
        "",
        "#x",
        "then",
      ]
    ) await fails(ref.ask(method), "BadInput", "failed");
    for (const method of [Symbol("m"), undefined, null, 5, {}] as unknown as string[]) {
      await fails(ref.ask(method), "BadInput", "failed");
      await fails(ref.tell(method), "BadInput", "failed");
    }
  });
});

test("ask: many under way settle in whatever order they end, each with its own answer", async () => {
  await inSystem({}, async (system) => {
    await property([fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 })], async (order) => {
      const servers = await Promise.all(order.map(() => server(system)));
      doors.splice(0, doors.length, ...order.map(() => gate()));
      const settled: number[] = [];
      const calls = servers.map((ref, i) => ref.ask("numbered", i).then((value) => settled.push(value)));
      await system.environment.settle();
      for (const index of order) {
        doors[index]!.open();
        await system.environment.settle();
      }
      await Promise.all(calls);
      assert.deepEqual(settled, order);
    }, { runs: 10 });
  });
});

// ——— deadlines

test("deadline: it passes while the ask is queued: failed, and its handler never runs", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const running = followed(ref.ask("hold", 1));
    const queued = followed(ref.ask("hold", 2, { timeoutMs: 100 }));
    await system.environment.advance(99);
    assert.equal(queued.ended, undefined);
    await system.environment.advance(2);
    const error = checked(queued.ended, "Timeout", "failed");
    assert.match(error.message, /hold.*100 ms/);
    door.open();
    await system.environment.settle();
    assert.deepEqual(running.ended, { value: 1 });
    assert.deepEqual(await ref.ask("seen"), [1, 1]);
  });
});

test("deadline: it passes while the handler runs: unknown, the handler is told, its answer is nobody's", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const call = followed(ref.ask("watchful", undefined, { timeoutMs: 100 }));
    await system.environment.advance(101);
    checked(call.ended, "Timeout", "unknown");
    door.open();
    await system.environment.settle();
    assert.equal(call.times, 1);
    assert.equal(await ref.ask("abortedWith"), "Timeout unknown");
    assert.equal(system.statistics().crashes, 0);
  });
});

test("deadline: a handler that looks at its signal only afterwards sees that nobody waits", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const call = followed(ref.ask("belated", undefined, { timeoutMs: 100 }));
    await system.environment.advance(101);
    checked(call.ended, "Timeout", "unknown");
    door.open();
    await system.environment.settle();
    assert.equal(await ref.ask("abortedWith"), "Timeout unknown");
  });
});

test("deadline: a handler that throws after it is no answer any more, but a failure all the same", async () => {
  class Late extends Actor {
    async crash(): Promise<never> {
      await door.opened;
      throw new Error("late");
    }
  }
  await inSystem({}, async (system) => {
    door = gate();
    const ref = await system.spawn(Late);
    const call = followed(ref.ask("crash", undefined, { timeoutMs: 10 }));
    await system.environment.advance(20);
    checked(call.ended, "Timeout", "unknown");
    door.open();
    await system.environment.settle();
    assert.equal(call.times, 1);
    assert.equal(system.statistics().crashes, 1);
    assert.equal(system.statistics().restarts, 1);
  });
});

test("deadline: no number of milliseconds is BadInput; 0 and what is huge are numbers", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    for (const timeoutMs of [NaN, -1, -Infinity, {} as unknown as number]) {
      const call = followed(ref.ask("add", 100, { timeoutMs }));
      await system.environment.settle();
      checked(call.ended, "BadInput", "failed");
    }
    const held = followed(ref.ask("hold", 1));
    const none = followed(ref.ask("add", 100, { timeoutMs: 0 }));
    await system.environment.advance(0);
    await system.environment.advance(1);
    checked(none.ended, "Timeout", "failed");
    const huge = [Infinity, Number.MAX_VALUE, 2 ** 31, 2 ** 53].map((timeoutMs) =>
      followed(ref.ask("add", 1, { timeoutMs }))
    );
    await system.environment.advance(1_000);
    assert.ok(huge.every(({ ended }) => ended === undefined));
    door.open();
    await system.environment.settle();
    assert.deepEqual(held.ended, { value: 1 });
    assert.deepEqual(huge.map(({ ended }) => ended?.value), [2, 3, 4, 5], "those of bad deadlines never ran");
  });
});

test("deadline: without one of its own an ask has the system's", async () => {
  await inSystem({ limits: { replyTimeoutMs: 500 } }, async (system) => {
    const ref = await server(system);
    const calls = [followed(ref.ask("hold", 1)), followed(ref.ask("hold", 2))];
    await system.environment.advance(501);
    checked(calls[0]!.ended, "Timeout", "unknown");
    checked(calls[1]!.ended, "Timeout", "failed");
    door.open();
  });
});

test("deadline: thousands of them, of many lengths, each ends in its time", async () => {
  await property([fc.array(fc.integer({ min: 1, max: 2_000 }), { maxLength: 100 })], async (waits) => {
    await inSystem({}, async (system) => {
      const ref = await server(system);
      void ref.tell("hold", 0);
      const { environment } = system;
      const began = environment.now();
      const late: number[] = [];
      const calls = waits.map((timeoutMs) =>
        ref.ask("hold", 1, { timeoutMs }).then(() => assert.fail("it was answered"), () => {
          late.push(environment.now() - began - timeoutMs);
        })
      );
      await environment.advance(2_001);
      await Promise.all(calls);
      assert.ok(
        late.every((ms) => ms >= 0 && ms <= 1),
        `late by ${Math.max(...late)} ms, early by ${-Math.min(...late)} ms`,
      );
      door.open();
    });
  }, { runs: 25 });
});

test("deadlines: each that was added and not removed expires once, in its time, whatever else comes and goes", async () => {
  const ops = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant("add" as const), ms: fc.constantFrom(0, 1, 10, 10, 10, 100, 100, 700, Infinity) }),
      fc.record({ do: fc.constant("remove" as const), ms: fc.nat() }),
      fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 120 }) }),
    ),
    { maxLength: 60 },
  );
  await property([ops], async (plan) => {
    const environment = world();
    const waits = deadlines(environment);
    const live = new Map<Expiring, number>();
    const expire = async (ms: number): Promise<void> => {
      await environment.advance(ms);
      for (const due of live.values()) assert.ok(due > environment.now(), "it should have expired");
    };
    for (const { do: act, ms } of plan) {
      if (act === "add") {
        const item = new Expiring();
        const due = environment.now() + ms;
        item.expired = () => {
          assert.ok(live.delete(item), "it was removed, or has expired before");
          assert.ok(environment.now() >= due && environment.now() <= due + 1, `${environment.now()} for ${due}`);
        };
        waits.add(item, ms);
        live.set(item, due);
      } else if (act === "remove") {
        const item = [...live.keys()][ms % Math.max(1, live.size)];
        if (item === undefined) continue;
        live.delete(item);
        waits.remove(item);
        waits.remove(item);
      } else await expire(ms);
    }
    await expire(2_000);
    for (const item of live.keys()) waits.remove(item);
    await environment.advance(300);
    assert.equal(environment.timers, 0, "nobody waits, and a timer is left");
  }, { runs: 150 });
});

// ——— signals

test("signal: already aborted: Cancelled, failed, and its handler never runs", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const reason = new Error("not now");
    const error = await fails(ref.ask("add", 1, { signal: AbortSignal.abort(reason) }), "Cancelled", "failed");
    assert.equal(error.cause, reason);
    assert.deepEqual(await ref.ask("seen"), [0, 0]);
  });
});

test("signal: aborted while queued: failed, and its handler never runs; while running: unknown, and it is told", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const controller = new AbortController();
    const { signal } = controller;
    const running = followed(ref.ask("watchful", undefined, { signal }));
    const queued = followed(ref.ask("add", 100, { signal }));
    await system.environment.settle();
    controller.abort("enough");
    await system.environment.settle();
    assert.equal(checked(running.ended, "Cancelled", "unknown").cause, "enough");
    checked(queued.ended, "Cancelled", "failed");
    door.open();
    await system.environment.settle();
    assert.equal(await ref.ask("abortedWith"), "Cancelled unknown");
    assert.equal(await ref.ask("add", 1), 1);
    assert.deepEqual([running.times, queued.times], [1, 1]);
  });
});

test("signal: aborted after the end changes nothing, and nobody listens to it any more", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = (): number => getEventListeners(signal, "abort").length;
    assert.equal(await ref.ask("add", 1, { signal }), 1);
    await fails(ref.ask("fail", "error", { signal }), "HandlerError");
    await fails(loose(ref).ask("nothing", 1, { signal }), "BadInput");
    await fails(loose(ref).ask("add", () => 1, { signal }), "BadInput");
    const late = followed(ref.ask("hold", 1, { signal, timeoutMs: 5 }));
    const queued = followed(ref.ask("add", 1, { signal, timeoutMs: 5 }));
    await system.environment.advance(6);
    checked(late.ended, "Timeout");
    checked(queued.ended, "Timeout");
    assert.equal(listeners(), 0);
    controller.abort();
    await system.environment.settle();
    assert.deepEqual([late.times, queued.times], [1, 1]);
    door.open();
  });
});

test("signal: one that is none is refused, and leaves nothing behind", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const call = followed(loose(ref).ask("add", 1, { signal: {}, timeoutMs: 50 }));
    await system.environment.settle();
    const error = call.ended?.error;
    assert.ok(error instanceof TypeError || isShoalError(error, "BadInput"), String(error));
    await noTimers(system);
    assert.deepEqual(await ref.ask("seen"), [0, 0]);
  });
});

test("signal: that of a tell never aborts", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    await ref.tell("signalOfTell");
    assert.equal(await ref.ask("abortedWith"), "false");
  });
});

test("signal: each handler has its own: the next one's is fresh", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const first = followed(ref.ask("watchful", undefined, { timeoutMs: 10 }));
    const second = followed(ref.ask("belated"));
    await system.environment.advance(20);
    checked(first.ended, "Timeout", "unknown");
    door.open();
    await system.environment.settle();
    assert.deepEqual(second.ended, { value: undefined });
    assert.equal(await ref.ask("abortedWith"), "not aborted");
  });
});

test("signal: a handler that passes its own on ends what it asked when nobody waits for it any more", async () => {
  class Middle extends Actor {
    heard = "";
    async relay(to: ActorRef<Server>): Promise<unknown> {
      try {
        return await to.ask("watchful", undefined, { signal: this.signal });
      } catch (error) {
        this.heard = isShoalError(error) ? `${error.code} ${error.outcome}` : String(error);
        throw error;
      }
    }
    what(): string {
      return this.heard;
    }
  }
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const middle = await system.spawn(Middle, undefined, { supervision: { on: "resume" } });
    const call = followed(middle.ask("relay", ref, { timeoutMs: 100 }));
    await system.environment.advance(101);
    checked(call.ended, "Timeout", "unknown");
    assert.equal(await middle.ask("what"), "Cancelled unknown");
    door.open();
    await system.environment.settle();
    assert.equal(await ref.ask("abortedWith"), "Cancelled unknown");
    // Told, it has no caller who could leave; and what it asks leaves no listener behind.
    await middle.tell("relay", ref);
    await system.environment.settle();
    assert.equal(call.times, 1);
  });
});

// ——— the end of either side

test("end: stopped now: what ran is unknown and is told, what waited is failed; later asks are failed", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    let told: unknown;
    let afterwards: unknown;
    class Told extends Server {
      override async watchful(): Promise<string> {
        const { signal } = this;
        signal.addEventListener("abort", () => told = signal.reason);
        await door.opened;
        afterwards = this.signal.aborted;
        return "";
      }
    }
    const other = await system.spawn(Told);
    const running = followed(other.ask("watchful"));
    const queued = followed(other.ask("add", 1));
    await system.environment.settle();
    await system.stop(other, { now: true });
    checked(running.ended, "Ended", "unknown");
    checked(queued.ended, "Ended", "failed");
    assert.ok(isShoalError(told, "Ended"));
    await fails(other.ask("add", 1), "Ended", "failed");
    door.open();
    await system.environment.settle();
    assert.deepEqual([running.times, queued.times], [1, 1]);
    assert.equal(afterwards, true, "a handler that goes on after its actor's end is told so");
    assert.equal(await ref.ask("add", 1), 1);
  });
});

test("end: stopped twice is stopped once, after its mail; now after that is now; neither leaves a timer", async () => {
  for (const now of [false, true]) {
    await inSystem({}, async (system) => {
      const ref = await server(system);
      const running = followed(ref.ask("hold", 1));
      const queued = followed(ref.ask("add", 1));
      await system.environment.settle();
      const stops = [followed(system.stop(ref)), followed(system.stop(ref, { now }))];
      await system.environment.settle();
      door.open();
      await system.environment.settle();
      assert.ok(stops.every(({ ended }) => ended !== undefined && ended.error === undefined));
      if (now) checked(running.ended, "Ended", "unknown");
      else assert.deepEqual([running.ended, queued.ended], [{ value: 1 }, { value: 2 }]);
      await noTimers(system);
    });
  }
});

test("end: a crash by another message does not touch what waits: it is answered by the next life", async () => {
  class Fragile extends Actor {
    count = 0;
    crash(): never {
      throw new Error("boom");
    }
    add(): number {
      return ++this.count;
    }
  }
  await inSystem({}, async (system) => {
    const ref = await system.spawn(Fragile);
    const calls = [ref.ask("add"), ref.ask("crash"), ref.ask("add"), ref.ask("crash"), ref.ask("add")];
    const ends = await Promise.allSettled(calls);
    assert.deepEqual(
      ends.map((end) => end.status === "fulfilled" ? end.value : (end.reason as { code: string }).code),
      [
        1,
        "HandlerError",
        1,
        "HandlerError",
        1,
      ],
    );
  });
});

test("end: who asked has ended: its ask ends too, and what waits of it never runs", async () => {
  class Asker extends Actor {
    async askBoth(plan: { server: ActorRef<Server>; busy: ActorRef<Server> }): Promise<void> {
      await Promise.all([plan.server.ask("watchful"), plan.busy.ask("add", 5)]);
    }
  }
  await inSystem({}, async (system) => {
    const [ref, busy] = [await server(system), await server(system)];
    void busy.tell("hold", 1);
    await system.environment.settle();
    const asker = await system.spawn(Asker);
    const call = followed(asker.ask("askBoth", { server: ref, busy }));
    await system.environment.settle();
    await system.stop(asker, { now: true });
    checked(call.ended, "Ended", "unknown");
    door.open();
    await system.environment.settle();
    assert.equal(await ref.ask("abortedWith"), "Ended unknown");
    assert.deepEqual(await busy.ask("seen"), [1, 1]);
  });
});

test("end: the system closes now: every call has settled", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const calls = [ref.ask("hold", 1), ref.ask("hold", 2), ref.ask("add", 1)].map(followed);
    const tell = followed(ref.tell("hold", 1));
    await system.environment.settle();
    await system.close({ now: true });
    await system.environment.settle();
    checked(calls[0]!.ended, "Ended", "unknown");
    for (const call of calls.slice(1)) checked(call.ended, "Ended", "failed");
    assert.ok(tell.ended !== undefined);
    await fails(ref.ask("add", 1), "Ended", "failed");
    await fails(system.spawn(Server), "ShuttingDown", "failed");
    door.open();
  });
});

// ——— circles

class Node extends Actor {
  readonly heard: string[] = [];
  async through(path: readonly ActorRef<Node>[]): Promise<string> {
    const [next, ...rest] = path;
    return next === undefined ? this.self.id : `${this.self.id} ${await next.ask("through", rest)}`;
  }
  async later(path: readonly ActorRef<Node>[]): Promise<string> {
    const [next, ...rest] = path;
    for (let i = 0; i < 3; i++) await Promise.resolve();
    await macrotask();
    return next === undefined ? this.self.id : `${this.self.id} ${await next.ask("later", rest)}`;
  }
  async *flow(path: readonly ActorRef<Node>[]): AsyncGenerator<string> {
    const [next, ...rest] = path;
    yield this.self.id;
    if (next !== undefined) { for await (const id of next.stream("flow", rest)) yield id; }
  }
  async collect(path: readonly ActorRef<Node>[]): Promise<string> {
    const [next, ...rest] = path;
    const ids = [this.self.id];
    if (next !== undefined) { for await (const id of next.stream("flow", rest)) ids.push(id); }
    return ids.join(" ");
  }
  /** Asks, and does not wait for it. */
  launchAsk(plan: { to: ActorRef<Node>; path: readonly ActorRef<Node>[] }): void {
    void plan.to.ask("slowly", plan.path).then(
      (text) => this.heard.push(text),
      (error: unknown) => this.heard.push(String(error)),
    );
  }
  async slowly(path: readonly ActorRef<Node>[]): Promise<string> {
    await door.opened;
    return await this.through(path);
  }
  async busy(): Promise<void> {
    await macrotask();
    await macrotask();
  }
  async both(plan: { left: ActorRef<Node>; right: ActorRef<Node>; bottom: ActorRef<Node> }): Promise<string[]> {
    return await Promise.all([plan.left.ask("later", [plan.bottom]), plan.right.ask("later", [plan.bottom])]);
  }
  async patient(plan: { to: ActorRef<Node>; path: readonly ActorRef<Node>[] }): Promise<string> {
    try {
      return await plan.to.ask("later", plan.path, { timeoutMs: 1_000 });
    } catch (error) {
      return isShoalError(error) ? error.code : "other";
    }
  }
  words(): string[] {
    return this.heard;
  }
}

/** A circle is refused at once, names the chain, and leaves everybody able to work. */
async function circular(
  system: WorldSystem,
  nodes: readonly ActorRef<Node>[],
  method: "through" | "later" | "collect",
): Promise<void> {
  const call = followed(nodes[0]!.ask(method, [...nodes.slice(1), nodes[0]!]));
  await system.environment.settle();
  const error = checked(call.ended, "HandlerError", "done");
  assert.match(error.message, /BadInput|each would wait/);
  const chain = [...nodes, nodes[0]!].map(({ id }) => `Node ${id}`);
  const named = nodes.map((_, i) => [...chain.slice(i, -1), ...chain.slice(0, i + 1)].join(" → "));
  assert.ok(named.some((text) => error.message.includes(text)), `${error.message} does not name ${named.at(-1)}`);
  for (const node of nodes) assert.equal(await node.ask("through", []), node.id);
}

for (const method of ["through", "later", "collect"] as const) {
  test(`circle: of 1, 2, 3 and 5 is BadInput where it would close, and names the chain: ${method}`, async () => {
    for (const length of [1, 2, 3, 5]) {
      await inSystem({}, async (system) => {
        const nodes = await Promise.all(
          Array.from({ length }, () => system.spawn(Node, undefined, { supervision: { on: "resume" } })),
        );
        await circular(system, nodes, method);
      });
    }
  });
}

test("circle: the one who would close it can go on: the error is a value like any other", async () => {
  await inSystem({}, async (system) => {
    const [a, b] = [await system.spawn(Node), await system.spawn(Node)];
    const call = followed(a.ask("later", [b, a]));
    await system.environment.settle();
    checked(call.ended, "HandlerError");
    assert.equal(await a.ask("patient", { to: a, path: [] }), "BadInput");
    assert.equal(await a.ask("patient", { to: b, path: [] }), b.id);
  });
});

test("circle: a diamond is none, nor a long chain, nor two asks to the same actor", async () => {
  await inSystem({}, async (system) => {
    const [top, left, right, bottom] = await Promise.all([0, 1, 2, 3].map(() => system.spawn(Node)));
    const answer = await top!.ask("both", { left: left!, right: right!, bottom: bottom! });
    assert.deepEqual(answer, [`${left!.id} ${bottom!.id}`, `${right!.id} ${bottom!.id}`]);
    const same = await top!.ask("both", { left: left!, right: left!, bottom: bottom! });
    assert.deepEqual(same, [answer[0], answer[0]]);
    const chain = await Promise.all(Array.from({ length: 200 }, () => system.spawn(Node)));
    assert.equal(await chain[0]!.ask("through", chain.slice(1)), chain.map(({ id }) => id).join(" "));
  });
});

test("circle: an ask in flight from an earlier handler, which nobody waits for, is none", async () => {
  await inSystem({}, async (system) => {
    const [a, b] = [await system.spawn(Node), await system.spawn(Node)];
    door = gate();
    await a.ask("launchAsk", { to: b, path: [a] });
    // Now another handler of a runs while b, on behalf of the first, asks a.
    const busy = followed(a.ask("busy"));
    door.open();
    await system.environment.settle();
    assert.ok(busy.ended !== undefined);
    assert.deepEqual(await a.ask("words"), [`${b.id} ${a.id}`]);
  });
});

test("circle: an ask in flight from started, which nobody waits for, is none", async () => {
  class Starter extends Node {
    readonly other: ActorRef<Node>;
    constructor(other: ActorRef<Node>) {
      super();
      this.other = other;
    }
    override started(): void {
      const self = this.self as unknown as ActorRef<Node>;
      const heard = (text: unknown): void => void this.heard.push(String(text));
      void this.other.ask("slowly", [self]).then(heard, heard);
    }
  }
  await inSystem({}, async (system) => {
    door = gate();
    const other = await system.spawn(Node);
    const starter = await system.spawn(Starter, other);
    const busy = followed(starter.ask("busy"));
    door.open();
    await system.environment.settle();
    assert.ok(busy.ended !== undefined);
    assert.deepEqual(await starter.ask("words"), [`${other.id} ${starter.id}`]);
  });
});

test("circle: one that was waited for and has ended is none any more", async () => {
  await inSystem({}, async (system) => {
    const [a, b] = [await system.spawn(Node), await system.spawn(Node)];
    for (let i = 0; i < 3; i++) {
      assert.equal(await a.ask("later", [b]), `${a.id} ${b.id}`);
      assert.equal(await b.ask("later", [a]), `${b.id} ${a.id}`);
    }
    const both = await Promise.allSettled([a.ask("later", [b]), b.ask("later", [a])]);
    // These two may close a circle, if each asks while the other waits: one of them then fails, and nobody hangs.
    assert.ok(both.filter(({ status }) => status === "rejected").length <= 1);
  });
});

test("circle: an ask that was answered is none, while its handler goes on", async () => {
  class Patient extends Node {
    async askAndStay(other: ActorRef<Node>): Promise<string> {
      const answer = await other.ask("through", []);
      await door.opened;
      return answer;
    }
  }
  await inSystem({}, async (system) => {
    door = gate();
    const [patient, other] = [await system.spawn(Patient), await system.spawn(Node)];
    const stays = followed(patient.ask("askAndStay", other));
    await system.environment.settle();
    const back = followed(other.ask("later", [patient]));
    await system.environment.settle();
    assert.equal(back.ended, undefined, `it waits for its turn: ${String(back.ended?.error)}`);
    door.open();
    await system.environment.settle();
    assert.deepEqual(stays.ended, { value: other.id });
    assert.deepEqual(back.ended, { value: `${other.id} ${patient.id}` });
  });
});

test("circle: through the starting of a child that asks its parent is BadInput too", async () => {
  class Parent extends Actor {
    name(): string {
      return "parent";
    }
    async make(): Promise<string> {
      const me = this.self as unknown as ActorRef<Parent>;
      const child = await this.spawn(Child, me);
      return child.id;
    }
  }
  class Child extends Actor {
    readonly parent: ActorRef<Parent>;
    constructor(parent: ActorRef<Parent>) {
      super();
      this.parent = parent;
    }
    override async started(): Promise<void> {
      await this.parent.ask("name");
    }
  }
  await inSystem({}, async (system) => {
    const parent = await system.spawn(Parent, undefined, { supervision: { on: "resume" } });
    const call = followed(parent.ask("make"));
    await system.environment.settle();
    const error = checked(call.ended, "HandlerError", "done");
    assert.match(error.message, /each would wait for the next/);
    assert.equal(await parent.ask("name"), "parent");
  });
});

test("circle: random plans of nested asks never hang: each ends as a value or as a circle that is there", async () => {
  const plans = fc.array(fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 });
  await property(
    [plans, fc.constantFrom("through", "later", "collect"), fc.boolean()],
    async (paths, method, strict) => {
      await inSystem({ strict }, async (system) => {
        const nodes = await Promise.all(
          [0, 1, 2, 3].map(() => system.spawn(Node, undefined, { supervision: { on: "resume" } })),
        );
        const calls = paths.map(([first, ...rest]) =>
          followed(nodes[first!]!.ask(method as "through", rest.map((i) => nodes[i]!)))
        );
        await system.environment.settle();
        for (const [i, { ended }] of calls.entries()) {
          assert.ok(ended !== undefined, `${paths[i]} hangs`);
          const repeats = new Set(paths[i]).size < paths[i]!.length;
          if (ended.error === undefined) {
            assert.ok(!repeats, `${paths[i]} visits an actor that waits for it, and was answered`);
            assert.equal(ended.value, paths[i]!.map((at) => nodes[at]!.id).join(" "));
          } else {
            assert.match(String(ended.error), /each would wait for the next/);
            assert.ok(repeats || paths.length > 1, `${paths[i]} alone is no circle`);
          }
        }
        for (const node of nodes) assert.equal(await node.ask("through", []), node.id);
      });
    },
    { runs: 150 },
  );
});

test("circle: a chain of 20,000 handlers that wait is searched, not climbed", async () => {
  // A reference is bound to whoever holds it: each is constructed with its own of the next.
  class Link extends Actor {
    readonly next: ActorRef<Link> | undefined;
    constructor(next?: ActorRef<Link>) {
      super();
      this.next = next;
    }
    async through(): Promise<number> {
      if (this.next !== undefined) return 1 + await this.next.ask("through");
      await door.opened;
      return 1;
    }
    async first(): Promise<number> {
      await macrotask();
      return await this.next!.ask("through");
    }
  }
  await inSystem({}, async (system) => {
    door = gate();
    let head = await system.spawn(Link);
    const last = head;
    for (let i = 1; i < 20_000; i++) head = await system.spawn(Link, head);
    const whole = followed(head.ask("through"));
    await system.environment.settle();
    const late = await system.spawn(Link, head);
    const call = followed(late.ask("first"));
    await system.environment.settle();
    assert.equal(call.ended, undefined, `it waits for its turn: ${String(call.ended?.error)}`);
    door.open();
    await system.environment.settle();
    assert.deepEqual(whole.ended, { value: 20_000 });
    assert.deepEqual(call.ended, { value: 20_000 });
    assert.equal(await last.ask("through"), 1);
  });
});

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
    await door.opened;
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
    door = gate();
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
            door.open();
            door = gate();
            break;
          default:
            await macrotask();
        }
      }
      for (let i = 0; i < 100; i++) {
        door.open();
        door = gate();
        await system.environment.advance(150);
        if (sentTo.flat().every(({ call }) => call.ended !== undefined)) break;
      }
      for (const controller of controllers) controller.abort();
      door.open(); // for those too who handle what nobody waits for any more
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

test("ask: in a real process too deadlines and signals end what waits, and the process ends by itself", async () => {
  const system = await launch({ store: "memory:", record: () => {} });
  door = gate();
  const ref = await system.spawn(Server);
  let outcome: string | undefined;
  await Promise.all([
    // On a busy machine the first may not even have begun when its time is over; its outcome says so.
    assert.rejects(ref.ask("hold", 1, { timeoutMs: 5 }), (error) => {
      if (isShoalError(error, "Timeout")) ({ outcome } = error);
      return outcome !== undefined;
    }),
    fails(ref.ask("hold", 2, { timeoutMs: 5 }), "Timeout", "failed"),
    fails(ref.ask("hold", 3, { signal: AbortSignal.timeout(5) }), "Cancelled", "failed"),
  ]);
  door.open();
  const begun = outcome === "unknown" ? 1 : 0;
  assert.equal(await ref.ask("add", 0), begun);
  await system.close();
  await system.ended;
});
