// Sweeping where there is no room, or none may be made: a full disk is swept all the same, and a file system that is
// read-only is looked into and read, and not swept.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isShoalError } from "../../stores/error.ts";
import { posixSweepDisk, type SweepDisk } from "../../stores/sweep/disk.ts";
import { endRun } from "../../stores/sweep/ended.ts";
import { assert, skip, test } from "../suite.ts";
import { all, filesBelow, inFolder, opened, placeAt, runsAt, stands, swept, verified } from "./place.ts";

/** Takes nothing more, until a tensor's file is removed. */
function fullDisk(): SweepDisk {
  let isFull = true;
  const full = (): never => {
    throw Object.assign(new Error("full"), { code: "ENOSPC" });
  };
  return {
    ...posixSweepDisk,
    makeFolder: async (path) => isFull ? full() : await posixSweepDisk.makeFolder(path),
    open: async (path, how) => isFull && how === "create" ? full() : await posixSweepDisk.open(path, how),
    async remove(path) {
      await posixSweepDisk.remove(path);
      if (path.includes("/tensors/")) isFull = false;
    },
  };
}

test("A full disk is swept: what has ended goes, and what was interrupted stays", () =>
  inFolder(async (root) => {
    const kept = await opened(root, "kept");
    const ref = await kept.tensors.put({ data: new Uint8Array(9).fill(2) });
    await kept.close();
    const store = await opened(root, "over");
    for (let count = 0; count < 3; count++) await store.tensors.put({ data: new Uint8Array(2 ** 20) });
    await endRun(store);
    await store.close();
    const [orphan, ...more] = await swept(root, {}, { disk: fullDisk() });
    assert.deepEqual([orphan?.run, orphan?.kind, more], ["over", "run", []]);
    const again = await opened(root, "kept");
    await stands(again, ref);
    await again.close();
  }));

test("On a full disk nothing goes from under one who is there, and where there is nothing to take it is told", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    const ref = await store.tensors.put({ data: new Uint8Array(2 ** 20).fill(1) });
    await assert.rejects(swept(root, { run: "r" }, { disk: fullDisk() }), (error) => isShoalError(error, "Conflict"));
    await stands(store, ref);
    await store.close();
    const empty = await opened(root, "empty");
    await endRun(empty);
    await empty.close();
    await assert.rejects(swept(root, {}, { disk: fullDisk() }), (error) => isShoalError(error, "CapacityExceeded"));
  }));

/** Runs a test on a small file system of its own. */
async function mounted(options: string, call: (folder: string) => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0 || process.platform !== "linux") skip("only root mounts a file system");
  await inFolder(async (root) => {
    const folder = join(root, "mounted");
    mkdirSync(folder);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { stdio: "ignore" });
    } catch {
      skip("this machine lets nobody mount a file system");
    }
    try {
      await call(folder);
    } finally {
      execFileSync("umount", ["-l", folder]);
    }
  });
}

test("A file system that is full to the last byte is swept", () =>
  mounted("size=4m", async (root) => {
    const store = await opened(root);
    const put = (bytes: number): Promise<boolean> =>
      store.tensors.put({ data: new Uint8Array(bytes) }).then(() => true, (error: unknown) => {
        assert.ok(isShoalError(error, "CapacityExceeded"), String(error));
        return false;
      });
    await endRun(store);
    for (const bytes of [2 ** 20, 2 ** 16, 2 ** 12, 1]) while (await put(bytes));
    await store.close();
    // Opened again with no room for a record: it can be read.
    const reader = await opened(root);
    assert.ok((await all(reader.tensors.list())).length > 3);
    await reader.close();
    assert.deepEqual((await swept(root)).map(({ kind }) => kind), ["run"]);
    assert.deepEqual(filesBelow(root), []);
  }));

test("A file system that is read-only is listed, read and verified, and a sweep says why it cannot", () =>
  mounted("size=16m", async (root) => {
    const store = await opened(root);
    const ref = await store.tensors.put({ data: new Uint8Array(2 ** 20).fill(1) });
    await store.logs.append("s", 1, [new Uint8Array(3)]);
    await endRun(store);
    await store.close();
    await (await opened(root, "cut")).close();
    execFileSync("mount", ["-o", "remount,ro", root]);
    const reader = await opened(root);
    await stands(reader, ref);
    await assert.rejects(
      reader.tensors.put({ data: new Uint8Array(3) }),
      (error) => isShoalError(error, "Unauthorized"),
    );
    await reader.close();
    assert.deepEqual((await runsAt(root)).map(({ state }) => state), ["interrupted", "ended"]);
    assert.deepEqual((await verified(root)).filter(({ trouble }) => trouble !== undefined), []);
    assert.deepEqual((await all(placeAt(root).sweep({ dryRun: true }))).map(({ kind }) => kind), ["run"]);
    await assert.rejects(swept(root), (error) => isShoalError(error, "Unauthorized") && /EROFS/.test(error.message));
  }));
