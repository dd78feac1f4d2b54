// Sweeps and runs that are killed in the middle, are late, or come at the same time: nothing is lost or comes back.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isShoalError } from "../../stores/error.ts";
import { posixSweepDisk, type SweepDisk } from "../../stores/sweep/disk.ts";
import { endRun } from "../../stores/sweep/ended.ts";
import { assert, fc, long, property, test } from "../suite.ts";
import {
  child,
  filesBelow,
  inFolder,
  opened,
  rewriteRecord,
  runsAt,
  stands,
  swept,
  timeoutMs,
  verified,
} from "./place.ts";

test("A zombie whose run is gone does not bring it back", () =>
  inFolder(async (root) => {
    const zombie = child("hold", root);
    await zombie.said();
    zombie.kill("SIGSTOP");
    const [path = ""] = filesBelow(root).filter((name) => /owners\/[0-9a-f]{16}$/.test(name));
    rewriteRecord(join(root, path), { boot: "another" });
    await swept(root, { run: "r" }, { leaseMs: 5 });
    zombie.kill("SIGCONT");
    zombie.tell();
    const { ends } = await zombie.said();
    assert.deepEqual(ends, ["Fenced", "Fenced", "Fenced", "Fenced"]);
    assert.deepEqual(filesBelow(root), []);
    zombie.kill("SIGKILL");
    await zombie.ended;
  }), { timeoutMs });

/** A disk of which every call after the nth fails: the sweeper is killed there. */
function dyingDisk(steps: number): { readonly disk: SweepDisk; readonly calls: () => number } {
  let calls = 0;
  const step = <A extends unknown[], T>(call: (...args: A) => Promise<T>) => async (...args: A): Promise<T> => {
    calls += 1;
    if (calls > steps) throw new Error("killed");
    return await call(...args);
  };
  const { isNear: _, ...plain } = posixSweepDisk;
  const disk: SweepDisk = {
    ...plain,
    makeFolder: step(plain.makeFolder),
    link: step(plain.link),
    rename: step(plain.rename),
    remove: step(plain.remove),
    removeFolder: step(plain.removeFolder),
    list: step(plain.list),
    entries: step(plain.entries),
    async open(path, how) {
      const file = await step(() => plain.open(path, how))();
      return {
        ...file,
        write: step((bytes: Uint8Array, at: number) => file.write(bytes, at)),
        close: () => file.close(),
      };
    },
  };
  return { disk, calls: () => calls };
}

test(
  "A sweeper that is killed at any step loses nothing that lives, and the next one finishes",
  () =>
    inFolder(async (base) => {
      let steps = 0;
      for (let isOver = false; !isOver; steps += long ? 1 : 7) {
        const root = join(base, `${steps}`);
        const ended = await opened(root, "ended");
        for (const bytes of [3, 2 ** 20]) await ended.tensors.put({ data: new Uint8Array(bytes) });
        await ended.logs.append("s", 1, [new Uint8Array(3)]);
        await endRun(ended);
        await ended.close();
        const kept = await opened(root, "kept");
        const ref = await kept.tensors.put({ data: new Uint8Array(2 ** 20).fill(3) });
        await kept.close();
        const live = await opened(root, "live");
        const own = await live.tensors.put({ data: new Uint8Array(2 ** 20).fill(4) });
        // Of a process that died: its record says so, and half a tensor of it lies about.
        const dead = await opened(root, "dead");
        const rest = await dead.tensors.put({ data: new Uint8Array(3).fill(6) });
        const [token = ""] = rest.id.split("-");
        mkdirSync(join(root, `dead/tensors/${token}/temp`));
        writeFileSync(join(root, `dead/tensors/${token}/temp/${token}-f9`), "half");
        rewriteRecord(join(root, "dead/owners", token), { began: "1" });
        const { disk } = dyingDisk(steps);
        isOver = await swept(root, {}, { disk }).then(() => true, () => false);
        // It died in this process, which lives: its record must say so.
        for (const path of filesBelow(root).filter((path) => /sweepers\/[0-9a-f]{16}$/.test(path))) {
          rewriteRecord(join(root, path), { began: "1" });
        }
        await swept(root);
        const states = (await runsAt(root)).map(({ run, state }) => `${run} ${state}`);
        assert.deepEqual(states, ["dead interrupted", "kept interrupted", "live live"]);
        assert.deepEqual(filesBelow(join(root, "dead")).filter((path) => /temp|owners|sweepers/.test(path)), []);
        assert.deepEqual(filesBelow(root).filter((path) => path.startsWith(".swept")), []);
        await stands(live, own);
        const again = await opened(root, "kept");
        await stands(again, ref);
        await again.close();
        await live.close();
      }
      assert.ok(steps > 30);
    }),
  { timeoutMs: timeoutMs * 2 },
);

test(
  "Sweepers and openers at once: whoever could open a run keeps it, and a run goes whole",
  () =>
    inFolder(async (base) => {
      let count = 0;
      const happened = { opened: 0, refused: 0, taken: 0 };
      await property(
        [fc.array(fc.constantFrom("open", "sweep", "give up"), { minLength: 2, maxLength: 6 })],
        async (acts) => {
          const root = join(base, `${count++}`);
          const first = await opened(root);
          await first.tensors.put({ data: new Uint8Array(8) });
          await endRun(first);
          await first.close();
          await Promise.all(acts.map(async (act) => {
            if (act !== "open") {
              const options = act === "sweep" ? {} : { run: "r" };
              const orphans = await swept(root, options).catch((error: unknown) => {
                // Somebody uses it, sweeps it, or it is gone already.
                if (isShoalError(error) && ["Conflict", "Unavailable", "BadInput"].includes(error.code)) return [];
                throw error;
              });
              happened.taken += orphans.filter(({ kind }) => kind === "run").length;
              return;
            }
            try {
              const store = await opened(root);
              happened.opened += 1;
              const ref = await store.tensors.put({ data: new Uint8Array(2 ** 20).fill(5) });
              await store.claims.claim("mine", 1, "x");
              await stands(store, ref);
              await store.close();
            } catch (error) {
              assert.ok(isShoalError(error, "Unavailable"), String(error));
              assert.match(error.message, /sweeping it; try again/);
              happened.refused += 1;
            }
          }));
          for (const run of await runsAt(root)) assert.deepEqual(run.owners, []);
          assert.deepEqual(filesBelow(root).filter((path) => path.startsWith(".swept")), []);
        },
        { runs: 40 },
      );
      assert.ok(happened.opened > 0 && happened.taken > 0, JSON.stringify(happened));
    }),
  { timeoutMs: timeoutMs * 2 },
);

test(
  "A sweeper that is killed leaves whole runs or none, and what the next one finishes",
  () =>
    inFolder(async (root) => {
      const kept = await opened(root, "kept");
      const ref = await kept.tensors.put({ data: new Uint8Array(2 ** 20).fill(3) });
      for (let round = 0; round < (long ? 30 : 3); round++) {
        for (let count = 0; count < 6; count++) {
          const store = await opened(root, `ended-${count}`);
          for (let tensors = 0; tensors < 20; tensors++) await store.tensors.put({ data: new Uint8Array(2 ** 20) });
          await endRun(store);
          await store.close();
        }
        const sweeper = child("sweep", root);
        for (let left = round % 5; left >= 0; left--) await sweeper.said();
        sweeper.kill("SIGKILL");
        await sweeper.ended;
        const states = (await runsAt(root)).map(({ state }) => state);
        assert.deepEqual([...new Set(states)].sort(), ["ended", "live"]);
        for (const { trouble } of await verified(root)) assert.equal(trouble, undefined);
        await swept(root);
        assert.deepEqual((await runsAt(root)).map(({ run }) => run), ["kept"]);
        assert.deepEqual(readdirSync(root), ["kept"]);
        await stands(kept, ref);
      }
      await kept.close();
    }),
  { timeoutMs: timeoutMs * (long ? 5 : 1) },
);
