// A run directory in trouble: on a full disk, read-only, where a file stands. Each is one line with a cure; what was
// recorded before is kept.
// minutes: 6
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inFolder, programPath } from "../cli/stage.ts";
import { assert, skip, test } from "../suite.ts";

const timeoutMs = 120_000;
const program = programPath("squares");
const isRoot = process.getuid?.() === 0;

/** A disk of its own, for a while. Only root can have one. */
async function withDisk(path: string, options: string, body: () => Promise<void>): Promise<void> {
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path], { stdio: "ignore" });
  } catch {
    skip("this machine lets nobody mount a tmpfs here");
  }
  try {
    await body();
  } finally {
    execFileSync("umount", ["-l", path]);
  }
}

test("shoal run on a disk that fills up ends with the cure, and resume goes on once there is room", async () => {
  if (!isRoot) skip("only root can mount a small disk");
  await inFolder(async (folder) => {
    const disk = join(folder.path, "disk");
    await withDisk(disk, "size=128k,mode=700", async () => {
      const runs = join(disk, "runs");
      const store = `file://${join(folder.path, "store")}`;
      const args = ["run", program, "--name", "full", "--runs", runs, "--tasks", "400", "--store", store, "--json"];
      const said = await folder.shoal(...args);
      assert.equal(said.code, 1, said.stdout);
      assert.equal(said.stdout, "");
      assert.match(
        said.stderr,
        /Cannot record the run: the disk or quota of .*runs\/full is full \(ENOSPC\); free some space and shoal resume/,
      );
      const before = JSON.parse((await folder.shoal("status", "full", "--json")).stdout);
      assert.ok(before.tasks.squares.done > 0 && before.tasks.squares.done < 400, JSON.stringify(before));

      execFileSync("mount", ["-o", "remount,size=16m", disk]);
      const resumed = await folder.shoal("resume", "full", "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.match(resumed.stderr, new RegExp(`kept: ${before.tasks.squares.done} results of squares`));
      const all = Array.from({ length: 400 }, (_, n) => n);
      assert.equal(JSON.parse(resumed.stdout).sum, all.reduce((sum, n) => sum + n * n + n, 0));
    });
  });
}, { timeoutMs });

test("shoal run and resume on a disk that is read-only say so, and status still reads it", async () => {
  await inFolder(async (folder) => {
    const disk = join(folder.path, "disk");
    const runs = join(disk, "runs");
    const check = async (): Promise<void> => {
      const run = await folder.shoal("run", program, "--runs", runs);
      assert.equal(run.code, 1, run.stderr);
      assert.match(
        run.stderr,
        /Cannot make the run directory of .*(mounted read-only \(EROFS\)|do not let you write \(EACCES\)); name another folder/,
      );
      const resumed = await folder.shoal("resume", join(runs, "cut"));
      assert.equal(resumed.code, 1, resumed.stderr);
      assert.match(resumed.stderr, /Cannot take the run: .*(EROFS|EACCES)/);
      assert.match((await folder.shoal("status", join(runs, "cut"))).stdout, /state +interrupted/);
    };
    const cut = async (): Promise<void> => {
      const args = ["run", program, "--name", "cut", "--runs", runs, "--hold-from", "2"];
      const started = folder.start(args);
      await started.says("squared 1");
      started.child.kill("SIGKILL");
      await started.ended;
    };
    if (isRoot) {
      await withDisk(disk, "size=8m,mode=700", async () => {
        await cut();
        execFileSync("mount", ["-o", "remount,ro", disk]);
        await check();
      });
    } else {
      mkdirSync(disk);
      await cut();
      const folders = [runs, join(runs, "cut/heads")];
      for (const one of folders) chmodSync(one, 0o500);
      await check();
      for (const one of folders) chmodSync(one, 0o700);
    }
  });
}, { timeoutMs });

test("shoal run where a file stands for the folder of runs names the flag", async () => {
  await inFolder(async (folder) => {
    writeFileSync(join(folder.path, "runs"), "");
    const said = await folder.shoal("run", program);
    assert.equal(said.code, 2, said.stderr);
    assert.match(said.stderr, /a file stands where a folder is wanted.*name another with --runs/);
  });
}, { timeoutMs });

test("shoal run without an index of runs runs, and says how to find it", async () => {
  await inFolder(async (folder) => {
    const said = await folder.shoal("run", program, "--tasks", "2", "--name", "alone");
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stderr, /the run is not in your index, find it by its path/);
    // In the folder where it ran it is found all the same.
    assert.equal((await folder.shoal("status", "alone")).code, 0);
  }, { XDG_STATE_HOME: "/dev/null" });
}, { timeoutMs });
