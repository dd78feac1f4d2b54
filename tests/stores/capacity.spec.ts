// The capacity of `memory:`: who waits, in which order and for how long, and what is refused at once.
import { memoryStore } from "../../stores/memory.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf, isSettled, turn, world } from "./world.ts";

const item = (bytes: number): { data: Uint8Array } => ({ data: new Uint8Array(bytes) });

test("memory store: an allocation beyond the capacity waits for space", async () => {
  const environment = world();
  const store = memoryStore({ run: "r", environment, strict: true, capacityBytes: 100 });
  const first = await store.tensors.put(item(60));
  const second = store.tensors.put(item(60));
  assert.equal(await isSettled(second), false);
  await store.tensors.release(first);
  assert.equal((await second).bytes, 60);
  assert.equal(environment.timers, 0, "its deadline went with the wait");
  await store.close();
});

test("memory store: what waits longer than waitMs is CapacityExceeded and never happened", async () => {
  const environment = world();
  const store = memoryStore({ run: "r", environment, strict: true, capacityBytes: 100, waitMs: 500 });
  await store.tensors.put(item(60));
  const waits = store.tensors.put(item(60));
  const refused = errorOf("CapacityExceeded", () => waits);
  await environment.advance(499);
  assert.equal(await isSettled(waits), false);
  await environment.advance(1);
  const error = await refused;
  assert.equal(error.outcome, "failed");
  assert.match(error.message, /Cannot allocate 60 bytes: store holds 60 of 100 bytes; waited 500 ms/);
  assert.equal(store.statistics().bytes, 60);
  await store.close();
});

test("memory store: full=reject refuses at once, and TooLarge what could never fit", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true, capacityBytes: 100, full: "reject" });
  await store.tensors.put(item(100));
  await errorOf("CapacityExceeded", () => store.tensors.put(item(1)));
  assert.equal((await store.tensors.put(item(0))).bytes, 0, "nothing always fits");
  await errorOf("TooLarge", () => store.tensors.put(item(101)));
  await errorOf("TooLarge", () => store.tensors.allocate("float64", [2 ** 49]));
  await store.close();
});

test("memory store: drafts, and released tensors that are viewed or pinned, take room", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true, capacityBytes: 100, full: "reject" });
  const draft = await store.tensors.allocate("uint8", [100]);
  const full = (): Promise<unknown> => errorOf("CapacityExceeded", () => store.tensors.put(item(1)));
  await full();
  const ref = await draft.seal();
  const view = await store.tensors.get(ref);
  store.tensors.pin(ref, "message");
  await store.tensors.release(ref);
  await full();
  view.done();
  await full();
  store.tensors.unpin(ref, "message", false);
  assert.equal(store.statistics().bytes, 0);
  (await store.tensors.allocate("uint8", [100])).discard();
  assert.equal(store.statistics().bytes, 0);
  await store.close();
});

test("memory store: a small allocation does not overtake a large one that waits", async () => {
  const environment = world();
  const store = memoryStore({ run: "r", environment, strict: true, capacityBytes: 100, waitMs: 500 });
  const first = await store.tensors.put(item(60));
  const large = store.tensors.put(item(90));
  const small = store.tensors.put(item(10));
  assert.equal(await isSettled(small), false);
  await store.tensors.release(first);
  await large;
  await small;
  assert.equal(store.statistics().bytes, 100);
  await store.close();
});

test("memory store: those behind one that gives up are let in", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true, capacityBytes: 100 });
  await store.tensors.put(item(60));
  const controller = new AbortController();
  const large = store.tensors.put(item(90), { signal: controller.signal });
  const small = store.tensors.put(item(10));
  assert.equal(await isSettled(small), false);
  controller.abort(new Error("enough"));
  const error = await errorOf("Cancelled", () => large);
  assert.equal((error.cause as Error).message, "enough");
  await small;
  await errorOf("Cancelled", () => store.tensors.put(item(1), { signal: controller.signal }));
  await errorOf("Cancelled", async () => store.tensors.get(await small, { signal: controller.signal }));
  assert.equal(store.statistics().bytes, 70);
  await store.close();
});

test("memory store: putMany takes room for all or for none", async () => {
  const environment = world();
  const store = memoryStore({ run: "r", environment, strict: true, capacityBytes: 100, waitMs: 500 });
  const first = await store.tensors.put(item(40));
  const many = store.tensors.putMany([item(40), item(30)]);
  await turn();
  assert.equal(store.statistics().bytes, 40, "it holds nothing while it waits");
  await store.tensors.release(first);
  assert.deepEqual((await many).map((ref) => ref.bytes), [40, 30]);
  await errorOf("TooLarge", () => store.tensors.putMany([item(60), item(60)]));
  await errorOf("BadInput", () => store.tensors.putMany([item(10), { data: new Uint8Array(2), shape: [3] }]));
  assert.equal(store.statistics().bytes, 70);
  assert.deepEqual(await store.tensors.putMany([]), []);
  await store.close();
});

test("memory store: a lease that lapses makes room for who waits", async () => {
  const environment = world();
  const store = memoryStore({ run: "r", environment, strict: true, capacityBytes: 100, graceMs: 100 });
  await store.tensors.put(item(100), { lifetime: { leaseMs: 1_000 } });
  const waits = store.tensors.put(item(100));
  await environment.advance(999);
  assert.equal(await isSettled(waits), false);
  await environment.advance(101);
  assert.equal((await waits).bytes, 100);
  await store.close();
});

test("memory store: closing ends all waits with ShuttingDown and cancels all timers", async () => {
  const environment = world();
  const store = memoryStore({ run: "r", environment, strict: true, capacityBytes: 100 });
  await store.tensors.put(item(100), { lifetime: { leaseMs: 1_000 } });
  const put = errorOf("ShuttingDown", () => store.tensors.put(item(100)));
  const read = errorOf("ShuttingDown", () => store.logs.read("a", undefined, { waitMs: 1_000 }));
  await turn();
  await store.close();
  await Promise.all([put, read]);
  assert.equal(environment.timers, 0);
});

test("memory store: whatever comes and goes, all waits end in order and the capacity holds", () =>
  property(
    [fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 60 }), fc.infiniteStream(fc.nat())],
    async (sizes, choices) => {
      const store = memoryStore({ run: "r", environment: world(), strict: false, capacityBytes: 100 });
      const order: number[] = [];
      const standing: Awaited<ReturnType<typeof store.tensors.put>>[] = [];
      const puts = sizes.map((bytes, index) =>
        store.tensors.put(item(bytes)).then((ref) => {
          order.push(index);
          standing.push(ref);
        })
      );
      while (order.length < sizes.length) {
        await turn();
        assert.ok(store.statistics().bytes <= 100);
        assert.ok(standing.length > 0, "who waits is never let in");
        const [ref] = standing.splice(choices.next().value % standing.length, 1);
        await store.tensors.release(ref!);
      }
      await Promise.all(puts);
      assert.deepEqual(order, sizes.map((_, index) => index));
      await store.close();
    },
  ));
