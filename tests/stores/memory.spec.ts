// The tensors of `memory:` by example, where the laws of stores (laws.spec.ts) do not say it: drafts, views, pins,
// lifetimes.
import { memoryStore } from "../../stores/memory.ts";
import { tensorRef } from "../../stores/reference.ts";
import type { Lifetime } from "../../stores/store.ts";
import { assert, test } from "../suite.ts";
import { errorOf, world } from "./world.ts";

test("memory store: put copies once, get copies nothing", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true });
  const source = Float64Array.of(1, 2, 3);
  const ref = await store.tensors.put({ data: source });
  source.fill(9);
  const a = await store.tensors.get(ref);
  const b = await store.tensors.get(ref);
  assert.deepEqual([...a.data], [1, 2, 3]);
  assert.equal(a.data.buffer, b.data.buffer);
  assert.equal(a.data.byteOffset, b.data.byteOffset);
  assert.equal(a.keep(), a);
  await store.close();
});

test("memory store: getMany yields in the order asked, and ends with the error of what is not there", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true });
  const refs = await store.tensors.putMany([1, 2, 3].map((value) => ({ data: Int32Array.of(value) })));
  await store.tensors.release(refs[2]!);
  const seen: number[] = [];
  await errorOf("Missing", async () => {
    for await (const tensor of store.tensors.getMany([refs[1]!, refs[0]!, refs[1]!, refs[2]!])) {
      seen.push(Number(tensor.data[0]));
      tensor.done();
    }
  });
  assert.deepEqual(seen, [2, 1, 2]);
  await store.close();
});

test("memory store: released is Missing for ever, twice is once, and views stand until done", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true });
  const ref = await store.tensors.put({ data: Uint8Array.of(1, 2, 3) });
  const view = await store.tensors.get(ref);
  await store.tensors.release(ref);
  await store.tensors.release(ref);
  await errorOf("Missing", () => store.tensors.get(ref));
  for (let count = 0; count < 50; count++) await store.tensors.put({ data: new Uint8Array(3).fill(9) });
  assert.deepEqual([...view.data], [1, 2, 3]);
  view.done();
  await errorOf("Missing", () => store.tensors.get(ref));
  assert.equal(store.statistics().tensors, 50);
  await store.close();
});

test("memory store: a view that is done twice does not end another's", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true });
  const ref = await store.tensors.put({ data: Uint8Array.of(1, 2, 3) });
  const [a, b] = [await store.tensors.get(ref), await store.tensors.get(ref)];
  await store.tensors.release(ref);
  a.done();
  a.done();
  assert.deepEqual([...b.data], [1, 2, 3]);
  assert.equal(store.statistics().bytes, 3);
  b.done();
  assert.equal(store.statistics().bytes, 0);
  await store.close();
});

test("memory store: a draft is no tensor until it is sealed, once; a discarded one never", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true });
  const draft = await store.tensors.allocate("uint8", [2]);
  const states = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const entry of store.tensors.list()) found.push(entry.state);
    return found;
  };
  assert.deepEqual(await states(), ["draft"]);
  let id = "";
  for await (const entry of store.tensors.list()) id = entry.id;
  const guessed = tensorRef({ run: "r", id, dtype: "uint8", shape: [2], bytes: 2, where: "memory:" });
  await errorOf("Missing", () => store.tensors.get(guessed));
  await store.tensors.release(guessed);
  draft.data.fill(7);
  const ref = await draft.seal();
  assert.equal(await draft.seal(), ref);
  draft.discard();
  const view = await store.tensors.get(ref);
  assert.deepEqual([...view.data], [7, 7]);
  await store.tensors.release(ref);
  assert.deepEqual(await states(), ["released"]);
  view.done();
  assert.deepEqual(await states(), []);
  const other = await store.tensors.allocate("uint8", [2]);
  other.discard();
  await assert.rejects(other.seal(), TypeError);
  await store.close();
});

test("memory store: a pin keeps what has lapsed, by holder, however often it is repeated", async () => {
  const environment = world();
  const store = memoryStore({ run: "r", environment, strict: true, graceMs: 100 });
  const ref = await store.tensors.put({ data: Uint8Array.of(1) }, { lifetime: { leaseMs: 1_000 } });
  store.tensors.pin(ref, "message 1");
  store.tensors.pin(ref, "message 1");
  store.tensors.pin(ref, "snapshot");
  await environment.advance(5_000);
  (await store.tensors.get(ref)).done();
  store.tensors.unpin(ref, "message 1", true);
  store.tensors.unpin(ref, "message 1", true);
  (await store.tensors.get(ref)).done();
  store.tensors.unpin(ref, "nobody", true);
  store.tensors.unpin(ref, "snapshot", false);
  await errorOf("Expired", () => store.tensors.get(ref));
  store.tensors.pin(ref, "late");
  await errorOf("Expired", () => store.tensors.get(ref));
  assert.equal(store.statistics().bytes, 0);
  await store.close();
});

test("memory store: never collected while leased, Expired from then on, collected within the grace", async () => {
  const environment = world();
  const store = memoryStore({ run: "r", environment, strict: true, graceMs: 100 });
  const lifetimes = [1, 250, 1_000, 40_000, 2 ** 40];
  const refs = await Promise.all(
    lifetimes.map((leaseMs) => store.tensors.put({ data: new Uint8Array(10) }, { lifetime: { leaseMs } })),
  );
  let now = 0;
  for (const [index, leaseMs] of lifetimes.entries()) {
    await environment.advance(leaseMs - 1 - now);
    (await store.tensors.get(refs[index]!)).done();
    await environment.advance(1);
    await errorOf("Expired", () => store.tensors.get(refs[index]!));
    now = leaseMs;
  }
  await environment.advance(100);
  assert.equal(store.statistics().bytes, 0);
  const released = await store.tensors.put({ data: new Uint8Array(10) }, { lifetime: { leaseMs: 1_000 } });
  await store.tensors.release(released);
  assert.equal(environment.timers, 0);
  await errorOf("Missing", () => store.tensors.get(released));
  const untouched = await store.tensors.put({ data: new Uint8Array(10) }, { lifetime: { leaseMs: 1_000 } });
  await environment.advance(1_100);
  assert.equal(store.statistics().bytes, 0, "nobody had to ask");
  await errorOf("Expired", () => store.tensors.get(untouched));
  const late = await store.tensors.put({ data: new Uint8Array(10) }, { lifetime: { leaseMs: 1_000 } });
  await environment.advance(1_000);
  await store.tensors.release(late);
  await errorOf("Expired", () => store.tensors.get(late));
  await store.close();
});

test("memory store: refuses lifetimes that nobody could keep", async () => {
  const store = memoryStore({ run: "r", environment: world(), strict: true });
  const lifetimes = [
    {},
    null,
    { until: "never" },
    { reads: 0 },
    { reads: 1.5 },
    { leaseMs: 0 },
    { leaseMs: NaN },
    {
      leaseMs: 1,
      reads: 1,
    },
    { lease: 5 },
    "run",
  ];
  for (const lifetime of lifetimes) {
    await errorOf("BadInput", () => store.tensors.put({ data: new Uint8Array(1) }, { lifetime: lifetime as Lifetime }));
  }
  assert.equal(store.statistics().bytes, 0);
  await store.close();
});

test("memory store: two stores never see each other, of two runs or of one", async () => {
  const environment = world();
  const [a, b, c] = ["r1", "r2", "r1"].map((run) => memoryStore({ run, environment, strict: true }));
  const ref = await a!.tensors.put({ data: Uint8Array.of(1) });
  await errorOf("BadInput", () => b!.tensors.get(ref));
  await errorOf("BadInput", () => b!.tensors.release(ref));
  await errorOf("BadInput", async () => b!.tensors.pin(ref, "x"));
  await errorOf("Missing", () => c!.tensors.get(ref));
  await c!.tensors.release(ref);
  await a!.claims.claim("name", 1, "a");
  await a!.logs.append("stream", 1, [Uint8Array.of(1)]);
  for (const other of [b!, c!]) {
    assert.equal(await other.claims.claimed("name"), undefined);
    assert.deepEqual(await other.logs.streams(""), []);
    assert.deepEqual(await other.logs.read("stream", undefined), []);
    await other.close();
  }
  (await a!.tensors.get(ref)).done();
  await a!.close();
});
