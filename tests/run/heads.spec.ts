// Who leads a run: one at a time, whoever else wants to; a head that died does not hold it, and one that was only taken
// for dead changes nothing when it wakes.
// minutes: 6
import { existsSync, mkdirSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { latestHead, takeRun } from "../../runtime/run/heads.ts";
import { type RunLayout, runLayout } from "../../runtime/run/layout.ts";
import { isShoalError } from "../../stores/error.ts";
import { inFolder, programPath } from "../cli/stage.ts";
import { assert, test } from "../suite.ts";

const program = programPath("squares");

function emptyRun(): RunLayout {
  const layout = runLayout(mkdtempSync(join(tmpdir(), "run-")));
  for (const folder of [layout.heads, layout.records]) mkdirSync(folder);
  return layout;
}

/** A head of another machine, whose heart beat so long ago. */
function foreignHead(layout: RunLayout, sinceBeatMs: number): void {
  const head = { pid: 1, host: "elsewhere", token: "t", at: 0, start: "1", boot: "b", space: "s" };
  writeFileSync(join(layout.heads, "000001.json"), JSON.stringify(head));
  const beat = join(layout.heads, "000001.beat");
  writeFileSync(beat, ".");
  const at = (Date.now() - sinceBeatMs) / 1000;
  utimesSync(beat, at, at);
}

const isConflict = (error: unknown): boolean => isShoalError(error, "Conflict");

test("takeRun gives a run to one head, and to the next when that has ended", () => {
  const layout = emptyRun();
  assert.equal(latestHead(layout), undefined);
  const first = takeRun(layout, "a", 0);
  assert.deepEqual([first.number, latestHead(layout)?.state], [1, "alive"]);
  assert.throws(() => takeRun(layout, "b", 0), isConflict);
  first.end();
  assert.equal(latestHead(layout)?.state, "ended");
  const second = takeRun(layout, "b", 0);
  assert.equal(second.number, 2);
  second.end();
});

test("takeRun believes the heartbeat of a head on another machine", () => {
  const beating = emptyRun();
  foreignHead(beating, 20_000);
  assert.throws(() => takeRun(beating, "b", 0), /process 1 on elsewhere leads it/);
  const silent = emptyRun();
  foreignHead(silent, 90_000);
  assert.equal(latestHead(silent)?.state, "dead");
  const head = takeRun(silent, "b", 0);
  assert.equal(head.number, 2);
  head.end();
});

test("takeRun is not held by a file of a head that holds nothing", () => {
  for (const text of ["", "null", "{", `{"pid":"x"}`]) {
    const layout = emptyRun();
    const path = join(layout.heads, "000001.json");
    writeFileSync(path, text);
    utimesSync(path, 1, 1);
    const head = takeRun(layout, "b", 0);
    assert.equal(head.number, 2, text);
    head.end();
  }
});

test("takeRun sees that a number of a process was given to another", () => {
  const layout = emptyRun();
  const head = takeRun(layout, "a", 0);
  const path = join(layout.heads, "000001.json");
  const { start, ...rest } = JSON.parse(readFileSync(path, "utf8"));
  // Only where the machine tells when a process began.
  if (start !== undefined) {
    writeFileSync(path, JSON.stringify({ ...rest, start: `${Number(start) - 1}` }));
    assert.equal(latestHead(layout)?.state, "dead");
  }
  head.end();
});

test("Of four resumes at once one leads the run, and the others say who does", async () => {
  await inFolder(async (folder) => {
    const args = ["--name", "raced", "--hold-from", "5", "--folder", folder.path];
    const started = folder.start(["run", program, ...args]);
    await started.says("run raced in");
    while (!existsSync(join(folder.path, "begun"))) await new Promise((resolve) => setTimeout(resolve, 5));
    started.child.kill("SIGKILL");
    await started.ended;
    const racing = [1, 2, 3, 4].map(() => folder.start(["resume", "raced", "--json"]));
    const losers = racing.map(async ({ ended }) => {
      const said = await ended;
      return said.code === 0 ? [] : [said];
    });
    // The one that leads waits for this file, until the three others have ended.
    let left = 4;
    for (const loser of losers) void loser.then(() => left--);
    while (left > 1) await new Promise((resolve) => setTimeout(resolve, 5));
    folder.write("release", "");
    const lost = (await Promise.all(losers)).flat();
    assert.equal(lost.length, 3);
    for (const { code, stderr } of lost) {
      assert.equal(code, 1, stderr);
      assert.match(stderr, /Cannot take run .*raced: process \d+ on .* leads it/);
    }
  });
}, { timeoutMs: 120_000 });

test("A head that was taken for dead is fenced when it wakes, and what it still records does not count", async () => {
  await inFolder(async (folder) => {
    const store = `file://${join(folder.path, "store")}`;
    const zombie = folder.start(["run", program, "--name", "woken", "--hold-from", "8", "--store", store]);
    const heads = join(folder.path, "runs/woken/heads");
    while (!existsSync(join(heads, "000001.beat"))) await new Promise((resolve) => setTimeout(resolve, 5));
    await zombie.says("squared 7");
    process.kill(zombie.child.pid!, "SIGSTOP");
    // As another machine would see it: a process that it cannot look at, whose heart has stopped.
    const head = JSON.parse(readFileSync(join(heads, "000001.json"), "utf8"));
    writeFileSync(join(heads, "000001.json"), JSON.stringify({ ...head, host: "elsewhere" }));
    utimesSync(join(heads, "000001.beat"), 1, 1);
    folder.write("release", "");
    const resumed = await folder.shoal("resume", "woken", "--json");
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.equal(JSON.parse(resumed.stdout).sum, 2470 + 190);
    const before = (await folder.shoal("status", "woken", "--json")).stdout;

    // Deno counts a child that was sent any signal as killed.
    process.kill(zombie.child.pid!, "SIGCONT");
    const woken = await zombie.ended;
    // It may have finished the little that was left before it learned that it was not wanted any more.
    if (woken.code !== 0) assert.match(woken.stderr, /another head has taken it, since this one seemed dead/);
    const plain = (text: string): unknown => {
      const { tasks, records, state, heads } = JSON.parse(text);
      return { tasks, records, state, heads };
    };
    assert.deepEqual(plain((await folder.shoal("status", "woken", "--json")).stdout), plain(before));
  });
}, { timeoutMs: 120_000 });
