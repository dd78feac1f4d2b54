// A sweep frees what nobody owns, and only that: an interrupted run keeps everything, and a live one is not touched.
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realWorld } from "../../runtime/launch/world.ts";
import { isShoalError } from "../../stores/error.ts";
import { fileStore } from "../../stores/file.ts";
import { type Store, type TensorRef } from "../../stores/store.ts";
import { endRun, resumeRun } from "../../stores/sweep/ended.ts";
import { assert, long, test } from "../suite.ts";
import {
  child,
  filesBelow,
  inFolder,
  kinds,
  opened,
  rewriteRecord,
  runsAt,
  stands,
  stateAt,
  swept,
  timeoutMs,
  verified,
} from "./place.ts";

const closing: Store[] = [];

const refOf = (said: Record<string, unknown>, name: string = "ref"): TensorRef => said[name] as TensorRef;

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
    uptime += 59_000;
    assert.deepEqual(await swept(root, {}, clock), []);
    uptime += 3_000;
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

test("A run with a capacity that has ended goes whole, with what its writers said that they take of it", () =>
  inFolder(async (root) => {
    const store = await fileStore({ root, run: "r", environment: realWorld, strict: true, capacityBytes: 2 ** 20 });
    await store.tensors.put({ data: new Uint8Array(30_000) });
    const said = filesBelow(root).filter((path) => path.startsWith("r/usage/"));
    assert.equal(said.length, 1);
    await endRun(store);
    await store.close();
    // Of one that was killed its word stands there yet.
    writeFileSync(join(root, said[0]!), "1 30000 30000\n");
    assert.deepEqual(kinds(await swept(root)), ["run"]);
    assert.deepEqual(readdirSync(root), []);
  }));

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
