// Strict mode on shm: who writes to what is sealed or released is caught, in this process and where he reads another's.
import type { Store } from "../../stores/store.ts";
import { assert, skip, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { inMemory, opened, ways } from "./place.ts";

/** A strict store whose memory is mapped; what is copied cannot be written to by mistake. */
async function mapped(dir: string): Promise<Store> {
  const store = await opened(dir, { strict: true });
  if (store.abilities.zeroCopy) return store;
  await store.close();
  skip("memory cannot be mapped here");
}

for (const map of ways) {
  test(`shm strict mode: done finds that a view was written to, wherever it is read (map ${map})`, () =>
    inMemory(async (dir) => {
      const owner = await opened(dir, { map, strict: true });
      const reader = await opened(dir, { map, strict: true });
      for (const store of [owner, reader]) {
        const ref = await owner.tensors.put({ data: Float64Array.of(1, 2, 3) });
        const view = await store.tensors.get(ref);
        view.data[1] = 9;
        const { message } = await errorOf("Corrupt", () => view.done());
        assert.equal(message, `Tensor ${ref.id} was written to after it was sealed`);
      }
      await reader.close();
      await owner.close().catch(() => {});
    }));

  test(`shm strict mode: a draft never holds zeros by chance (map ${map})`, () =>
    inMemory(async (dir) => {
      const store = await opened(dir, { map, strict: true });
      for (const bytes of [3, 70_000, 3 * 2 ** 20]) {
        const draft = await store.tensors.allocate("uint8", [bytes]);
        assert.ok(draft.data.every((byte) => byte === 0xcd));
        draft.discard();
      }
      await store.close();
    }));
}

test("shm strict mode: a released place holds a pattern, and who writes to it is named", () =>
  inMemory(async (dir) => {
    const store = await mapped(dir);
    const ref = await store.tensors.put({ data: Uint8Array.of(1, 2, 3, 4) });
    const view = await store.tensors.get(ref);
    await store.tensors.release(ref);
    assert.deepEqual([...view.data], [1, 2, 3, 4]);
    view.done();
    assert.deepEqual([...view.data], [0xcd, 0xcd, 0xcd, 0xcd]);
    view.data[2] = 0;
    const { message } = await errorOf("Corrupt", () => store.tensors.put({ data: Uint8Array.of(5) }));
    assert.equal(message, `Tensor ${ref.id} was written to after it was released`);
    assert.equal(store.statistics().bytes, 0);
    assert.equal((await store.tensors.put({ data: Uint8Array.of(5) })).bytes, 1, "found once, told once");
    const late = await store.tensors.get(await store.tensors.put({ data: Uint8Array.of(6) }));
    await store.tensors.release(late.ref);
    late.done();
    late.data[0] = 1;
    const error = await errorOf("Corrupt", () => store.close());
    assert.equal(await store.ended, error);
  }));

test("shm strict mode: release finds that a draft was written to after its seal", () =>
  inMemory(async (dir) => {
    const store = await mapped(dir);
    const draft = await store.tensors.allocate("uint8", [8]);
    const ref = await draft.seal();
    draft.data[7] = 1;
    await errorOf("Corrupt", () => store.tensors.release(ref));
    await errorOf("Missing", () => store.tensors.get(ref));
    assert.equal(store.statistics().bytes, 0, "it is released all the same");
    await store.close();
  }));
