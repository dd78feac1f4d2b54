// Tensors that travel inside their references: a program must not be able to tell, but for the release.
import { dtypes } from "../../stores/dtype.ts";
import { inlineStore } from "../../stores/inline.ts";
import { memoryStore } from "../../stores/memory.ts";
import { openStore } from "../../stores/open.ts";
import type { Store, TensorRef, Tensors } from "../../stores/store.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf, openOptions, world } from "./world.ts";

const open = (thresholdBytes: number): Promise<Store> => openStore("memory:", openOptions(world(), { thresholdBytes }));

test("inline store: below the threshold bytes travel in the reference, at it they do not", async () => {
  const store = await open(64);
  const small = await store.tensors.put({ data: new Uint8Array(63).fill(7) });
  const large = await store.tensors.put({ data: new Uint8Array(64).fill(7) });
  assert.deepEqual([small.where, large.where], ["inline:", "memory:"]);
  assert.equal(typeof small.inline, "string");
  assert.equal(large.inline, undefined);
  assert.deepEqual([store.statistics().tensors, store.statistics().bytes], [1, 64]);
  await store.close();
});

test("inline store: every dtype, drafted and put, comes back aligned and as it was", () =>
  property(
    [fc.constantFrom(...dtypes), fc.nat(20), fc.integer({ min: 0, max: 255 })],
    async (dtype, length, value) => {
      const store = await open(10_000);
      const draft = await store.tensors.allocate(dtype, [length, 1]);
      const bytes = new Uint8Array(draft.data.buffer, draft.data.byteOffset, draft.data.byteLength);
      bytes.forEach((_, index) => bytes[index] = value * index);
      const refs = [await draft.seal(), await store.tensors.put({ data: draft.data, dtype, shape: [length, 1] })];
      for (const ref of refs) {
        const tensor = await store.tensors.get(JSON.parse(JSON.stringify(ref)) as TensorRef);
        assert.deepEqual(tensor.data, draft.data);
        assert.deepEqual(tensor.shape, [length, 1]);
        tensor.keep().done();
        tensor.done();
      }
      assert.equal(store.statistics().tensors, 0);
      await store.close();
    },
  ));

test("inline store: with threshold 0 nothing is inline, and what is still resolves", async () => {
  const [zero, some] = [await open(0), await open(100)];
  assert.equal((await zero.tensors.put({ data: new Uint8Array(0) })).inline, undefined);
  const ref = await some.tensors.put({ data: Uint8Array.of(1, 2) });
  assert.deepEqual([...(await zero.tensors.get(ref)).data], [1, 2]);
  await zero.close();
  await some.close();
});

test("inline store: a release is taken, and what carries its bytes resolves all the same", async () => {
  const store = await open(100);
  const ref = await store.tensors.put({ data: Uint8Array.of(1) }, { lifetime: { leaseMs: 1 } });
  store.tensors.pin(ref, "a");
  store.tensors.unpin(ref, "a", true);
  await store.tensors.release(ref);
  await store.tensors.release(ref);
  assert.deepEqual([...(await store.tensors.get(ref)).data], [1]);
  await store.close();
});

test("inline store: putMany and getMany keep the order across both kinds", async () => {
  const store = await open(10);
  const lengths = [3, 50, 9, 10, 0, 11];
  const refs = await store.tensors.putMany(lengths.map((length) => ({ data: new Uint8Array(length).fill(length) })));
  assert.deepEqual(refs.map((ref) => ref.inline === undefined), [false, true, false, true, false, true]);
  const found: number[][] = [];
  for await (const tensor of store.tensors.getMany(refs)) {
    found.push([tensor.data.length, Number(tensor.data[0] ?? 0)]);
    tensor.done();
  }
  assert.deepEqual(found, lengths.map((length) => [length, length]));
  await store.close();
});

test("inline store: a getMany that is left early ends the one of the store behind", async () => {
  const inner = memoryStore({ run: "run-1", environment: world() });
  let isReturned = false;
  const tensors: Tensors = {
    ...inner.tensors,
    async *getMany(refs) {
      try {
        yield* inner.tensors.getMany(refs);
      } finally {
        isReturned = true;
      }
    },
  };
  const store = inlineStore({ ...inner, tensors }, openOptions(world(), { thresholdBytes: 10 }));
  const refs = await store.tensors.putMany([{ data: new Uint8Array(20) }, { data: new Uint8Array(20) }]);
  for await (const tensor of store.tensors.getMany(refs)) {
    tensor.done();
    break;
  }
  assert.ok(isReturned);
  await inner.close();
});

test("inline store: forged references are refused as anywhere", async () => {
  const store = await open(100);
  const ref = await store.tensors.put({ data: Uint8Array.of(1, 2, 3) });
  await errorOf("Corrupt", () => store.tensors.get({ ...ref, inline: "AAAA" }));
  await errorOf("Corrupt", () => store.tensors.get({ ...ref, id: "other" }));
  await errorOf("BadInput", () => store.tensors.get({ ...ref, run: "run-2" }));
  await errorOf("BadInput", () => store.tensors.release({ ...ref, run: "run-2" }));
  await errorOf("BadInput", async () => store.tensors.pin({ ...ref, inline: "AAAAAAAA" }, "a"));
  await errorOf("BadInput", () => store.tensors.get({ ...ref, inline: 5 as never }));
  const { inline: _, ...rest } = ref;
  await errorOf("BadInput", () => store.tensors.get(rest));
  await store.close();
});

test("inline store: strict mode finds a write here as in the store behind", async () => {
  const store = await open(100);
  const ref = await store.tensors.put({ data: Uint8Array.of(1, 2, 3) });
  const tensor = await store.tensors.get(ref);
  tensor.data[0] = 9;
  const error = await errorOf("Corrupt", () => tensor.done());
  assert.match(error.message, new RegExp(ref.id));
  assert.deepEqual([...(await store.tensors.get(ref)).data], [1, 2, 3]);
  await store.close();
});

test("inline store: lifetimes, signals, drafts and the close are those of any store", async () => {
  const store = await open(100);
  await errorOf("BadInput", () => store.tensors.put({ data: Uint8Array.of(1) }, { lifetime: { reads: 0 } }));
  await errorOf("Cancelled", () => store.tensors.put({ data: Uint8Array.of(1) }, { signal: AbortSignal.abort() }));
  const ref = await store.tensors.put({ data: Uint8Array.of(1) });
  await errorOf("Cancelled", () => store.tensors.get(ref, { signal: AbortSignal.abort() }));
  const discarded = await store.tensors.allocate("uint8", [1]);
  discarded.discard();
  await assert.rejects(discarded.seal(), TypeError);
  const draft = await store.tensors.allocate("uint8", [1]);
  const sealed = await draft.seal();
  draft.discard();
  assert.equal(await draft.seal(), sealed);
  const late = await store.tensors.allocate("uint8", [1]);
  await store.close();
  for (const call of [() => store.tensors.get(ref), () => late.seal(), () => store.tensors.release(ref)]) {
    await errorOf("ShuttingDown", call);
  }
  await errorOf("ShuttingDown", () => store.tensors.put({ data: Uint8Array.of(1) }));
});
