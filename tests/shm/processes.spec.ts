// Several processes in one memory: one reads what another put, takes part in when it goes, or is killed in the middle.
// minutes: 4
import { Buffer } from "node:buffer";
import type { TensorRef } from "../../stores/store.ts";
import { assert, long, seed, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { arenasIn, child, inMemory, isFilled, opened, type Way, ways } from "./place.ts";

const filled = (bytes: number, fill: number): { data: Uint8Array } => ({ data: new Uint8Array(bytes).fill(fill) });

const pairs: readonly (readonly [Way, Way])[] = [["auto", "auto"], ["auto", "never"], ["never", "auto"]];
for (const [own, other] of pairs) {
  const between = `${own === "auto" ? "mapped" : "called"} owner, ${other === "auto" ? "mapped" : "called"} reader`;

  test(`shm store: what one process put another gets, and releases (${between})`, () =>
    inMemory(async (dir) => {
      const store = await opened(dir, { map: own });
      const reader = child("obey", dir, other);
      const refs: TensorRef[] = [];
      for (const [index, bytes] of [1, 1_000, 65_537, 3 * 2 ** 20, 40 * 2 ** 20].entries()) {
        refs.push(await store.tensors.put(filled(bytes, index + 1)));
      }
      for (const [index, ref] of refs.entries()) {
        assert.deepEqual(await reader.tell({ do: "get", ref }), { fill: index + 1 });
        await reader.tell({ do: "done", id: ref.id });
      }
      for (const ref of refs) {
        assert.deepEqual(await reader.tell({ do: "release", ref }), {});
        await errorOf("Missing", () => store.tensors.get(ref));
        assert.deepEqual(await reader.tell({ do: "get", ref }), { code: "Missing" });
      }
      // The next who is let in takes notice of what others have released.
      const next = await store.tensors.put(filled(10, 9));
      assert.deepEqual([store.statistics().tensors, store.statistics().bytes], [1, 10]);
      assert.deepEqual((await reader.tell({ do: "list" })).ids, [next.id]);
      await store.tensors.release(next);
      await reader.end();
      await store.close();
    }));

  test(`shm store: a view of another process keeps its place (${between})`, () =>
    inMemory(async (dir) => {
      const store = await opened(dir, { map: own, strict: true });
      const reader = child("obey", dir, other);
      for (const bytes of [1_000, 2 ** 21, 2 ** 26]) {
        const ref = await store.tensors.put(filled(bytes, 7));
        assert.deepEqual(await reader.tell({ do: "get", ref }), { fill: 7 });
        await reader.tell({ do: "pin", ref });
        await store.tensors.release(ref);
        const second = await store.tensors.put(filled(bytes, 8));
        assert.deepEqual(await reader.tell({ do: "look", id: ref.id }), { fill: 7 });
        assert.deepEqual(await reader.tell({ do: "get", ref }), { code: "Missing" });
        assert.equal(store.statistics().tensors, 2, "what is pinned takes room");
        await reader.tell({ do: "done", id: ref.id });
        await reader.tell({ do: "unpin", ref });
        const third = await store.tensors.put(filled(bytes, 9));
        assert.equal(store.statistics().tensors, 2);
        for (const each of [second, third]) await store.tensors.release(each);
        assert.equal(store.statistics().tensors, 0);
      }
      await reader.end();
      await store.close();
    }));

  test(`shm store: declared reads count wherever they happen (${between})`, () =>
    inMemory(async (dir) => {
      const store = await opened(dir, { map: own });
      const [one, two] = [child("obey", dir, other), child("obey", dir, other)];
      const ref = await store.tensors.put(filled(5, 1), { lifetime: { reads: 3 } });
      store.tensors.pin(ref, "own");
      for (const reader of [one, two]) await reader.tell({ do: "pin", ref });
      await one.tell({ do: "read", ref });
      store.tensors.unpin(ref, "own", true);
      (await store.tensors.get(ref)).done();
      // What was read by one who has ended still counts.
      await one.end();
      for await (const entry of store.tensors.list()) assert.equal(entry.id, ref.id);
      await two.tell({ do: "read", ref });
      assert.deepEqual(await two.tell({ do: "get", ref }), { code: "Missing" });
      await errorOf("Missing", () => store.tensors.get(ref));
      // The other way round: the owner reads last.
      const second = await store.tensors.put(filled(5, 2), { lifetime: { reads: 2 } });
      await two.tell({ do: "pin", ref: second });
      store.tensors.pin(second, "own");
      await two.tell({ do: "read", ref: second });
      assert.deepEqual(await two.tell({ do: "get", ref: second }), { fill: 2 });
      await two.tell({ do: "done", id: second.id });
      store.tensors.unpin(second, "own", true);
      await errorOf("Missing", () => store.tensors.get(second));
      await store.tensors.put(filled(5, 1), { lifetime: { until: "release" } });
      assert.equal(store.statistics().tensors, 1);
      await two.end();
      await store.close();
    }));
}

for (const way of ways) {
  test(`shm store: an owner that is killed leaves its readers what they have (map ${way})`, () =>
    inMemory(async (dir) => {
      const owner = child("obey", dir, way);
      const store = await opened(dir, { map: way });
      const { ref } = await owner.tell({ do: "put", bytes: 2 ** 21, fill: 3 });
      const { ref: other } = await owner.tell({ do: "put", bytes: 10, fill: 4 });
      const view = await store.tensors.get(ref!);
      owner.kill("SIGKILL");
      await owner.end();
      assert.equal(arenasIn(dir).length, 2);
      // A third that opens and closes sweeps nothing that stands.
      await (await opened(dir, { map: way })).close();
      assert.ok(isFilled(view.data, 3));
      (await store.tensors.get(other!)).done();
      await store.tensors.release(ref!);
      assert.ok(isFilled(view.data, 3), "a view outlives release and owner");
      view.done();
      await errorOf("Missing", () => store.tensors.get(ref!));
      await store.tensors.release(other!);
      await (await opened(dir, { map: way })).close();
      assert.equal(arenasIn(dir).length, 2, "who reads there lives");
      await store.close();
      assert.deepEqual(arenasIn(dir), []);
    }));

  test(`shm store: a reader that is killed holds nothing any more (map ${way})`, () =>
    inMemory(async (dir) => {
      const store = await opened(dir, { map: way, full: "wait", waitMs: 20_000, capacityBytes: 2 ** 22 });
      const reader = child("obey", dir, way);
      const ref = await store.tensors.put(filled(2 ** 22, 1));
      await reader.tell({ do: "get", ref });
      await reader.tell({ do: "pin", ref });
      await store.tensors.release(ref);
      assert.equal(store.statistics().bytes, 2 ** 22);
      reader.kill("SIGKILL");
      await reader.end();
      const next = await store.tensors.put(filled(2 ** 22, 2));
      await store.tensors.release(next);
      await store.close();
      assert.deepEqual(arenasIn(dir), []);
    }));

  test(`shm store: a process that stands still is not taken for one that has ended (map ${way})`, () =>
    inMemory(async (dir) => {
      const owner = child("obey", dir, way);
      const { ref } = await owner.tell({ do: "put", bytes: 1_000, fill: 3 });
      owner.kill("SIGSTOP");
      const store = await opened(dir, { map: way });
      await store.tensors.release(ref!);
      await store.close();
      assert.equal(arenasIn(dir).length, 1);
      owner.kill("SIGCONT");
      assert.deepEqual(await owner.tell({ do: "get", ref: ref! }), { code: "Missing" });
      const { ref: next } = await owner.tell({ do: "put", bytes: 1_000, fill: 5 });
      assert.deepEqual(await owner.tell({ do: "get", ref: next! }), { fill: 5 });
      assert.deepEqual(await owner.tell({ do: "count" }), { count: 1 });
      await owner.end();
    }));

  test(`shm store: a writer that is killed leaves nothing half-written (map ${way})`, () =>
    inMemory(async (dir) => {
      const reader = await opened(dir, { map: way });
      const kills = long ? 100 : way === "auto" ? 10 : 3;
      const one = async (kill: number): Promise<void> => {
        const writer = child("write", dir, way);
        const refs: TensorRef[] = [];
        for (let left = 3 + kill * 5; left > 0; left--) {
          const { value } = await writer.lines.next();
          refs.push((JSON.parse(value as string) as { ref: TensorRef }).ref);
        }
        writer.kill("SIGKILL");
        await writer.end();
        for (let rest = await writer.lines.next(); !rest.done; rest = await writer.lines.next()) {
          if (rest.value.endsWith("}")) refs.push((JSON.parse(rest.value) as { ref: TensorRef }).ref);
        }
        // The last of those that were to go may have gone, or not.
        const known = new Set(refs.filter((_, index) => (index + 1) % 5 !== 0).map(({ id }) => id));
        for (const [index, ref] of refs.entries()) {
          if (!known.has(ref.id)) continue;
          const view = await reader.tensors.get(ref);
          assert.ok(isFilled(view.data, (index + 1) % 251));
          view.done();
        }
        let strangers = 0;
        for await (const { id } of reader.tensors.list()) if (!known.delete(id)) strangers += 1;
        assert.equal(known.size, 0);
        assert.ok(strangers <= kill, `${strangers} stand that were never acknowledged, or were released`);
        for (const ref of refs) await reader.tensors.release(ref);
      };
      for (let kill = 1; kill <= kills; kill++) await one(kill);
      await reader.close();
    }), { timeoutMs: 60_000 * (long ? 10 : 1) });

  test(
    `shm store: readers and sweepers that are killed in the middle take nothing along (map ${way})`,
    () =>
      inMemory(async (dir) => {
        const capacityBytes = 2 ** 26;
        const store = await opened(dir, { map: way, capacityBytes, waitMs: 20_000 });
        const standing: TensorRef[] = [];
        let count = 0;
        const kills = long ? 100 : way === "auto" ? 10 : 4;
        const next = randomOf(seed);
        /** Puts, and releases in another order, until a child has said so much. */
        async function work(until: Promise<unknown>): Promise<void> {
          let isOver = false;
          void until.then(() => isOver = true);
          while (!isOver) {
            const fill = count++ & 255;
            const bytes = [10, 900, 9_000, 70_000, 2 ** 20][next(5)]! + next(64);
            const ref = await store.tensors.put(filled(bytes, fill));
            standing.push(ref);
            await store.logs.append("refs", 1, [Buffer.from(JSON.stringify({ ref, fill }))]);
            if (standing.length > 30) await store.tensors.release(standing.splice(next(30), 1)[0]!);
          }
        }
        for (let kill = 0; kill < kills; kill++) {
          const other = child(kill % 3 === 2 ? "sweep" : "read", dir, kill % 2 === 0 ? way : "never");
          try {
            const lines = 1 + next(4);
            await work((async () => {
              for (let line = 0; line < lines; line++) {
                assert.equal((await other.lines.next()).done, false, "a child failed");
              }
            })());
            other.kill(kill % 4 === 3 ? "SIGSTOP" : "SIGKILL");
            await work(new Promise((resolve) => setImmediate(resolve)));
          } finally {
            other.kill("SIGKILL");
            await other.end();
          }
        }
        for (const ref of standing) await store.tensors.release(ref);
        // All that the dead held is free again: the whole room can be had at once.
        const whole = await store.tensors.put(filled(capacityBytes, 1));
        await store.tensors.release(whole);
        await (await opened(dir, { map: way })).close();
        assert.equal(arenasIn(dir).length, 1);
        await store.close();
        assert.deepEqual(arenasIn(dir), []);
      }),
    { timeoutMs: 60_000 * (long ? 10 : 1) },
  );
}

/** Numbers below a limit, the same for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
