// Streams: a generator is as far ahead of its reader as the credit allows, in order, and holds its actor until it ends.
import { isShoalError } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { fails, followed, inSystem, macrotask } from "./world.ts";
import type { Source } from "./source.ts";
import { all, door, iterator, loose, source, trace } from "./source.ts";

test("stream: yields all, in order, then ends; also nothing, and also from a plain generator", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    assert.deepEqual(await all(ref.stream("count", 40)), Array.from({ length: 40 }, (_, i) => i + 1));
    assert.deepEqual(trace, ["end", "finally"]);
    assert.deepEqual(await all(ref.stream("plain", 40)), Array.from({ length: 40 }, (_, i) => i + 1));
    assert.deepEqual(await all(ref.stream("nothing")), []);
    assert.equal(await ref.ask("number"), 42, "the actor is free again");
  });
});

test("stream: costs nothing until it is read, and can be read once", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const stream = ref.stream("count", 3);
    await system.environment.settle();
    assert.equal(await ref.ask("progress"), 0);
    assert.deepEqual(await all(stream), [1, 2, 3]);
    await assert.rejects(() => all(stream), TypeError);
  });
});

test("stream: the producer is creditMax ahead and not one more", async () => {
  for (const method of ["count", "plain"] as const) {
    for (const creditMax of [1, 2, 5]) {
      await inSystem({}, async (system) => {
        const ref = await source(system);
        const reader = iterator(ref.stream(method, 100, { creditMax }));
        const made = (): number => (ref as unknown as { target: { actor: Source } }).target.actor.made;
        for (let read = 1; read <= 10; read++) {
          assert.deepEqual(await reader.next(), { done: false, value: read });
          await system.environment.settle();
          assert.equal(made(), Math.min(100, read + creditMax));
        }
        await reader.return!();
      });
    }
  }
});

test("stream: a credit that is none is refused", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    for (const creditMax of [0, -1, NaN, 1.5, Infinity, "2" as unknown as number]) {
      const call = followed((async () => await all(ref.stream("count", 2, { creditMax })))());
      await system.environment.settle();
      assert.ok(
        call.ended?.error instanceof RangeError || isShoalError(call.ended?.error, "BadInput"),
        String(creditMax),
      );
    }
    assert.equal(await ref.ask("progress"), 0);
  });
});

test("stream: several next at once are answered in order, each once", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = iterator(ref.stream("count", 3, { creditMax: 1 }));
    const nexts = Array.from({ length: 6 }, () => followed(reader.next()));
    await system.environment.settle();
    assert.deepEqual(nexts.map(({ ended }) => (ended?.value as { value: unknown } | undefined)?.value ?? ended), [
      1,
      2,
      3,
      ...Array.from({ length: 3 }, () => ({ value: { done: true, value: undefined } })),
    ]);
  });
});

test("stream: after return, and after an error, there is nothing more: next says done", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const reader = iterator(ref.stream("count", 100));
    await reader.next();
    assert.deepEqual(await reader.return!(), { done: true, value: undefined });
    assert.deepEqual(await reader.next(), { done: true, value: undefined });
    const failing = iterator(ref.stream("failing", 1));
    await fails(failing.next(), "HandlerError", "done");
    assert.deepEqual(await failing.next(), { done: true, value: undefined });
  });
});

test("stream: a reader that leaves early ends the generator through its finally, and frees the actor", async () => {
  for (const method of ["count", "plain"] as const) {
    await inSystem({}, async (system) => {
      const ref = await source(system);
      for await (const value of ref.stream(method, 1_000_000)) if (value === 3) break;
      await system.environment.settle();
      assert.deepEqual(trace, ["finally"]);
      const free = followed(ref.ask("number"));
      await system.environment.settle();
      assert.deepEqual(free.ended, { value: 42 });
      assert.equal(system.statistics().crashes, 0);
    });
  }
});

test("stream: a reader that throws leaves too", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    await assert.rejects(async () => {
      for await (const value of ref.stream("count", 1_000)) if (value === 2) throw new Error("reader");
    }, /reader/);
    await system.environment.settle();
    assert.deepEqual(trace, ["finally"]);
    assert.equal(await ref.ask("number"), 42);
  });
});

test("stream: a reader that leaves before the generator has begun: it never begins", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const first = iterator(ref.stream("stuck", 1));
    void first.next().catch(() => {});
    const second = iterator(ref.stream("count", 5));
    const waiting = followed(second.next());
    await system.environment.settle();
    await second.return!();
    await system.environment.settle();
    assert.ok(waiting.ended !== undefined, "the next that waited has settled");
    door.open();
    await first.return!();
    await system.environment.settle();
    assert.equal(await ref.ask("progress"), 0);
  });
});

test("stream: what its finally awaits still holds the actor; a finally that throws is a failure of the actor", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    for await (const _ of ref.stream("slowEnd")) break;
    const waiting = followed(ref.ask("number"));
    await system.environment.settle();
    assert.equal(waiting.ended, undefined, "a generator holds its actor until it ends (L11)");
    door.open();
    await system.environment.settle();
    assert.deepEqual(waiting.ended, { value: 42 });
    for await (const _ of ref.stream("failingEnd")) break;
    await system.environment.settle();
    assert.equal(system.statistics().crashes, 1);
    assert.equal(await ref.ask("number"), 42);
  });
});

test("stream: what was yielded before an error is read before the error", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const values: number[] = [];
    const call = (async () => {
      for await (const value of ref.stream("failing", 5)) {
        await macrotask(); // slower than the producer
        values.push(value);
      }
    })();
    const error = await fails(call, "HandlerError", "done");
    assert.match(error.message, /no 5/);
    assert.deepEqual(values, [1, 2, 3, 4]);
    await system.environment.settle();
    assert.equal(system.statistics().crashes, 1);
    await fails(all(ref.stream("failing", 1)), "HandlerError", "done");
    assert.deepEqual(await all(ref.stream("count", 2)), [1, 2], "its next life serves the next");
  });
});

test("stream: a value that cannot be sent ends it for the reader, as an answer does, and its actor lives on", async () => {
  await inSystem({}, async (system) => {
    for (const [which, code] of [["function", "BadInput"], ["large", "TooLarge"]] as const) {
      const ref = await source(system);
      const values: unknown[] = [];
      const call = (async () => {
        for await (const value of ref.stream("bad", which)) values.push(value);
      })();
      const error = await fails(call, code, "done");
      if (which === "function") assert.match(error.message, /a\[0\]/);
      assert.deepEqual(values, [1]);
      await system.environment.settle();
      assert.deepEqual(trace, ["finally"]);
      assert.equal(system.statistics().crashes, 0);
    }
  });
});

test("stream: what is asked and is a generator, streamed and is none, told and is a generator: said, and no harm", async () => {
  await inSystem({}, async (system) => {
    const ref = loose(await source(system));
    assert.match((await fails(ref.ask("count", 3), "BadInput", "failed")).message, /generator.*stream/);
    for (const method of ["number", "object", "later"]) {
      const error = await fails(all(ref.stream(method)), "BadInput", "done");
      assert.match(error.message, /no generator/);
    }
    await fails(all(ref.stream("absent")), "BadInput", "failed");
    await fails(all(ref.stream("count", () => 1)), "BadInput", "failed");
    await ref.tell("count", 3);
    await system.environment.settle();
    assert.deepEqual(trace, [], "a generator that nobody reads did nothing");
    const said = system.records.filter(({ type }) => type === "MessageDied" || type === "MessageLogged");
    assert.ok(said.length > 0, "nobody was told");
    assert.equal(await ref.ask("progress"), 0);
    assert.equal(system.statistics().crashes, 0);
  });
});

test("stream: two of one actor: the second begins when the first has ended", async () => {
  await inSystem({}, async (system) => {
    const ref = await source(system);
    const first = iterator(ref.stream("stuck", 2));
    assert.equal((await first.next()).value, 1);
    const second = followed(all(ref.stream("count", 3)));
    const asked = followed(ref.ask("number"));
    await system.environment.settle();
    assert.equal(second.ended, undefined);
    assert.equal(asked.ended, undefined);
    door.open();
    assert.equal((await first.next()).value, 2);
    assert.equal((await first.next()).done, true);
    await system.environment.settle();
    assert.deepEqual(second.ended, { value: [1, 2, 3] });
    assert.deepEqual(asked.ended, { value: 42 });
  });
});
