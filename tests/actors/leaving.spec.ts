// Streams that end early: by a signal, by the end of either side, from one handler to the next.
import { getEventListeners } from "node:events";
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { checked, fails, followed, inSystem } from "./world.ts";
import type { Source } from "./source.ts";
import { all, door, iterator, Reader, source, trace } from "./source.ts";

test("stream: the reader's signal ends it: Cancelled, the generator's finally runs, nobody listens any more", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const controller = new AbortController();
    const { signal } = controller;
    const reader = iterator(ref.stream("count", 100, { signal, creditMax: 1 }));
    await reader.next();
    controller.abort("enough");
    await system.environment.settle();
    assert.deepEqual(trace, ["finally"]);
    await fails(
      (async () => {
        while ((await reader.next()).done !== true);
      })(),
      "Cancelled",
      "unknown",
    );
    const before = followed(all(ref.stream("count", 3, { signal })));
    await system.environment.settle();
    checked(before.ended, "Cancelled", "failed");
    const fresh = new AbortController();
    for await (const _ of ref.stream("count", 9, { signal: fresh.signal })) break;
    assert.deepEqual(await all(ref.stream("count", 2, { signal: fresh.signal })), [1, 2]);
    await system.environment.settle();
    assert.equal(getEventListeners(fresh.signal, "abort").length, 0);
    assert.equal(await ref.ask("number"), 42);
  });
});

test("stream: its actor is stopped now: Ended, unknown, and the generator's finally runs; drained: it goes to its end", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = iterator(ref.stream("count", 100, { creditMax: 1 }));
    await reader.next();
    await system.stop(ref, { now: true });
    await system.environment.settle();
    assert.deepEqual(trace, ["finally"]);
    await fails(
      (async () => {
        while ((await reader.next()).done !== true);
      })(),
      "Ended",
      "unknown",
    );
    await fails(all(ref.stream("count", 1)), "Ended", "failed");
    const other = await source(system);
    const whole = iterator(other.stream("count", 5, { creditMax: 1 }));
    await whole.next();
    const stopping = followed(system.stop(other, {}));
    await system.environment.settle();
    assert.equal(stopping.ended, undefined);
    for (let i = 2; i <= 5; i++) assert.equal((await whole.next()).value, i);
    assert.equal((await whole.next()).done, true);
    await system.environment.settle();
    assert.ok(stopping.ended !== undefined);
  });
});

test("stream: its reader is an actor that ends: the producer is free", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = await system.spawn(Reader);
    void reader.tell("never", ref);
    await system.environment.settle();
    const waiting = followed(ref.ask("number"));
    await system.environment.settle();
    assert.equal(waiting.ended, undefined);
    await system.stop(reader, { now: true });
    await system.environment.settle();
    assert.deepEqual(waiting.ended, { value: 42 });
    assert.deepEqual(trace, ["finally"]);
    door.open();
  });
});

test("stream: kept from one handler to the next, it can be read on; it ends with the life that began it", async () => {
  class Keeper extends Actor {
    readonly from: ActorRef<Source>;
    reading: AsyncIterator<number> | undefined;
    constructor(from: ActorRef<Source>) {
      super();
      this.from = from;
    }
    async more(): Promise<number | undefined> {
      this.reading ??= iterator(this.from.stream("count", 100, { creditMax: 1 }));
      const { done, value } = await this.reading.next();
      return done === true ? undefined : value;
    }
    crash(): never {
      throw new Error("crash");
    }
  }
  for (const end of ["stop", "crash"] as const) {
    await inSystem({}, async (system) => {
      const ref = await source(system);
      const keeper = await system.spawn(Keeper, ref);
      for (let i = 1; i <= 5; i++) assert.equal(await keeper.ask("more"), i);
      if (end === "stop") await system.stop(keeper, { now: true });
      else await fails(keeper.ask("crash"), "HandlerError");
      await system.environment.settle();
      assert.deepEqual(trace, ["finally"], "the producer is held, and nobody can read it any more");
      const free = followed(ref.ask("number"));
      await system.environment.settle();
      assert.deepEqual(free.ended, { value: 42 });
    });
  }
});

test("stream: read by an actor, to the end, to an error, and left early", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = await system.spawn(Reader, undefined, { supervision: { on: "resume" } });
    assert.deepEqual(await reader.ask("take", { from: ref, method: "count", to: 3, stopAt: 0 }), [1, 2, 3]);
    assert.deepEqual(await reader.ask("take", { from: ref, method: "count", to: 9, stopAt: 2 }), [1, 2, 3, 1, 2]);
    await fails(reader.ask("take", { from: ref, method: "failing", to: 2, stopAt: 0 }), "HandlerError");
    assert.deepEqual(await reader.ask("seen"), [1, 2, 3, 1, 2, 1]);
    assert.equal(await ref.ask("number"), 42);
  });
});
