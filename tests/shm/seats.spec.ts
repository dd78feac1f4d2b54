// What openings of `shm:` that have ended leave of the capacity: what one was killed over, the next one does, and what
// still stands is counted as it stands. And leases that nobody is left to let lapse.
// minutes: 1
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import type { TensorRef } from "../../stores/store.ts";
import { openPlace } from "../../stores/open.ts";
import { shmRoot } from "../../stores/shm.ts";
import { lapsedIn, type LapsingOptions } from "../../stores/shm/lapsing.ts";
import { foldersOf } from "../../stores/shm/place.ts";
import { seatsMax } from "../../stores/shm/seats.ts";
import type { Orphan } from "../../stores/sweep.ts";
import { errorOf } from "../stores/world.ts";
import { assert, test } from "../suite.ts";
import { arenasIn, child, inMemory, opened, real, seerOf, ways } from "./place.ts";

const MB = 2 ** 20;
const of = (bytes: number): { readonly data: Uint8Array } => ({ data: new Uint8Array(bytes) });
const foldersIn = (dir: string): ReturnType<typeof foldersOf> => foldersOf(shmRoot(dir), "r");
const seatsIn = (dir: string): string => `${foldersIn(dir).run}/seats`;
const writerOf = (ref: TensorRef): string => ref.id.slice(0, 16);

for (const map of ways) {
  const bounds = { map, capacityBytes: 4 * MB, full: "reject" } as const;

  test(`shm:?map=${map}: a seat over which one was killed is freed by the next who wants room`, () =>
    inMemory(async (dir) => {
      const other = child("obey", dir, map);
      const { ref } = await other.tell({ do: "put", bytes: 3 * MB, fill: 3 });
      other.kill("SIGKILL");
      await other.end();
      const first = await opened(dir, bounds);
      await first.tensors.release(ref!);
      await first.close();
      assert.deepEqual(arenasIn(dir), []);
      await child("see", dir, map).end();
      assert.deepEqual(readdirSync(`${seatsIn(dir)}/0`), [`${writerOf(ref!)}.${seerOf}`], "it was not killed over it");
      const last = await opened(dir, bounds);
      await last.tensors.put(of(3 * MB));
      await last.close();
    }));

  test(`shm:?map=${map}: of one that was killed only what still stands is counted`, () =>
    inMemory(async (dir) => {
      const other = child("obey", dir, map);
      const { ref: gone } = await other.tell({ do: "put", bytes: 2 * MB, fill: 3 });
      const { ref: kept } = await other.tell({ do: "put", bytes: MB, fill: 4 });
      other.kill("SIGKILL");
      await other.end();
      const store = await opened(dir, bounds);
      await errorOf("CapacityExceeded", () => store.tensors.put(of(2 * MB)));
      store.tensors.pin(gone!, "a message");
      await store.tensors.release(gone!);
      await errorOf("CapacityExceeded", () => store.tensors.put(of(2 * MB)));
      store.tensors.unpin(gone!, "a message", false);
      const own = await store.tensors.put(of(2 * MB));
      await errorOf("CapacityExceeded", () => store.tensors.put(of(2 * MB)));
      (await store.tensors.get(kept!)).done();
      await store.tensors.release(own);
      await store.close();
    }));

  test(`shm:?map=${map}: seats that were left empty, or whose owners are gone, are there for others`, () =>
    inMemory(async (dir) => {
      const seats = seatsIn(dir);
      for (let number = 0; number < seatsMax; number++) {
        mkdirSync(`${seats}/${number}`, { recursive: true, mode: 0o700 });
        if (number !== 7) writeFileSync(`${seats}/${number}/${number.toString(16).padStart(16, "0")}`, "");
      }
      const [one, two] = [await opened(dir, bounds), await opened(dir, bounds)];
      assert.equal(readdirSync(`${seats}/7`).length, 1, "what is empty is taken first");
      const ref = await one.tensors.put(of(3 * MB));
      await errorOf("CapacityExceeded", () => two.tensors.put(of(2 * MB)));
      await one.tensors.release(ref);
      await two.tensors.release(await two.tensors.put(of(2 * MB)));
      for (const store of [one, two]) await store.close();
      assert.deepEqual(readdirSync(seats), [], "who holds nothing leaves no seat behind");
    }));

  test(`shm:?map=${map}: a lease whose owner is gone lapses, counted from when a sweep first found it so`, () =>
    inMemory(async (dir) => {
      const other = child("obey", dir, map);
      const leased: TensorRef[] = [];
      for (let fill = 1; fill <= 2; fill++) {
        leased.push((await other.tell({ do: "put", bytes: 1_000, fill, lifetime: { leaseMs: 500 } })).ref!);
      }
      const { ref: standing } = await other.tell({ do: "put", bytes: 1_000, fill: 3 });
      const store = await opened(dir, bounds);
      const folders = foldersIn(dir);
      const lapsed = (now: number | undefined, dryRun: boolean = false): string[] => {
        const options: LapsingOptions = { folders, dryRun, now: () => now };
        return [...lapsedIn(options)].map(({ id }) => id);
      };
      // While it lives, it sees to its leases itself.
      assert.deepEqual(lapsed(1_000), []);
      other.kill("SIGKILL");
      await other.end();
      assert.deepEqual(lapsed(1_000_000, true), [], "a look is no sweep");
      assert.deepEqual(lapsed(10_000), []);
      assert.deepEqual(lapsed(10_900), []);
      assert.deepEqual(lapsed(undefined), [], "where there is no clock nothing lapses");
      store.tensors.pin(leased[1]!, "a message");
      assert.deepEqual(lapsed(12_000, true), [leased[0]!.id]);
      (await store.tensors.get(leased[0]!)).done();
      assert.deepEqual(lapsed(12_000), [leased[0]!.id]);
      await errorOf("Expired", () => store.tensors.get(leased[0]!));
      (await store.tensors.get(leased[1]!)).done();
      // Started anew, the machine has another time: it counts from there.
      assert.deepEqual(lapsed(200), []);
      store.tensors.unpin(leased[1]!, "a message", false);
      const url = `shm:?dir=${encodeURIComponent(dir)}`;
      const found: Orphan[] = [];
      for await (const orphan of (await openPlace(url, { environment: real })).sweep()) found.push(orphan);
      assert.deepEqual(found.map(({ kind, what, bytes }) => [kind, what, bytes]), [["lapsed", leased[1]!.id, 1_000]]);
      await errorOf("Expired", () => store.tensors.get(leased[1]!));
      (await store.tensors.get(standing!)).done();
      await store.close();
    }));
}
