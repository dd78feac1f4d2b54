// A process whose memory is 64 MB small: fills it, by one store and by two, with tensors and with what is not shoal's.
import { strict as assert } from "node:assert";
import { closeSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Store, TensorRef } from "../../stores/store.ts";
import { errorOf } from "../stores/world.ts";
import { isFilled, opened, type Way } from "./place.ts";

const [, , dir = "", map = "auto"] = process.argv;
const way: Way = map === "never" ? "never" : "auto";
const MB = 2 ** 20;
const item = (bytes: number, fill: number): { data: Uint8Array } => ({ data: new Uint8Array(bytes).fill(fill) });

async function isWhole(store: Store, refs: ReadonlyMap<TensorRef, number>): Promise<void> {
  for (const [ref, fill] of refs) {
    const view = await store.tensors.get(ref);
    assert.ok(isFilled(view.data, fill));
    view.done();
  }
  let count = 0;
  for await (const { state } of store.tensors.list()) count += state === "sealed" ? 1 : 0;
  assert.equal(count, refs.size, "what was refused left something");
}

/** Puts until there is no more. */
async function filled(store: Store, bytes: number): Promise<Map<TensorRef, number>> {
  const refs = new Map<TensorRef, number>();
  for (let fill = 1; fill < 100_000; fill++) {
    try {
      refs.set(await store.tensors.put(item(bytes, fill & 255)), fill & 255);
    } catch (error) {
      const { outcome, message } = await errorOf("CapacityExceeded", () => Promise.reject(error));
      assert.equal(outcome, "failed");
      assert.match(message, /is full \(ENOSPC\); release tensors/);
      return refs;
    }
  }
  throw new Error("It is never full");
}

async function releaseAll(store: Store, refs: ReadonlyMap<TensorRef, number>): Promise<void> {
  for (const ref of refs.keys()) await store.tensors.release(ref);
}

/** One store: refused, and all goes on when something is released. */
async function refuses(bytes: number, least: number): Promise<void> {
  const store = await opened(dir, { map: way, full: "reject", capacityBytes: 2 ** 30 });
  const refs = await filled(store, bytes);
  assert.ok(refs.size >= least, `${refs.size} of ${bytes} bytes found place`);
  await isWhole(store, refs);
  const { free } = space();
  assert.ok(free < bytes + 2 * MB, `${free} bytes are free, and ${bytes} were refused`);
  await errorOf("CapacityExceeded", () => store.tensors.allocate("uint8", [bytes]));
  const [[first] = []] = [...refs];
  await store.tensors.release(first!);
  refs.delete(first!);
  refs.set(await store.tensors.put(item(bytes, 77)), 77);
  await isWhole(store, refs);
  await releaseAll(store, refs);
  // Of another size: what the small ones took serves a large one.
  const large = await store.tensors.put(item(40 * MB, 5));
  await isWhole(store, new Map([[large, 5]]));
  await store.tensors.release(large);
  await store.close();
}

/** Two stores: one waits for what the other gives back. */
async function waits(): Promise<void> {
  const one = await opened(dir, { map: way, full: "reject", capacityBytes: 2 ** 30 });
  const two = await opened(dir, { map: way, full: "wait", waitMs: 60_000, capacityBytes: 2 ** 30 });
  const brief = await opened(dir, { map: way, full: "wait", waitMs: 50, capacityBytes: 2 ** 30 });
  const refs = await filled(one, 4 * MB);
  const late = two.tensors.put(item(30 * MB, 3));
  const { message } = await errorOf("CapacityExceeded", () => brief.tensors.put(item(30 * MB, 3)));
  assert.match(message, /waited 50 ms/);
  const controller = new AbortController();
  const cut = two.tensors.put(item(30 * MB, 3), { signal: controller.signal });
  controller.abort();
  await errorOf("Cancelled", () => cut);
  await releaseAll(one, refs);
  // It learns at its next call that somebody wants what it does not use.
  let isThere = false;
  void late.then(() => isThere = true);
  while (!isThere) {
    await one.tensors.release(await one.tensors.put(item(10, 1)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await isWhole(two, new Map([[await late, 3]]));
  await two.tensors.release(await late);
  for (const store of [brief, two, one]) await store.close();
}

/** What is not the store's fills it: tensors, logs and readers are refused, and nothing ends the process. */
async function crowdedOut(): Promise<void> {
  const store = await opened(dir, { map: way, full: "reject", capacityBytes: 2 ** 30 });
  const ref = await store.tensors.put(item(1_000, 4));
  await store.logs.append("s", 1, [Uint8Array.of(1)]);
  const path = join(dir, "other");
  const file = openSync(path, "w");
  const piece = new Uint8Array(2 ** 16);
  try {
    while (writeSync(file, piece) === piece.length);
  } catch {
    // Full now.
  }
  closeSync(file);
  assert.equal(space().free, 0);
  await errorOf("CapacityExceeded", () => store.tensors.put(item(8 * MB, 1)));
  await errorOf("CapacityExceeded", () => store.logs.append("s", 1, [new Uint8Array(MB)]));
  // A process that comes now finds no room for an arena of its own; one that is there reads on.
  await errorOf("CapacityExceeded", () => opened(dir, { map: way }));
  (await store.tensors.get(ref)).done();
  rmSync(path);
  await isWhole(store, new Map([[ref, 4]]));
  assert.deepEqual(await store.logs.append("s", 1, [new Uint8Array(MB)]), { epoch: 1, sequence: 2 });
  await store.tensors.release(ref);
  await store.close();
}

const space = (): { free: number } => {
  const { bavail, bsize } = statfsSync(dir);
  return { free: bavail * bsize };
};

await refuses(4 * MB, 12);
await refuses(10_000, 5_000);
await refuses(20 * MB, 2);
await waits();
await crowdedOut();
console.log("all went on");
