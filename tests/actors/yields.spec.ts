// What a stream carries: copies, references that are pinned while they are read, and always a prefix.
import { Actor, isShoalError, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { followed, inSystem, macrotask } from "./world.ts";
import { all, door, iterator, loose, Reader, source } from "./source.ts";

test("stream: values are copied, may be any message, and references among them are the reader's", async () => {
  for (const strict of [false, true]) {
    await inSystem({ strict }, async (system) => {
      const ref = await source(system);
      const values = [NaN, -0, 5n, "x", null, { a: Float64Array.of(1), $: [Infinity] }];
      assert.deepStrictEqual(await all(loose(ref).stream("echo", values)), values);
      const [self] = await all(ref.stream("selves"));
      assert.equal(self!.id, ref.id);
      assert.equal(await self!.ask("number"), 42);
    });
  }
});

test("stream: tensors that it yields are pinned until the reader asks for the next, and gone after", async () => {
  for (const strict of [false, true]) {
    await inSystem({ strict }, async (system) => {
      const ref = await source(system);
      const reader = await system.spawn(Reader);
      assert.equal(await reader.ask("sums", ref), 2 * (0 + 1 + 2 + 3 + 4));
      await system.environment.settle();
      assert.equal(system.tensorStore.statistics().tensors, 0, "each was read once");
      // Left early: what had been yielded and was never read is nobody's either.
      for await (const _ of ref.stream("tensors", 5, { creditMax: 3 })) break;
      await system.environment.settle();
      assert.equal(await ref.ask("number"), 42);
    });
  }
});

test("stream: tensors of a stream that ended before they were read are not pinned for ever", async () => {
  class Maker extends Actor {
    async *make(tensors: readonly TensorRef[]): AsyncGenerator<TensorRef> {
      yield* tensors;
    }
  }
  await inSystem({}, async (system) => {
    const maker = await system.spawn(Maker);
    const options = { lifetime: { until: "release" } } as const;
    const tensors = await system.store.putMany([0, 1, 2].map(() => ({ data: new Float64Array(4_000) })), options);
    const reader = iterator(maker.stream("make", tensors, { idleTimeoutMs: 1_000 }));
    await reader.next();
    await system.environment.settle();
    for (const tensor of tensors) await system.store.release(tensor);
    // The generator is through; the reader never comes back.
    await system.environment.advance(2_000);
    assert.equal(system.tensorStore.statistics().tensors, 0, "they are still pinned");
  });
});

test("stream: whatever the reader does, it reads a prefix in order, and the actor is free in the end", async () => {
  const acts = fc.array(fc.constantFrom("next", "next", "next", "turn", "both", "advance", "abort", "return", "stop"), {
    maxLength: 30,
  });
  const method = fc.constantFrom("count", "plain", "failing", "stuck");
  await property(
    [acts, method, fc.integer({ min: 1, max: 4 }), fc.nat(12), fc.boolean()],
    async (plan, kind, creditMax, to, strict) => {
      await inSystem({ strict }, async (system) => {
        const ref = await source(system);
        const controller = new AbortController();
        const options = { creditMax, idleTimeoutMs: 1_000, signal: controller.signal };
        const reader = iterator(ref.stream(kind as "count", to, options));
        const nexts: ReturnType<typeof followed>[] = [];
        let left = false;
        for (const act of plan) {
          if (act === "next") await system.environment.settle();
          if (act === "next" || act === "both") nexts.push(followed(reader.next()));
          if (act === "both") nexts.push(followed(reader.next()));
          if (act === "turn") await macrotask();
          if (act === "advance") await system.environment.advance(400);
          if (act === "abort" && plan.length % 2 === 0) controller.abort();
          if (act === "return" && plan.length % 3 === 0) {
            left = true;
            nexts.push(followed(reader.return!()));
          }
          if (act === "stop" && plan.length % 5 === 0) void system.stop(ref, { now: true });
        }
        await system.environment.settle();
        door.open();
        nexts.push(followed(reader.return!()));
        await system.environment.advance(2_000);
        for (const { ended, times } of nexts) assert.ok(ended !== undefined && times === 1, "a next has not settled");
        const results = nexts.map(({ ended }) =>
          ended as { value?: { done?: boolean; value?: number }; error?: unknown }
        );
        const values = results.filter(({ value }) => value?.done === false).map(({ value }) => value!.value);
        assert.deepEqual(values, values.map((_, i) => i + 1), "not a prefix");
        const errors = results.filter(({ error }) => error !== undefined).map(({ error }) => error);
        for (const error of errors) assert.ok(isShoalError(error), String(error));
        assert.ok(left || errors.length <= 2, `${errors.length} errors of one stream`);
        const free = followed(ref.ask("number"));
        await system.environment.settle();
        assert.ok(free.ended !== undefined, "the actor is held");
      });
    },
    { runs: 200 },
  );
});
