// Strict mode: who writes to what is sealed or released is caught, and the tensor is named.
import { memoryStore } from "../../stores/memory.ts";
import { inlineStore } from "../../stores/inline.ts";
import type { Store } from "../../stores/store.ts";
import { assert, test } from "../suite.ts";
import { errorOf, openOptions, world } from "./world.ts";

const strictStore = (): Store => memoryStore({ run: "run-1", environment: world(), strict: true });

test("strict mode: done finds that a view was written to, and names the tensor", async () => {
  const store = strictStore();
  const ref = await store.tensors.put({ data: Float64Array.of(1, 2, 3) });
  const view = await store.tensors.get(ref);
  view.data[1] = 9;
  const error = await errorOf("Corrupt", () => view.done());
  assert.equal(error.message, `Tensor ${ref.id} was written to after it was sealed`);
  await errorOf("Corrupt", () => store.tensors.get(ref));
  await store.tensors.release(ref); // found once, told once
  assert.equal(store.statistics().bytes, 0);
  await store.close();
});

test("strict mode: release finds that a draft was written to after its seal", async () => {
  const store = strictStore();
  const draft = await store.tensors.allocate("uint8", [8]);
  const ref = await draft.seal();
  draft.data[7] = 1;
  await errorOf("Corrupt", () => store.tensors.release(ref));
  await errorOf("Missing", () => store.tensors.get(ref));
  assert.equal(store.statistics().bytes, 0, "it is released all the same");
  await store.close();
});

test("strict mode: the unpin that frees a tensor finds it", async () => {
  const store = strictStore();
  const draft = await store.tensors.allocate("uint8", [8], { lifetime: { reads: 1 } });
  const ref = await draft.seal();
  store.tensors.pin(ref, "message");
  draft.data[0] = 1;
  await errorOf("Corrupt", async () => store.tensors.unpin(ref, "message", true));
  await store.close();
});

test("strict mode: what only a timer or the close finds, the close rejects with, and ended says", async () => {
  const environment = world();
  for (const leaseMs of [10, 100_000]) {
    const store = memoryStore({ run: "run-1", environment, strict: true, graceMs: 10 });
    const draft = await store.tensors.allocate("uint8", [8], { lifetime: { leaseMs } });
    const ref = await draft.seal();
    draft.data[0] = 1;
    await environment.advance(1_000);
    const error = await errorOf("Corrupt", () => store.close());
    assert.match(error.message, new RegExp(ref.id));
    assert.equal(await store.ended, error);
    await store.close();
  }
});

test("strict mode: a released slot holds a pattern, and who writes to it is named", async () => {
  const store = strictStore();
  const ref = await store.tensors.put({ data: Uint8Array.of(1, 2, 3, 4) });
  const view = await store.tensors.get(ref);
  await store.tensors.release(ref);
  assert.deepEqual([...view.data], [1, 2, 3, 4]);
  view.done();
  assert.deepEqual([...view.data], [0xcd, 0xcd, 0xcd, 0xcd]);
  view.data[2] = 0;
  const error = await errorOf("Corrupt", () => store.tensors.put({ data: Uint8Array.of(5) }));
  assert.equal(error.message, `Tensor ${ref.id} was written to after it was released`);
  assert.equal(store.statistics().bytes, 0);
  assert.equal((await store.tensors.put({ data: Uint8Array.of(5) })).bytes, 1, "found once, told once");
  const late = await store.tensors.get(await store.tensors.put({ data: Uint8Array.of(6) }));
  await store.tensors.release(late.ref);
  late.done();
  late.data[0] = 1;
  await errorOf("Corrupt", () => store.close());
});

test("strict mode: a draft never holds zeros by chance", async () => {
  for (const store of [strictStore(), inlineStore(strictStore(), openOptions(world(), { thresholdBytes: 100 }))]) {
    const draft = await store.tensors.allocate("uint8", [4]);
    assert.deepEqual([...draft.data], [0xcd, 0xcd, 0xcd, 0xcd]);
    await store.close();
  }
});

test("strict mode: is silent where nobody wrote, and off where it is off", async () => {
  const store = memoryStore({ run: "run-1", environment: world(), strict: false });
  const ref = await store.tensors.put({ data: Uint8Array.of(1) });
  const view = await store.tensors.get(ref);
  view.data[0] = 2;
  view.done();
  await store.tensors.release(ref);
  await store.close();
});

test("verify=always: a get reads the bytes and refuses what was written to", async () => {
  const store = memoryStore({ run: "run-1", environment: world(), verify: "always" });
  const draft = await store.tensors.allocate("uint8", [8]);
  const ref = await draft.seal();
  (await store.tensors.get(ref)).done();
  draft.data[0] = 1;
  await errorOf("Corrupt", () => store.tensors.get(ref));
  await store.close();
});
