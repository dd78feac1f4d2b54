// The capacity of `shm:` is that of all processes of a run: what one takes another cannot have, and gets when it is let
// go, by whoever, also by one that was killed.
// minutes: 2
import { isShoalError } from "../../stores/error.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import { errorOf, world } from "../stores/world.ts";
import { assert, fc, property, test } from "../suite.ts";
import { arenasIn, child, inMemory, opened, ways } from "./place.ts";

const kB = (count: number): { readonly data: Uint8Array } => ({ data: new Uint8Array(count * 1_024) });
const capacityBytes = 100 * 1_024;

for (const map of ways) {
  test(`shm:?map=${map}&pool=…: so much of what is free stays for the next, and the rest goes in time`, () =>
    inMemory(async (dir) => {
      const bytes = 2 ** 23;
      for (const poolBytesMax of [2 ** 20, 2 ** 25]) {
        const environment = world();
        const store = await opened(dir, { map, environment, run: `r${poolBytesMax}`, poolBytesMax });
        await store.tensors.release(await store.tensors.put({ data: new Uint8Array(bytes).fill(7) }));
        const { pooledBytes } = store.statistics();
        assert.ok(pooledBytes >= bytes, `${pooledBytes}`);
        // What was needed in the first while is kept for the second.
        for (let turns = 0; turns < 3; turns++) await environment.advance(10_000);
        const left = store.statistics().pooledBytes;
        if (poolBytesMax < bytes) assert.ok(left <= poolBytesMax, `${left} are left`);
        else assert.equal(left, pooledBytes);
        // New pages and kept ones take what is put all the same.
        const view = await store.tensors.get(await store.tensors.put({ data: new Uint8Array(bytes).fill(9) }));
        assert.ok(view.data.every((each) => each === 9));
        view.done();
        await store.close();
        assert.equal(environment.timers, 0);
      }
    }));

  test(`shm:?map=${map}: two openings hold what one may, to the last byte, and no more`, () =>
    inMemory(async (dir) => {
      const [one, two] = [
        await opened(dir, { map, capacityBytes, full: "reject" }),
        await opened(dir, { map, capacityBytes, full: "reject" }),
      ];
      const first = await one.tensors.put(kB(60));
      const { message } = await errorOf("CapacityExceeded", () => two.tensors.put(kB(41)));
      assert.match(message, /all processes of the run together may hold 102400 bytes; release tensors, or/);
      const second = await two.tensors.put(kB(40));
      await errorOf("CapacityExceeded", () => one.tensors.put({ data: Uint8Array.of(1) }));
      await errorOf("CapacityExceeded", () => two.tensors.allocate("uint8", [1]));
      (await one.tensors.get(second)).done();
      await two.tensors.release(first);
      // Whoever gave it out learns of the release when he looks: the next time that he wants something himself.
      await one.tensors.release(await one.tensors.put({ data: Uint8Array.of(1) }));
      const third = await two.tensors.put(kB(60));
      for (const ref of [second, third]) await two.tensors.release(ref);
      await one.tensors.release(await one.tensors.put(kB(100)));
      await two.close();
      await one.close();
    }));

  test(
    `shm:?map=${map}: who waits for room gets it when another process lets go, or is killed and swept`,
    () =>
      inMemory(async (dir) => {
        const bounds = { map, capacityBytes: 2 ** 28, full: "wait", waitMs: 20_000 } as const;
        const store = await opened(dir, bounds);
        const other = child("obey", dir, map);
        const large = 200 * 2 ** 20;
        const { ref } = await other.tell({ do: "put", bytes: large, fill: 3 });
        const waiting = store.tensors.put({ data: new Uint8Array(large).fill(4) });
        let isIn = false;
        void waiting.then(() => isIn = true);
        await other.tell({ do: "count" });
        assert.ok(!isIn);
        await other.tell({ do: "release", ref: ref! });
        const mine = await waiting;
        // What a dead one leaves stays readable, and counted; when it is released there is room again.
        const second = await other.tell({ do: "put", bytes: 40 * 2 ** 20, fill: 5 });
        other.kill("SIGKILL");
        await other.end();
        await store.tensors.release(mine);
        const rejecting = await opened(dir, { ...bounds, full: "reject" });
        await errorOf("CapacityExceeded", () => rejecting.tensors.put({ data: new Uint8Array(220 * 2 ** 20) }));
        const view = await rejecting.tensors.get(second.ref!);
        assert.equal(view.data[7], 5);
        view.done();
        await rejecting.tensors.release(second.ref!);
        await rejecting.close();
        // Swept by whoever comes or goes once nobody reads there any more: its seat is free.
        assert.equal(arenasIn(dir).length, 1);
        const last = await opened(dir, { ...bounds, full: "reject" });
        await last.tensors.put({ data: new Uint8Array(220 * 2 ** 20) });
        await last.close();
        await store.close();
      }),
    { timeoutMs: 120_000 },
  );
}

for (const map of ways) {
  test(
    `shm:?map=${map}: what one that was killed has left is free once it is released, though others live on`,
    () =>
      inMemory(async (dir) => {
        const bounds = { map, capacityBytes: 2 ** 22, full: "wait", waitMs: 60_000 } as const;
        const [store, reader] = [await opened(dir, bounds), await opened(dir, bounds)];
        const other = child("obey", dir, map);
        const { ref } = await other.tell({ do: "put", bytes: 3 * 2 ** 20, fill: 3 });
        for (const one of [store, reader]) (await one.tensors.get(ref!)).done();
        other.kill("SIGKILL");
        await other.end();
        const view = await reader.tensors.get(ref!);
        await store.tensors.release(ref!);
        // The last who looks at it is not done yet: nothing is taken from under him, and who wants room waits.
        const waiting = store.tensors.put({ data: new Uint8Array(3 * 2 ** 20) });
        assert.ok((view.data as Uint8Array).every((byte) => byte === 3));
        view.done();
        await waiting;
        // Its memory goes when the last who has been there looks who has ended.
        while (arenasIn(dir).length > 2) await new Promise((resolve) => setTimeout(resolve, 20));
        await store.close();
        await reader.close();
      }),
    { timeoutMs: 120_000 },
  );
}

/** What each step of a case does: who puts how much, or releases which of what stands. */
const steps = fc.array(
  fc.record({ who: fc.nat(3), kB: fc.integer({ min: 0, max: 70 }), releases: fc.boolean(), which: fc.nat(20) }),
  { size: "max", maxLength: 60, minLength: 5 },
);

test("shm: of any number that come at once, all together never hold more, and what is refused had no room", async () => {
  await property([steps], async (each) => {
    await inMemory(async (dir) => {
      const stores: Store[] = [];
      for (let count = 0; count < 4; count++) stores.push(await opened(dir, { capacityBytes, full: "reject" }));
      const standing: { ref: TensorRef; by: Store }[] = [];
      let heldBytes = 0;
      for (const { who, kB: size, releases, which } of each) {
        const store = stores[who]!;
        const [gone] = releases ? standing.splice(which % Math.max(1, standing.length), 1) : [];
        if (gone !== undefined) {
          await gone.by.tensors.release(gone.ref);
          heldBytes -= gone.ref.bytes;
          continue;
        }
        try {
          standing.push({ ref: await store.tensors.put(kB(size)), by: store });
          heldBytes += size * 1_024;
        } catch (error) {
          assert.ok(isShoalError(error, "CapacityExceeded"), String(error));
          // Rounding up keeps back a part of the capacity for each of the others, and no more.
          const sparedBytes = 3 * 3 * (capacityBytes / 256 + 256);
          assert.ok(heldBytes + size * 1_024 > capacityBytes - sparedBytes, `${heldBytes} held, ${size} kB refused`);
        }
        assert.ok(heldBytes <= capacityBytes, `${heldBytes} bytes stand in ${capacityBytes}`);
      }
      for (const store of stores) await store.close();
    });
  }, { runs: 15 });
});
