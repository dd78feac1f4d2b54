// A sweep frees what nobody owns, and only that: an interrupted run keeps everything, a live one is not touched, and
// whoever is killed in the middle, is late, or comes at the same time loses nothing.
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realWorld } from "../../runtime/launch/world.ts";
import { isShoalError } from "../../stores/error.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import { posixSweepDisk, type SweepDisk } from "../../stores/sweep/disk.ts";
import { endRun, resumeRun } from "../../stores/sweep/ended.ts";
import { assert, fc, long, property, test } from "../suite.ts";
import {
  child,
  filesBelow,
  inFolder,
  opened,
  placeAt,
  rewriteRecord,
  runsAt,
  stands,
  stateAt,
  swept,
  verified,
  writeWhole,
} from "./place.ts";

const timeoutMs = 60_000;
const closing: Store[] = [];
const refOf = (said: Record<string, unknown>, name: string = "ref"): TensorRef => said[name] as TensorRef;
const kinds = (orphans: readonly { readonly kind: string }[]): string[] => orphans.map(({ kind }) => kind).sort();

test("A run is live while one has it open, then interrupted, and ended once that was said", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    await store.tensors.put({ data: new Float64Array(4) });
    await store.logs.append("s", 1, [new Uint8Array(3)]);
    const [live] = await runsAt(root);
    assert.equal(live?.state, "live");
    assert.equal(live.owners[0]?.pid, process.pid);
    assert.deepEqual([live.tensors, live.bytes, live.streams, live.claims], [1, 32, 1, 0]);
    await endRun(store);
    assert.equal(await stateAt(root), "live", "whoever is still there keeps it");
    assert.deepEqual(await swept(root), []);
    await resumeRun(store);
    await store.close();
    assert.equal(await stateAt(root), "interrupted");
    assert.deepEqual(await swept(root), [], "interrupted is not ended");
    const again = await opened(root);
    await endRun(again);
    await endRun(again);
    await again.close();
    assert.equal(await stateAt(root), "ended");
    assert.deepEqual(kinds(await swept(root, { dryRun: true })), ["run"]);
    assert.equal(await stateAt(root), "ended");
    assert.deepEqual(kinds(await swept(root)), ["run"]);
    assert.deepEqual(filesBelow(root), []);
    assert.deepEqual(await swept(root), []);
  }));

test(
  "A writer that was killed leaves an interrupted run: what it acknowledged stays, what was half-made goes",
  () =>
    inFolder(async (root) => {
      const kills = long ? 30 : 4;
      const refs: TensorRef[] = [];
      for (let life = 0; life < kills; life++) {
        const writer = child("write", root);
        for (let left = 3 + life * 5; left > 0; left--) refs.push(refOf(await writer.said()));
        assert.equal(await stateAt(root), "live");
        writer.kill("SIGKILL");
        await writer.ended;
        assert.equal(await stateAt(root), "interrupted");
        const before = new Set(filesBelow(root));
        const [writing] = [...before].filter((path) => /owners\/[0-9a-f]{16}$/.test(path));
        const token = writing!.split("/").at(-1)!;
        // What a kill in the middle of a put or a claim leaves, made certain.
        mkdirSync(join(root, `r/tensors/${token}/temp`), { recursive: true });
        writeFileSync(join(root, `r/tensors/${token}/temp/${token}-fzz`), "half");
        const claim = [...before].find((path) => path.endsWith("/name"))!.replace(/name$/, `${token}-zz.temp`);
        writeFileSync(join(root, claim), "half");
        const dry = await swept(root, { dryRun: true });
        assert.deepEqual(new Set(filesBelow(root)).size, before.size + 2, "a dry run takes nothing");
        const orphans = await swept(root);
        assert.deepEqual(orphans, dry);
        assert.ok(orphans.length >= 2 && orphans.every(({ kind }) => kind === "half-made"), JSON.stringify(orphans));
        const left = filesBelow(root);
        assert.deepEqual(left.filter((path) => /temp|owners/.test(path)), []);
      }
      const reader = await opened(root);
      for (const ref of refs) await stands(reader, ref);
      await reader.close();
      assert.deepEqual((await verified(root)).filter(({ trouble }) => trouble !== undefined), []);
    }),
  { timeoutMs: timeoutMs * (long ? 5 : 1) },
);

test("A lease whose owner is gone lapses, counted from when a sweep first found it so", () =>
  inFolder(async (root) => {
    const holder = child("hold", root);
    const said = await holder.said();
    let uptime = 1_000_000;
    const clock = { uptimeMs: () => uptime };
    assert.deepEqual(await swept(root, {}, clock), []);
    holder.kill("SIGKILL");
    await holder.ended;
    assert.deepEqual(await swept(root, { dryRun: true }, clock), []);
    uptime += 10_000;
    assert.deepEqual(await swept(root, {}, clock), [], "only now it is known that nobody renews it");
    uptime += 500;
    assert.deepEqual(await swept(root, {}, clock), []);
    uptime += 1_000;
    assert.deepEqual(kinds(await swept(root, { dryRun: true }, clock)), ["lapsed", "lapsed"]);
    const orphans = await swept(root, {}, clock);
    assert.deepEqual(
      orphans.map(({ what }) => what).sort(),
      [refOf(said, "leased").id, refOf(said, "large").id].sort(),
    );
    assert.deepEqual(await swept(root, {}, clock), []);
    const reader = await opened(root);
    await stands(reader, refOf(said));
    await assert.rejects(reader.tensors.get(refOf(said, "leased")), (error) => isShoalError(error, "Expired"));
    await assert.rejects(reader.tensors.get(refOf(said, "large")), (error) => isShoalError(error, "Missing"));
    await reader.close();
    assert.deepEqual(filesBelow(root).filter((path) => path.includes("owners")), []);
  }), { timeoutMs });

test(
  "A run is given up by its name, never from under one who uses it, and no other goes with it",
  () =>
    inFolder(async (root) => {
      const holder = child("hold", root, "mine");
      await holder.said();
      const other = await opened(root, "other");
      const ref = await other.tensors.put({ data: new Uint8Array(3) });
      await other.close();
      await assert.rejects(swept(root, { run: "mine" }), (error: Error) => {
        assert.ok(isShoalError(error, "Conflict"));
        assert.match(error.message, new RegExp(`process ${holder.pid} .*stop that first`));
        return true;
      });
      await assert.rejects(swept(root, { run: "mein" }), /Cannot find run mein .*did you mean mine\?/);
      holder.kill("SIGKILL");
      await holder.ended;
      assert.deepEqual(kinds(await swept(root, { run: "mine" })), ["run"]);
      assert.deepEqual((await runsAt(root)).map(({ run, state }) => [run, state]), [["other", "interrupted"]]);
      const again = await opened(root, "other");
      await stands(again, ref);
      await again.close();
    }),
  { timeoutMs },
);

test("An interrupted run that nobody opened for long is given up where that was asked for", () =>
  inFolder(async (root) => {
    for (const run of ["old", "new", "open"]) {
      const store = await opened(root, run);
      await store.tensors.put({ data: new Uint8Array(3) });
      if (run !== "open") await store.close();
      else closing.push(store);
    }
    const monthAgo = Date.now() / 1_000 - 30 * 86_400;
    for (const run of ["old", "open"]) utimesSync(join(root, run, "owners"), monthAgo, monthAgo);
    assert.deepEqual(await swept(root), []);
    assert.deepEqual(await swept(root, { keepDays: 31 }), []);
    const [orphan, ...more] = await swept(root, { keepDays: 29 });
    assert.deepEqual([orphan?.run, orphan?.kind, more], ["old", "run", []]);
    assert.match(orphan?.why ?? "", /nobody has opened it for (29|30) days/);
    const left = (await runsAt(root)).map(({ run, state }) => [run, state]);
    assert.deepEqual(left, [["new", "interrupted"], ["open", "live"]]);
    for (const store of closing.splice(0)) await store.close();
  }));

test(
  "A process that sleeps is live; one elsewhere that shows no sign for a lease, and wakes, changes nothing",
  () =>
    inFolder(async (root) => {
      const zombie = child("hold", root);
      await zombie.said();
      zombie.kill("SIGSTOP");
      assert.equal(await stateAt(root), "live");
      await assert.rejects(swept(root, { run: "r" }), (error) => isShoalError(error, "Conflict"));
      // From here on it is on a machine that nobody can look into.
      const [path = ""] = filesBelow(root).filter((name) => /owners\/[0-9a-f]{16}$/.test(name));
      rewriteRecord(join(root, path), { boot: "another" });
      const lease = { leaseMs: 5 };
      assert.deepEqual(await swept(root, {}, lease), [], "the run goes on without it");
      assert.deepEqual(kinds(await swept(root, { run: "r" }, lease)), ["run"]);
      const successor = await opened(root);
      const ref = await successor.tensors.put({ data: new Uint8Array(9).fill(4) });
      const before = filesBelow(root);
      zombie.kill("SIGCONT");
      zombie.tell();
      const { ends } = await zombie.said();
      assert.deepEqual(ends, ["Fenced", "Fenced", "Fenced", "Fenced"]);
      assert.deepEqual(filesBelow(root), before);
      await stands(successor, ref);
      await successor.close();
      zombie.kill("SIGKILL");
      await zombie.ended;
    }),
  { timeoutMs },
);

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
        for (const path of filesBelow(root).filter((path) => /owners\/[0-9a-f]{16}$/.test(path))) {
          const text = readFileSync(join(root, path), "utf8");
          if (text.includes('"role":"sweep"')) rewriteRecord(join(root, path), { began: "1" });
        }
        await swept(root);
        const states = (await runsAt(root)).map(({ run, state }) => `${run} ${state}`);
        assert.deepEqual(states, ["dead interrupted", "kept interrupted", "live live"]);
        assert.deepEqual(filesBelow(join(root, "dead")).filter((path) => /temp|owners/.test(path)), []);
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

test("What is not the store's is left alone, and named", () =>
  inFolder(async (root) => {
    mkdirSync(join(root, "photos"));
    writeFileSync(join(root, "photos/cat.jpg"), "x");
    writeFileSync(join(root, "notes.txt"), "x");
    symlinkSync(join(root, "photos"), join(root, "link"));
    const store = await opened(root);
    await store.tensors.put({ data: new Uint8Array(3) });
    await endRun(store);
    await store.close();
    writeFileSync(join(root, "r/README"), "mine");
    const before = filesBelow(root);
    const [orphan, ...more] = await swept(root);
    assert.deepEqual([orphan?.kind, more], ["foreign", []]);
    assert.match(orphan?.why ?? "", /README/);
    assert.deepEqual(filesBelow(root), before);
    assert.deepEqual((await runsAt(root)).map(({ run }) => run), ["r"]);
    const again = await opened(root, "s");
    const ref = await again.tensors.put({ data: new Uint8Array(3) });
    await endRun(again);
    await again.close();
    const folder = ref.id.split("-")[0]!;
    symlinkSync(join(root, "photos"), join(root, `s/tensors/${folder}/ff`));
    writeFileSync(join(root, `s/tensors/${folder}/mine.txt`), "x");
    const orphans = await swept(root);
    assert.deepEqual(kinds(orphans), ["foreign", "foreign", "foreign", "run"]);
    assert.ok(existsSync(join(root, "photos/cat.jpg")));
    assert.equal(filesBelow(root).filter((path) => path.endsWith("mine.txt")).length, 1);
  }));

test("A run of a later shoal is not opened, not verified and not swept", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    await store.tensors.put({ data: new Uint8Array(3) });
    await endRun(store);
    await store.close();
    writeWhole(join(root, "r/layout"), "2");
    const before = filesBelow(root);
    await assert.rejects(opened(root), (error: Error) => {
      assert.ok(isShoalError(error, "Incompatible"));
      assert.match(error.message, /run r has layout 2, this shoal knows 1; use the shoal that made it, or a later one/);
      return true;
    });
    const [run] = await runsAt(root);
    assert.equal(run?.state, "strange");
    assert.match(run.why ?? "", /layout 2/);
    assert.deepEqual(await swept(root), []);
    await assert.rejects(swept(root, { run: "r" }), (error) => isShoalError(error, "Incompatible"));
    assert.match((await verified(root))[0]?.trouble ?? "", /layout 2/);
    assert.deepEqual(filesBelow(root), before);
    writeFileSync(join(root, "r/layout"), "garbage");
    assert.equal((await runsAt(root))[0]?.state, "strange");
    assert.deepEqual(await swept(root), []);
  }));

test("A folder that is not there, or none, is the asker's to mend", () =>
  inFolder(async (root) => {
    await assert.rejects(runsAt(join(root, "gone")), (error) => isShoalError(error, "BadInput"));
    writeFileSync(join(root, "file"), "x");
    await assert.rejects(swept(join(root, "file")), /it is no folder/);
    assert.deepEqual(await runsAt(root), []);
    const signal = AbortSignal.abort();
    const store = await opened(root);
    await store.close();
    await assert.rejects(swept(root, { signal }), (error) => isShoalError(error, "Cancelled"));
    assert.equal(placeAt(root).url, `file://${root}`);
    assert.equal(typeof realWorld.token(), "string");
  }));
