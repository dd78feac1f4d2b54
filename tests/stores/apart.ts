// Two runs on the same servers at once, one of them hostile: it calls its streams and claims what the other's keys are
// called, and what patterns and separators mean something by. Neither sees, changes or takes away anything of the other.
import type { Store, TensorRef } from "../../stores/store.ts";
import { isShoalError } from "../../stores/open.ts";
import { assert } from "../suite.ts";

const frame = (text: string): Uint8Array => new TextEncoder().encode(text);
const names = ["s", "a/b", "a:b", "gone x", "*"];

/** What a run sees: all that is in it, in the order of its names. */
async function seen(store: Store, refs: readonly TensorRef[]): Promise<object> {
  const streams: Record<string, string[]> = {};
  for (const name of await store.logs.streams("")) {
    const entries = await store.logs.read(name, undefined, { entriesMax: 1_000 });
    streams[name] = entries.map((one) => `${one.epoch}.${one.sequence} ${new TextDecoder().decode(one.frame)}`);
  }
  const claims: Record<string, unknown> = {};
  for (const name of await store.claims.claims("")) claims[name] = await store.claims.claimed(name);
  const tensors: string[] = [];
  for (const ref of refs) {
    const tensor = await store.tensors.get(ref);
    tensors.push(`${tensor.data.length} of ${tensor.data[0]}`);
    tensor.done();
  }
  const listed: string[] = [];
  for await (const { id } of store.tensors.list()) listed.push(id);
  return { streams, claims, tensors, listed: listed.sort() };
}

/** `keys` answers what the servers hold by then, as text: what a hostile run could know of them. */
export async function apart(
  open: (run: string) => Promise<Store>,
  keys: () => Promise<readonly string[]>,
): Promise<void> {
  const [calm, wild] = [await open("calm"), await open("calm.0")];
  try {
    const refs: TensorRef[] = [];
    for (const [index, name] of names.entries()) {
      await calm.logs.append(name, 3, [frame(`first of ${name}`), frame(`second of ${name}`)]);
      await calm.claims.claim(name, 2, `mine ${index}`);
      refs.push(await calm.tensors.put({ data: new Uint8Array(index * 700_000 + 1).fill(index) }));
    }
    const before = await seen(calm, refs);
    assert.deepEqual(await wild.logs.streams(""), []);
    assert.deepEqual(await wild.claims.claims(""), []);
    const own: TensorRef[] = [];
    const hostile = [...new Set([...names, ...await keys()])].filter((name) => name.length <= 1_024);
    assert.ok(hostile.length > names.length, "no key was seen");
    for (const name of hostile) {
      // Above all that the other has opened: what met would be fenced, taken and cut there.
      await wild.logs.append(name, 9, [frame("x"), frame("y")]);
      await wild.logs.trim(name, { epoch: 9, sequence: 1 });
      assert.equal((await wild.claims.claim(name, 9, "wild")).held, true, name);
    }
    own.push(await wild.tensors.put({ data: new Uint8Array(3).fill(255) }));
    for (const ref of refs) {
      // A reference of the other run's is no reference here, to read or to release.
      for (const alike of [ref, { ...ref, run: "calm.0" }]) {
        await assert.rejects(wild.tensors.get(alike), (error) => isShoalError(error), "it is got");
        await wild.tensors.release(alike).catch((error: unknown) => assert.ok(isShoalError(error), String(error)));
      }
    }
    assert.deepEqual(await wild.logs.streams(""), [...hostile].sort());
    assert.deepEqual(await seen(calm, refs), before);
    const fresh = await open("calm");
    assert.deepEqual(await seen(fresh, refs), before);
    await fresh.close();
    for (const name of names) await calm.logs.append(name, 3, [frame("third")]);
    await wild.tensors.release(own[0]!);
    const { streams } = await seen(calm, refs) as { streams: Record<string, string[]> };
    for (const name of names) assert.equal(streams[name]!.length, 3, name);
  } finally {
    await calm.close();
    await wild.close();
  }
}
