// The capacity of `file:` is that of the whole run: what one process takes another cannot have, and gets when it is
// let go, by whoever, also where the one that took it was killed.
// minutes: 2
import { fileStore } from "../../stores/file.ts";
import { isShoalError } from "../../stores/error.ts";
import { tensorRef } from "../../stores/reference.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import { errorOf, world } from "../stores/world.ts";
import { assert, fc, long, property, seed, test } from "../suite.ts";
import { simulatedDisk } from "./disk.ts";
import { child, filesBelow, inFolder, opened } from "./place.ts";

const kB = (count: number): { readonly data: Uint8Array } => ({ data: new Uint8Array(count * 1_024) });
const capacityBytes = 2 ** 20;

test(
  "file store: who waits for room gets it when another process lets go, and what a killed one left stays counted",
  () =>
    inFolder(async (root) => {
      const [store, asker] = [
        await opened(root, { capacityBytes, waitMs: 100_000 }),
        await opened(root, { capacityBytes, full: "reject" }),
      ];
      const other = child("obey", root, `${capacityBytes}`);
      const lines = other.lines[Symbol.asyncIterator]();
      const said = async (): Promise<TensorRef> =>
        (JSON.parse((await lines.next()).value as string) as { ref: TensorRef }).ref;
      const put = async (count: number): Promise<TensorRef> => {
        other.tell({ bytes: count * 1_024 });
        return await said();
      };
      // One in a file of its own, and one among small ones.
      const [large, small] = [await put(960), await put(60)];
      const waiting = store.tensors.put(kB(900));
      let isIn = false;
      void waiting.then(() => isIn = true);
      await errorOf("CapacityExceeded", () => asker.tensors.put(kB(5)));
      assert.ok(!isIn);
      other.tell({ ref: large });
      await said();
      const mine = await waiting;
      await errorOf("CapacityExceeded", () => asker.tensors.put(kB(65)));

      // What it made is released here, and it has no part in that.
      const second = asker.tensors.put(kB(64));
      await store.tensors.release(await second);
      await store.tensors.release(small);
      await asker.tensors.release(await asker.tensors.put(kB(120)));
      // Now it waits, and learns by itself that there is room.
      other.tell({ bytes: 1_000 * 1_024 });
      await store.tensors.release(mine);
      const theirs = await said();
      await errorOf("CapacityExceeded", () => asker.tensors.put(kB(25)));

      other.kill("SIGKILL");
      await other.ended;
      await errorOf("CapacityExceeded", () => asker.tensors.put(kB(25)));
      const view = await store.tensors.get(theirs);
      assert.ok(view.data.every((value) => value === 7));
      view.done();
      const last = store.tensors.put(kB(1_024));
      await asker.tensors.release(theirs);
      await last;
      await store.close();
      // What stands is the run's also when all who made it have gone.
      await errorOf("CapacityExceeded", () => asker.tensors.put(kB(1)));
      await asker.tensors.release(await last);
      await asker.tensors.put(kB(1_024));
      await asker.close();
      assert.deepEqual(filesBelow(root).filter((path) => path.includes("/usage/") && path.endsWith(".temp")), []);
    }),
  { timeoutMs: 120_000 },
);

test(
  "file store: two processes that both want what only one can have get it one after the other",
  () =>
    inFolder(async (root) => {
      const others = [child("obey", root, `${capacityBytes}`), child("obey", root, `${capacityBytes}`)];
      await Promise.all(others.map(async (other) => {
        const lines = other.lines[Symbol.asyncIterator]();
        for (let turn = 0; turn < 5; turn++) {
          other.tell({ bytes: 700 * 1_024 });
          const { ref } = JSON.parse((await lines.next()).value as string) as { ref: TensorRef };
          other.tell({ ref });
          assert.ok((JSON.parse((await lines.next()).value as string) as { released: boolean }).released);
        }
        other.tell();
        await other.ended;
      }));
    }),
  { timeoutMs: 120_000 },
);

test("file store: what one only looked at or drafted is free for others once it is done", () =>
  inFolder(async (root) => {
    const [one, two] = [
      await opened(root, { capacityBytes, full: "reject" }),
      await opened(root, { capacityBytes, waitMs: 100_000 }),
    ];
    const ref = await one.tensors.put(kB(600));
    const view = await one.tensors.get(ref);
    await one.tensors.release(ref);
    const small = await one.tensors.put(kB(100));
    const draft = await one.tensors.allocate("uint8", [2 ** 18]);
    const waiting = two.tensors.put(kB(900));
    await errorOf("CapacityExceeded", () => one.tensors.put(kB(200)));
    view.done();
    draft.discard();
    await waiting;
    await errorOf("CapacityExceeded", () => one.tensors.put(kB(30)));
    await two.tensors.release(small);
    const last = await one.tensors.put(kB(120));
    assert.equal((await one.tensors.get(last)).data.length, 120 * 1_024);
    for (const store of [one, two]) await store.close();
  }));

/** What each step of a case does: who puts how much, or releases which of what stands, or closes and comes again. */
const steps = fc.array(
  fc.record({
    who: fc.nat(2),
    kB: fc.integer({ min: 0, max: 400 }),
    does: fc.constantFrom("put", "put", "put", "release", "release", "reopen"),
    which: fc.nat(20),
  }),
  { size: "max", maxLength: 30, minLength: 5 },
);

test(
  "file store: whoever puts and releases, together all hold no more than the capacity, and not much less",
  () =>
    property([steps], (all) =>
      inFolder(async (root) => {
        const open = (): Promise<Store> => opened(root, { capacityBytes, full: "reject", strict: false });
        const stores = [await open(), await open(), await open()];
        const standing: TensorRef[] = [];
        let heldBytes = 0;
        for (const { who, kB: size, does, which } of all) {
          const store = stores[who]!;
          if (does === "reopen") {
            await store.close();
            stores[who] = await open();
          } else if (does === "release") {
            const [ref] = standing.splice(which % (standing.length || 1), 1);
            if (ref === undefined) continue;
            await store.tensors.release(ref);
            heldBytes -= ref.bytes;
          } else {
            try {
              standing.push(await store.tensors.put(kB(size)));
              heldBytes += size * 1_024;
            } catch (error) {
              assert.match(String(error), /CapacityExceeded|holds \d+ of 1048576 bytes/);
              // Each other keeps a step to itself, and may be counted with another.
              const sparedBytes = 2 * 2 * capacityBytes / 256;
              assert.ok(
                heldBytes + size * 1_024 > capacityBytes - sparedBytes,
                `${heldBytes} held, ${size} kB refused`,
              );
            }
          }
          assert.ok(heldBytes <= capacityBytes, `${heldBytes} bytes stand in ${capacityBytes}`);
        }
        for (const store of stores) await store.close();
      }), { runs: 25 }),
  { timeoutMs: long ? 1_200_000 : 120_000 },
);

test("file store: after a power cut or a kill at any step the capacity holds, and all of it can be had", async () => {
  const bounds = { root: "/disk", run: "r", capacityBytes: 1_000, full: "reject" } as const;
  const tokens = world();
  const open = (disk: ReturnType<typeof simulatedDisk>, fsync: "always" | "never"): Promise<Store> =>
    fileStore({ ...bounds, environment: { ...world(), token: tokens.token }, fsync, disk });
  for (const fsync of ["always", "never"] as const) {
    for (let endsAt = 0, isOver = false; !isOver; endsAt++) {
      let state = seed + endsAt;
      const chance = (): number => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
      const disk = simulatedDisk({ chance, endsAt });
      const told: TensorRef[] = [];
      try {
        const store = await open(disk, fsync);
        for (const bytes of [300, 400]) told.push(await store.tensors.put({ data: new Uint8Array(bytes) }));
        await store.tensors.release(told.shift()!);
        told.push(await store.tensors.put({ data: new Uint8Array(500) }));
        await store.close();
        isOver = disk.steps <= endsAt;
      } catch (error) {
        // The disk has ended.
        if (!isShoalError(error)) throw error;
      }
      const store = await open(fsync === "never" ? disk.afterKill() : disk.afterPowerCut(), fsync);
      const heldBytes = told.reduce((sum, { bytes }) => sum + bytes, 0);
      if (heldBytes > 0) {
        await errorOf("CapacityExceeded", () => store.tensors.put({ data: new Uint8Array(1_001 - heldBytes) }));
      }
      for await (const { id, bytes } of store.tensors.list()) {
        const where = "file:///disk";
        await store.tensors.release(tensorRef({ run: "r", id, dtype: "uint8", shape: [bytes], bytes, where }));
      }
      // Whether the other still lives nobody can say here: what it said that it was about to write stays counted.
      await store.tensors.put({ data: new Uint8Array(isOver ? 1_000 : 400) });
      await store.close();
    }
  }
});
