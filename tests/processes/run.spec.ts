// `shoal run --nodes`: the same program over several processes, seen by status, ended in order by whoever asks for it,
// and never leaving a process behind, however the one that leads has ended.
// minutes: 2
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { entry, type Folder, inFolder } from "../cli/stage.ts";
import { assert, test } from "../suite.ts";

const patient = { timeoutMs: 180_000 };

const program = `
import { existsSync } from "node:fs";
import { Actor } from ${JSON.stringify(entry)};

export class Square extends Actor {
  async of({ n, holds }) {
    while (n >= holds && !existsSync("release")) await new Promise((resolve) => setTimeout(resolve, 10));
    console.log("squares " + n);
    return { n, square: n * n, pid: process.pid };
  }
}

export const settings = {
  tasks: { default: 12, about: "how many numbers" },
  holds: { default: 1000, about: "the first that waits for the file release" },
};

export default async function (system, { tasks, holds }) {
  const pool = await system.pool(Square, { size: 3 });
  const inputs = Array.from({ length: tasks }, (_, n) => ({ n, holds }));
  const done = await pool.map("of", inputs, { name: "square" });
  return { sum: done.reduce((sum, { square }) => sum + square, 0), processes: new Set(done.map(({ pid }) => pid)).size };
}
`;

interface Status {
  readonly state: string;
  readonly head: { readonly pid: number };
  readonly nodes: {
    readonly [node: string]: { readonly pid: number; readonly host: string; readonly isLost: boolean };
  };
  readonly tasks: { readonly square?: { readonly done: number } };
}

async function statusOf({ shoal }: Folder): Promise<Status> {
  const { code, stdout, stderr } = await shoal("status", "r", "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as Status;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Settles once something holds that no message tells of; the test's own end is the limit. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 100));
}

/** A long run over three processes, under way. */
async function underWay(folder: Folder, ...flags: string[]) {
  folder.write("squares.mjs", program);
  const several = ["--nodes", "3", "--threads", "0"];
  const args = ["run", "./squares.mjs", "--name", "r", ...several, "--tasks", "60", "--holds", "6"];
  const run = folder.start([...args, ...flags]);
  await run.says("run r in");
  let status = await statusOf(folder);
  await until(async () => {
    status = await statusOf(folder);
    return (status.tasks.square?.done ?? 0) >= 6;
  });
  const { nodes } = status;
  assert.deepEqual(Object.keys(nodes).sort((a, b) => a < b ? -1 : 1), ["n2", "n3"]);
  const pids = Object.values(nodes).map(({ pid }) => pid);
  assert.ok(pids.every(isAlive));
  return { run, pids, status };
}

test(
  "run --nodes: a program runs over several processes, and nothing but its result is on stdout",
  () =>
    inFolder(async (folder) => {
      folder.write("squares.mjs", program);
      const args = ["run", "./squares.mjs", "--name", "r", "--nodes", "3", "--threads", "0", "--json"];
      const { code, stdout, stderr } = await folder.shoal(...args);
      assert.equal(code, 0, stderr);
      const result = JSON.parse(stdout) as { readonly sum: number; readonly processes: number };
      assert.equal(result.sum, 506);
      assert.equal(result.processes, 3);
      assert.match(stderr, /3 nodes and no store named: they meet in file:\/\/\/.*\/runs\/r\//);
      const status = await statusOf(folder);
      assert.equal(status.state, "done");
      for (const { pid } of Object.values(status.nodes)) assert.ok(!isAlive(pid));
      // What its actors say in other processes is recorded as theirs.
      const { stdout: logs } = await folder.shoal("logs", "r");
      assert.equal(logs.match(/squares \d+/g)?.length, 12);
    }),
  patient,
);

test(
  "run --nodes: interrupted it drains all processes, and resume takes what they have recorded",
  () =>
    inFolder(async (folder) => {
      const { run, pids } = await underWay(folder);
      run.child.kill("SIGINT");
      await run.says("interrupted: what runs is finished first");
      folder.write("release", "");
      const said = await run.ended;
      assert.equal(said.code, 130, said.stderr);
      assert.ok(!pids.some(isAlive));
      const before = (await statusOf(folder)).tasks.square?.done ?? 0;
      assert.ok(before >= 6);
      const resumed = await folder.shoal("resume", "r", "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.equal((JSON.parse(resumed.stdout) as { readonly sum: number }).sum, 70_210);
      assert.equal((await statusOf(folder)).tasks.square?.done, 60);
    }),
  patient,
);

test(
  "run --nodes: processes whose head was killed end by themselves, and leave no socket",
  () =>
    inFolder(async (folder) => {
      const temporary = join(folder.path, "t");
      mkdirSync(temporary);
      Object.assign(folder.env, { TMPDIR: temporary });
      const { run, pids, status } = await underWay(folder, "--set", "limits.leaseMs=2000");
      assert.equal(readdirSync(temporary).length, 1);
      process.kill(status.head.pid, "SIGKILL");
      await run.ended;
      await until(() => !pids.some(isAlive));
      assert.deepEqual(readdirSync(temporary), []);
      folder.write("release", "");
      folder.write("release", "");
      const resumed = await folder.shoal("resume", "r", "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.equal((JSON.parse(resumed.stdout) as { readonly sum: number }).sum, 70_210);
    }),
  patient,
);

test("run --nodes: shoal stop ends all processes", () =>
  inFolder(async (folder) => {
    const { run, pids } = await underWay(folder);
    const stop = folder.start(["stop", "r"]);
    await run.says("stopped by shoal stop: what runs is finished first");
    folder.write("release", "");
    assert.equal((await stop.ended).code, 0);
    await run.ended;
    assert.ok(!pids.some(isAlive));
  }), patient);

test(
  "run --nodes: a store that others cannot reach is a wrong request, and leaves no run behind",
  () =>
    inFolder(async (folder) => {
      folder.write("squares.mjs", program);
      const { code, stderr } = await folder.shoal("run", "./squares.mjs", "--nodes", "2", "--store", "memory:");
      assert.equal(code, 2, stderr);
      assert.match(stderr, /memory: cannot be reached from other processes; leave out the store, or name one/);
      const runs = join(folder.path, "runs");
      assert.deepEqual(existsSync(runs) ? readdirSync(runs) : [], []);
    }),
  patient,
);
