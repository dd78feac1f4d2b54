// What a sweep finds in a folder that is not the store's, is of a later shoal, or is not there.
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realWorld } from "../../runtime/launch/world.ts";
import { isShoalError } from "../../stores/error.ts";
import { endRun } from "../../stores/sweep/ended.ts";
import { assert, test } from "../suite.ts";
import { filesBelow, inFolder, kinds, opened, placeAt, runsAt, swept, verified, writeWhole } from "./place.ts";

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
