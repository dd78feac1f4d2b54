// Every ask settles, once, with a value or with an error that says whether it happened: outcomes, and the ends of
// either side.
import { Actor, type ActorRef, type ErrorCode, isShoalError, launch, type Outcome } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { checked, fails, followed, gate, inSystem, noTimers } from "./world.ts";
import { doors, loose, scene, Server, server } from "./server.ts";

/* oxlint-disable unicorn/no-thenable -- odd thenables are what is tested */

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
        await scene.door.opened;
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
    scene.door.open();
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
      scene.door.open();
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
    scene.door.open();
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
    scene.door.open();
  });
});

async function outcomeOf(code: ErrorCode, call: PromiseLike<unknown>): Promise<Outcome> {
  try {
    await call;
  } catch (error) {
    if (isShoalError(error, code)) return error.outcome;
    throw error;
  }
  throw new Error("the call was answered");
}

test("ask: in a real process too deadlines and signals end what waits, and the process ends by itself", async () => {
  const system = await launch({ store: "memory:", record: () => {} });
  scene.door = gate();
  const ref = await system.spawn(Server);
  // On a busy machine the time of each may be over before it has begun; its outcome says so.
  const outcomes = await Promise.all([
    outcomeOf("Timeout", ref.ask("hold", 1, { timeoutMs: 5 })),
    outcomeOf("Timeout", ref.ask("hold", 2, { timeoutMs: 5 })),
    outcomeOf("Cancelled", ref.ask("hold", 3, { signal: AbortSignal.timeout(5) })),
  ]);
  scene.door.open();
  const begun = outcomes.filter((outcome) => outcome === "unknown");
  assert.ok(begun.length <= 1, outcomes.join());
  assert.equal(outcomes.filter((outcome) => outcome === "failed").length, 3 - begun.length);
  assert.equal(await ref.ask("add", 0), begun.length);
  await system.close();
  await system.ended;
});
