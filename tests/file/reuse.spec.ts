// Files and descriptors that a near disk uses again: whoever reads or releases what is gone meanwhile gets neither
// another's bytes nor another's tensor, and what nobody uses goes after a while.
import type { Disk, DiskFile } from "../../stores/file/disk.ts";
import { fileStore } from "../../stores/file.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import { simulatedDisk } from "../../stores/simulated/disk.ts";
import { errorOf, type World, world } from "../stores/world.ts";
import { assert, seed, test } from "../suite.ts";

const large = 2 ** 20 + 3;
const filled = (value: number, bytes = large): { data: Uint8Array } => ({ data: new Uint8Array(bytes).fill(value) });
const tokens = world();

interface Hooks {
  /** Before the nth call of a kind, from 1; throws where it is to fail. */
  before?(call: string, count: number): Promise<void> | void;
}

/** A near disk that tells what is done with it. */
function watched(inner: Disk, hooks: Hooks = {}): { readonly disk: Disk; count(call: string): number } {
  const counts = new Map<string, number>();
  const done = async (call: string): Promise<void> => {
    const count = (counts.get(call) ?? 0) + 1;
    counts.set(call, count);
    await hooks.before?.(call, count);
  };
  const fileOf = (file: DiskFile): DiskFile => ({
    ...file,
    read: async (into, position) => (await done("read"), await file.read(into, position)),
    write: async (bytes, position) => (await done("write"), await file.write(bytes, position)),
    close: async () => (await done("close"), await file.close()),
  });
  return {
    disk: {
      ...inner,
      isNear: true,
      open: async (path, how) => (await done(how === "create" ? how : "open"), fileOf(await inner.open(path, how))),
      rename: async (from, to) => (await done("rename"), await inner.rename(from, to)),
      remove: async (path) => (await done("remove"), await inner.remove(path)),
    },
    count: (call) => counts.get(call) ?? 0,
  };
}

let state = seed;
const chance = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
/** Reads and writes are short now and then; where calls are counted, never. */
const machine = (from: () => number = chance): Disk => simulatedDisk({ chance: from });

const opened = (disk: Disk, environment: World = world(), others: object = {}): Promise<Store> =>
  fileStore({ root: "/disk", run: "r", environment: { ...environment, token: tokens.token }, disk, ...others });

async function standsAs(store: Store, ref: TensorRef, value: number): Promise<void> {
  const tensor = await store.tensors.get(ref);
  assert.ok(tensor.data.length === ref.bytes && tensor.data.every((each) => each === value));
  tensor.done();
}

test("file store: the file of a tensor that is gone is written again, shorter or longer, under another id", async () => {
  const { disk, count } = watched(machine());
  const [store, other] = [await opened(disk), await opened(disk)];
  const created = count("create");
  const gone: TensorRef[] = [];
  for (const [index, bytes] of [large, large - 400_000, large + 200_000, large].entries()) {
    const ref = await store.tensors.put(filled(index + 1, bytes));
    for (const reader of [store, other]) await standsAs(reader, ref, index + 1);
    for (const each of gone) await errorOf("Missing", () => other.tensors.get(each));
    await store.tensors.release(ref);
    gone.push(ref);
  }
  assert.equal(count("create") - created, 1);
  await store.close();
  await other.close();
});

test("file store: a tensor that is released and overwritten while it is read is Missing, at each of its calls", async () => {
  let whole = 0;
  for (let at = 1;; at++) {
    const inner = machine();
    const writer = await opened(watched(inner).disk);
    const ref = await writer.tensors.put(filled(1));
    let isOver = false;
    let calls = 0;
    const { disk } = watched(inner, {
      async before(call) {
        if ((call !== "read" && call !== "open") || ++calls !== at) return;
        await writer.tensors.release(ref);
        await standsAs(writer, await writer.tensors.put(filled(2)), 2);
        isOver = true;
      },
    });
    const reader = await opened(disk);
    if (at === 1) await errorOf("Missing", () => reader.tensors.get(ref));
    else {
      const outcome = await reader.tensors.get(ref).then((tensor) => tensor, (error: unknown) => error);
      if (!isOver) {
        assert.ok(calls < at);
        whole += 1;
      } else await errorOf("Missing", () => Promise.reject(outcome));
    }
    await reader.close();
    await writer.close();
    if (!isOver) break;
    assert.ok(at < 40);
  }
  assert.equal(whole, 1);
});

test("file store: whoever releases a tensor that is just written over leaves the new one alone", async () => {
  for (const call of ["read", "remove"]) {
    const inner = machine();
    const writer = await opened(watched(inner).disk);
    const ref = await writer.tensors.put(filled(1));
    let next: TensorRef | undefined;
    const { disk } = watched(inner, {
      async before(each) {
        if (each !== call || next !== undefined) return;
        await writer.tensors.release(ref);
        next = await writer.tensors.put(filled(2));
      },
    });
    const other = await opened(disk);
    await other.tensors.release(ref);
    assert.ok(next !== undefined);
    for (const store of [writer, other]) {
      await standsAs(store, next, 2);
      await errorOf("Missing", () => store.tensors.get(ref));
    }
    await other.close();
    await writer.close();
  }
});

test("file store: a full disk gets back what is only kept for the next, whoever finds it full", async () => {
  let isFull = false;
  const { disk, count } = watched(machine(), {
    before(call) {
      if (call === "remove") isFull = false;
      if (call === "write" && isFull) throw Object.assign(new Error("full"), { code: "EDQUOT" });
    },
  });
  const store = await opened(disk);
  const calls: readonly (() => Promise<unknown>)[] = [
    // Too large for the spare file: a new one, for which there is room when that is gone.
    async () => await standsAs(store, await store.tensors.put(filled(3, 4 * large)), 3),
    async () => await standsAs(store, await store.tensors.put(filled(4, 10)), 4),
    async () => assert.equal((await store.logs.append("s", 1, [Uint8Array.of(1)])).sequence, 1),
    async () => assert.ok((await store.claims.claim("c", 1, "x")).held),
  ];
  for (const call of calls) {
    await store.tensors.release(await store.tensors.put(filled(1)));
    isFull = true;
    const removed = count("remove");
    await call();
    assert.ok(count("remove") > removed && !isFull);
  }
  isFull = true;
  await errorOf("CapacityExceeded", () => store.tensors.put(filled(5, 10)));
  isFull = false;
  await store.close();
});

test("file store: buffers, descriptors and files that nobody uses any more go, and the timer with them", async () => {
  const environment = world();
  const { disk, count } = watched(machine(() => 0.5));
  const store = await opened(disk, environment);
  const small = await store.tensors.put(filled(1, 100));
  const big = await store.tensors.put(filled(2));
  const read = count("read");
  for (let times = 0; times < 3; times++) await standsAs(store, small, 1);
  assert.equal(count("read") - read, 3, "one read each, of a file that stays open");
  await standsAs(store, big, 2);
  await store.tensors.release(big);
  assert.ok(store.statistics().pooledBytes > large);
  const [closed, removed] = [count("close"), count("remove")];
  for (let turn = 0; turn < 4; turn++) await environment.advance(10_000);
  assert.equal(store.statistics().pooledBytes, 0);
  assert.equal(count("close") - closed, 2, "of the segment, and of the spare file");
  assert.equal(count("remove") - removed, 1);
  assert.equal(environment.timers, 0);
  await standsAs(store, small, 1);
  await store.close();
  assert.equal(environment.timers, 0);
});
