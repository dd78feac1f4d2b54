// kill -9 of the head at random moments of a named map over 500 tasks: after a resume from another folder each result
// stands once, and of the tasks only those run again that were under way. What began is counted by lines that the tasks
// themselves append, outside the run directory.
// minutes: 6
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Folder, inFolder, programPath, recordsOf } from "../cli/stage.ts";
import type { Said } from "../command.ts";
import { assert, fc, long, property, test } from "../suite.ts";

const tasks = 500;
const workers = 4;
const holdFrom = tasks - workers;
const program = programPath("squares");

function begun(path: string): number[] {
  try {
    return readFileSync(join(path, "begun"), "utf8").split("\n").slice(0, -1).map(Number);
  } catch {
    return [];
  }
}

/** The number of each task whose answer is recorded, as often as it is. */
function recorded(path: string): number[] {
  const directory = join(path, "runs/killed");
  if (!existsSync(join(directory, "records"))) return [];
  return recordsOf(directory).flatMap(({ type, outcome, result }) => {
    if (type !== "TaskFinished" || outcome !== "done") return [];
    return [numberIn(result as { frame: string })];
  });
}

/** An answer with arrays is kept as a frame: its JSON has the square of the task's number. */
function numberIn({ frame }: { frame: string }): number {
  const [, square] = /"square":(\d+)/.exec(Buffer.from(frame, "base64").toString("latin1")) ?? [];
  return Math.sqrt(Number(square));
}

/** Kills the head once so many tasks have begun under it, or one of the last, which wait: no head comes to its end. */
async function killAfter(folder: Folder, args: readonly string[], cwd: string, count: number): Promise<void> {
  const before = begun(folder.path).length;
  const started = folder.start(args, { cwd });
  let said: Said | undefined;
  void started.ended.then((end) => said = end);
  for (;;) {
    const own = begun(folder.path).slice(before);
    if (own.length >= count || own.some((n) => n >= holdFrom)) break;
    assert.equal(said, undefined, `it ended by itself: ${said?.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  started.child.kill("SIGKILL");
  await started.ended;
}

const sorted = (numbers: Iterable<number>): number[] => [...numbers].sort((a, b) => a - b);

async function survives(kills: readonly number[], threads: number): Promise<void> {
  await inFolder(async (folder) => {
    const { path } = folder;
    const elsewhere = join(path, "elsewhere");
    mkdirSync(elsewhere);
    const store = `file://${join(path, "store")}`;
    const flags = [
      "--tasks",
      String(tasks),
      "--workers",
      String(workers),
      "--folder",
      path,
      "--store",
      store,
      "--threads",
      String(threads),
      "--hold-from",
      String(holdFrom),
    ];
    let args = ["run", program, "--name", "killed", ...flags];
    for (const count of kills) {
      const earlier = new Set(recorded(path));
      await killAfter(folder, args, args[0] === "run" ? path : elsewhere, count);
      args = ["resume", "killed", "--json"];
      // Nothing that was recorded is lost by a later kill.
      const now = new Set(recorded(path));
      for (const n of earlier) assert.ok(now.has(n), `the result of ${n} is gone`);
    }
    folder.write("release", "");
    const kept = new Set(recorded(path));
    const beganBefore = begun(path);
    const resumed = await folder.start(args, { cwd: elsewhere }).ended;
    assert.equal(resumed.code, 0, resumed.stderr);
    const all = Array.from({ length: tasks }, (_, n) => n);
    const { sum, tensors } = JSON.parse(resumed.stdout);
    assert.deepEqual([sum, tensors], [
      all.reduce((total, n) => total + n * n + n, 0),
      all.reduce((total, n) => total + n, 0),
    ]);
    assert.deepEqual(sorted(recorded(path)), all, "each result stands once");
    const beganAfter = begun(path).slice(beganBefore.length);
    assert.deepEqual(sorted(beganAfter), all.filter((n) => !kept.has(n)), "what is recorded does not begin again");
    const underWay = beganBefore.length - kept.size;
    // Each kill loses what its workers were at, and nothing that they had done.
    assert.ok(underWay <= kills.length * workers, `${underWay} of ${beganBefore.length} began for nothing`);
  });
}

test("A named map goes on after kill -9 of its head at a random moment", async () => {
  const kills = fc.array(fc.integer({ min: 1, max: tasks - 1 }), { minLength: 1, maxLength: 1 });
  // The bar is twenty moments in the long run.
  await property([kills, fc.constantFrom(0, 2)], survives, { runs: long ? 1 : 2 });
}, { timeoutMs: 240_000 * (long ? 3 : 1) });

test("A named map goes on after its head was killed again and again", async () => {
  const kills = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 2, maxLength: 4 });
  await property([kills, fc.constantFrom(0, 2)], survives, { runs: 1 });
}, { timeoutMs: 240_000 * (long ? 3 : 1) });
