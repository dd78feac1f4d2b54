// Streams one side of which goes silent: the other is told, and the actor is free again.
import { isShoalError } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { checked, fails, followed, inSystem } from "./world.ts";
import { all, door, iterator, source, trace } from "./source.ts";

test("silence: a reader that never comes back is given up after idleTimeoutMs, and the actor is free", async () => {
  for (const own of [true, false]) {
    await inSystem({ limits: { streamIdleTimeoutMs: own ? 600_000 : 1_000 } }, async (system) => {
      const ref = await source(system);
      const reader = iterator(
        ref.stream("count", 100, own ? { creditMax: 2, idleTimeoutMs: 1_000 } : { creditMax: 2 }),
      );
      await reader.next();
      const waiting = followed(ref.ask("number"));
      await system.environment.advance(999);
      assert.equal(waiting.ended, undefined);
      await system.environment.advance(2);
      assert.deepEqual(waiting.ended, { value: 42 });
      assert.deepEqual(trace, ["finally"]);
      const rest: unknown[] = [];
      await fails(
        (async () => {
          for (;;) {
            const { done, value } = await reader.next();
            if (done === true) break;
            rest.push(value);
          }
        })(),
        "Timeout",
        "unknown",
      );
      assert.deepEqual(rest, [2, 3].slice(0, rest.length), "in order, as far as it was kept");
      assert.equal(system.statistics().crashes, 0);
    });
  }
});

test("silence: a reader that comes back too late is told so: what was given up does not look like the end", async () => {
  await inSystem({}, async (system) => {
    for (const method of ["count", "failing"] as const) {
      const ref = await source(system);
      const reader = iterator(ref.stream(method, 5, { idleTimeoutMs: 1_000 }));
      await reader.next();
      // The producer is through; four values wait for their reader.
      await system.environment.advance(2_000);
      const rest: unknown[] = [];
      let error: unknown;
      try {
        for (;;) {
          const { done, value } = await reader.next();
          if (done === true) break;
          rest.push(value);
        }
      } catch (thrown) {
        error = thrown;
      }
      const whole = method === "count" ? 4 : 3;
      assert.deepEqual(rest, [2, 3, 4, 5].slice(0, rest.length));
      if (rest.length < whole) {
        assert.ok(isShoalError(error, "Timeout"), `after ${rest.length} of ${whole}: ${String(error)}`);
      }
    }
  });
});

test("silence: a reader that comes in time, again and again, is never given up", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = iterator(ref.stream("count", 10, { creditMax: 1, idleTimeoutMs: 1_000 }));
    for (let i = 1; i <= 10; i++) {
      assert.equal((await reader.next()).value, i);
      await system.environment.advance(900);
    }
    assert.equal((await reader.next()).done, true);
  });
});

test("silence: a producer that gives no sign is given up after idleTimeoutMs too, and is told", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const values: number[] = [];
    const call = followed((async () => {
      for await (const value of ref.stream("watching", undefined, { idleTimeoutMs: 1_000 })) values.push(value);
    })());
    await system.environment.advance(999);
    assert.equal(call.ended, undefined);
    await system.environment.advance(2);
    checked(call.ended, "Timeout", "unknown");
    assert.deepEqual(values, [1]);
    assert.deepEqual(trace, ["Timeout"], "its signal has ended");
    assert.equal(await ref.ask("number"), 42);
  });
});

test("silence: one that waits in a queue is no silence of its own: replyTimeoutMs ends it, failed", async () => {
  await inSystem({ limits: { replyTimeoutMs: 5_000 } }, async (system) => {
    const ref = await source(system);
    const first = iterator(ref.stream("stuck", 1, { idleTimeoutMs: 100_000 }));
    void first.next().catch(() => {});
    const second = followed(all(ref.stream("count", 3)));
    await system.environment.advance(5_001);
    checked(second.ended, "Timeout", "failed");
    door.open();
    await first.return!();
    await system.environment.settle();
    assert.equal(await ref.ask("progress"), 0);
  });
});

test("silence: an idleTimeoutMs that is no number of milliseconds is BadInput", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    for (const idleTimeoutMs of [NaN, -1, {} as unknown as number]) {
      const call = followed((async () => await all(ref.stream("count", 2, { idleTimeoutMs })))());
      await system.environment.settle();
      const error = call.ended?.error;
      assert.ok(error instanceof RangeError || isShoalError(error, "BadInput"), `${idleTimeoutMs}: ${String(error)}`);
    }
  });
});
