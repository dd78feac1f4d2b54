// Runs as a user handles them: how they end, how they go on, and what is said of them from elsewhere.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { assert, test } from "../suite.ts";
import { type Folder, inFolder, programPath, recordsOf } from "./stage.ts";

const timeoutMs = 120_000;
const program = programPath("squares");
/** Σ n² + n for n < 20, as the program adds it up. */
const sum = 2470 + 190;

const begun = (path: string): string[] => {
  try {
    return readFileSync(join(path, "begun"), "utf8").trim().split("\n");
  } catch {
    return [];
  }
};

/** Waits until so many tasks say that they began. */
async function untilBegun(path: string, count: number): Promise<void> {
  while (begun(path).length < count) await new Promise((resolve) => setTimeout(resolve, 5));
}

const release = ({ write }: Folder): string => write("release", "");
const durable = (folder: Folder): string[] => ["--store", `file://${join(folder.path, "store")}`];
const finished = (directory: string): number =>
  recordsOf(directory).filter(({ type, outcome }) => type === "TaskFinished" && outcome === "done").length;

async function stateOf(folder: Folder, run: string): Promise<string> {
  const said = await folder.shoal("status", run, "--json");
  assert.equal(said.code, 0, said.stderr);
  return JSON.parse(said.stdout).state;
}

test("shoal run makes a directory that only its user can read, and leaves it done", async () => {
  await inFolder(async (folder) => {
    const said = await folder.shoal("run", program, "--name", "one", "--json");
    assert.equal(said.code, 0, said.stderr);
    assert.deepEqual(JSON.parse(said.stdout).sum, sum);
    const directory = join(folder.path, "runs/one");
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
      const { mode } = statSync(join(directory, name));
      assert.equal(mode & 0o077, 0, `${name} can be read by others`);
    }
    const { configuration, machine, program: typed } = JSON.parse(readFileSync(join(directory, "run.json"), "utf8"));
    assert.equal(typed, program);
    assert.deepEqual(configuration["programs.squares.tasks"], { value: 20, origin: "default" });
    assert.ok(machine.cores >= 1);
    assert.equal(await stateOf(folder, "one"), "done");
    const again = await folder.shoal("resume", "one");
    assert.equal(again.code, 2);
    assert.match(again.stderr, /Cannot resume one: it is done since .*; to run it anew: shoal run /);
  });
}, { timeoutMs });

test("shoal run drains on ctrl-C, and resume from elsewhere runs only the rest", async () => {
  await inFolder(async (folder) => {
    const { path } = folder;
    const started = folder.start(["run", program, "--name", "held", "--hold-from", "10", ...durable(folder)]);
    await untilBegun(path, 14);
    started.child.kill("SIGINT");
    await started.says("interrupted: what runs is finished first");
    release(folder);
    const { code, stderr } = await started.ended;
    assert.equal(code, 130, stderr);
    assert.match(stderr, /to go on: shoal resume held/);
    // What ran was finished, and nothing else was begun.
    const directory = join(path, "runs/held");
    assert.deepEqual([begun(path).length, finished(directory)], [14, 14]);
    assert.equal(await stateOf(folder, "held"), "interrupted");

    mkdirSync(join(path, "elsewhere"));
    const resumed = await folder.start(["resume", "held", "--json"], { cwd: join(path, "elsewhere") }).ended;
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.deepEqual([JSON.parse(resumed.stdout).sum, JSON.parse(resumed.stdout).tensors], [sum, 190]);
    assert.match(resumed.stderr, /kept: 14 results of squares/);
    assert.deepEqual([begun(path).length, new Set(begun(path)).size, finished(directory)], [20, 20, 20]);
  });
}, { timeoutMs });

test("shoal run ends at once on the second ctrl-C, and can be resumed", async () => {
  await inFolder(async (folder) => {
    const started = folder.start(["run", program, "--name", "twice", "--hold-from", "3", ...durable(folder)]);
    await untilBegun(folder.path, 7);
    started.child.kill("SIGINT");
    await started.says("once more ends at once");
    // By its id: on Deno a child that was sent any signal counts as killed, and is sent no other.
    process.kill(started.child.pid!, "SIGINT");
    assert.equal((await started.ended).code, 130);
    assert.equal(await stateOf(folder, "twice"), "interrupted");
    release(folder);
    const resumed = await folder.shoal("resume", "twice", "--json");
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.equal(JSON.parse(resumed.stdout).sum, sum);
    assert.equal(begun(folder.path).length, 20 + 4);
  });
}, { timeoutMs });

test("shoal stop drains a run from elsewhere, and refuses one that does not run", async () => {
  await inFolder(async (folder) => {
    const started = folder.start(["run", program, "--name", "stopped", "--hold-from", "5"]);
    await untilBegun(folder.path, 9);
    const stopping = folder.start(["stop", "stop", "--json"]);
    await started.says("stopped by shoal stop");
    release(folder);
    assert.equal((await started.ended).code, 130);
    const stopped = await stopping.ended;
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal(JSON.parse(stopped.stdout).state, "interrupted");
    const again = await folder.shoal("stop", "stopped");
    assert.equal(again.code, 2);
    assert.match(again.stderr, /Cannot stop stopped: it is not running, it is interrupted/);
  });
}, { timeoutMs });

test("shoal stop --now ends what is under way, and a head that never yields", async () => {
  await inFolder(async (folder) => {
    const started = folder.start(["run", program, "--name", "held", "--hold-from", "0"]);
    await untilBegun(folder.path, 4);
    const stopped = await folder.shoal("stop", "held", "--now");
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal((await started.ended).code, 130);
  });
  await inFolder(async (folder) => {
    const started = folder.start(["run", program, "--name", "busy", "--busy"]);
    await untilBegun(folder.path, 1);
    const stopped = await folder.shoal("stop", "busy", "--now");
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.match(stopped.stderr, /it does not answer: ending process \d+/);
    assert.equal((await started.ended).signal, "SIGKILL");
  });
}, { timeoutMs });

test("shoal run and resume leave a run alone that a live head leads", async () => {
  await inFolder(async (folder) => {
    const started = folder.start(["run", program, "--name", "mine", "--hold-from", "0"]);
    await untilBegun(folder.path, 4);
    const resumed = await folder.shoal("resume", "mine");
    assert.equal(resumed.code, 1);
    assert.match(resumed.stderr, new RegExp(`process ${started.child.pid} on .* leads it; shoal status`));
    const named = await folder.shoal("run", program, "--name", "mine");
    assert.equal(named.code, 1);
    assert.match(named.stderr, /runs\/mine is there already; give another --name, or shoal resume/);
    // Another run beside it is none of its business.
    const other = await folder.shoal("run", program, "--name", "other", "--tasks", "3", "--folder", folder.path);
    assert.equal(other.code, 0, other.stderr);
    assert.match((await folder.shoal("status")).stdout, /^mine\n[^]*state +running, led by process/);
    release(folder);
    assert.equal((await started.ended).code, 0);
  });
}, { timeoutMs });

test("shoal resume says what memory: has lost, and what differs", async () => {
  await inFolder(async (folder) => {
    const config = (replyTimeoutMs: number): string =>
      folder.write("shoal.config.json", JSON.stringify({ limits: { replyTimeoutMs } }));
    config(70_000);
    const mine = folder.write("mine.mjs", `export { default, settings } from ${JSON.stringify(programUrl)};\n`);
    const started = folder.start(["run", mine, "--name", "lost", "--hold-from", "5"]);
    await untilBegun(folder.path, 9);
    started.child.kill("SIGKILL");
    await started.ended;
    config(80_000);
    appendFileSync(mine, "// another line\n");
    release(folder);
    const resumed = await folder.shoal("resume", "lost", "--json", "--set", "limits.stopTimeoutMs=1000");
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.equal(JSON.parse(resumed.stdout).sum, sum);
    assert.match(resumed.stderr, /runs again: 5 tasks of squares, whose tensors are not in the store any more/);
    assert.match(
      resumed.stderr,
      /differs: limits.replyTimeoutMs was 70000 \(shoal.config.json\), now 80000 .*; what was stands/,
    );
    assert.match(resumed.stderr, /differs: .*mine\.mjs has changed since the run began/);
    const heads = recordsOf(join(folder.path, "runs/lost")).filter(({ type }) => type === "RunStarted");
    const last = heads.at(-1)?.["configuration"] as Record<string, { value: unknown; origin: string }>;
    assert.deepEqual(last["limits.replyTimeoutMs"], { value: 70_000, origin: "shoal.config.json" });
    assert.deepEqual(last["limits.stopTimeoutMs"], { value: 1000, origin: "--set of resume" });
  });
}, { timeoutMs });

const programUrl = new URL(`file://${program}`).href;

/** A run that was killed with five tasks recorded, and nothing that would hold it again. */
async function interrupted(folder: Folder): Promise<string> {
  const started = folder.start(["run", program, "--name", "cut", "--hold-from", "5", ...durable(folder)]);
  await untilBegun(folder.path, 9);
  started.child.kill("SIGKILL");
  await started.ended;
  release(folder);
  return join(folder.path, "runs/cut");
}

test("shoal resume goes on after a record that was cut off, and after lines that are none", async () => {
  for (const damage of ["cut", "spoilt"] as const) {
    await inFolder(async (folder) => {
      const directory = await interrupted(folder);
      const file = join(directory, "records/000001.jsonl");
      const text = readFileSync(file, "utf8");
      if (damage === "cut") truncateSync(file, Buffer.byteLength(text) - 7);
      else writeFileSync(file, text.replace(/^(.*"TaskFinished".*)$/m, (line) => `\u0000${line.slice(9)}`));
      const resumed = await folder.shoal("resume", "cut", "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.match(resumed.stderr, damage === "cut" ? /its last record was cut off/ : /1 lines cannot be read/);
      assert.equal(JSON.parse(resumed.stdout).sum, sum);
      const whole = await folder.shoal("status", "cut", "--json");
      assert.equal(JSON.parse(whole.stdout).tasks.squares.done, 20);
    });
  }
}, { timeoutMs });

const broken: readonly [what: string, spoil: (directory: string) => void, says: RegExp][] = [
  [
    "of a newer layout",
    (at) => rewrite(join(at, "run.json"), /"layout": 1/, `"layout": 2`),
    /a newer shoal made it .*upgrade shoal/,
  ],
  [
    "of newer records",
    (at) => rewrite(join(at, "records/000001.jsonl"), /"version":1/, `"version":2`),
    /a newer shoal wrote its records/,
  ],
  [
    "without a readable run.json",
    (at) => writeFileSync(join(at, "run.json"), "\u0000\u0001"),
    /run.json is not JSON; its records are untouched/,
  ],
  [
    "whose run.json holds something else",
    (at) => writeFileSync(join(at, "run.json"), "{}"),
    /run.json: run is no string|run.json: layout is no number/,
  ],
];

function rewrite(path: string, pattern: RegExp, text: string): void {
  const before = readFileSync(path, "utf8");
  assert.match(before, pattern);
  writeFileSync(path, before.replace(pattern, text));
}

for (const [what, spoil, says] of broken) {
  test(`shoal resume refuses a run ${what}, and changes nothing`, async () => {
    await inFolder(async (folder) => {
      const directory = await interrupted(folder);
      spoil(directory);
      const before = readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
      for (const verb of ["resume", "status"]) {
        const said = await folder.shoal(verb, "cut");
        assert.equal(said.code, 1, said.stderr);
        assert.match(said.stderr, says);
      }
      assert.match((await folder.shoal("list")).stdout, /^cut +unreadable/m);
      assert.deepEqual(readdirSync(directory, { recursive: true, encoding: "utf8" }).sort(), before);
    });
  });
}

test(
  "shoal list, status and resume take the beginning of a name, and say which are meant where it is not enough",
  async () => {
    await inFolder(async (folder) => {
      for (const name of ["alpha-1", "alpha-2", "beta"]) {
        assert.equal((await folder.shoal("run", program, "--name", name, "--tasks", "1")).code, 0);
      }
      writeFileSync(join(folder.path, ".state/shoal/runs/0123456789ab.json"), "no json");
      const rows = JSON.parse((await folder.shoal("list", "--json")).stdout) as Record<string, string>[];
      assert.deepEqual(rows.map(({ run, state }) => [run, state]), [["beta", "done"], ["alpha-2", "done"], [
        "alpha-1",
        "done",
      ]]);
      for (const key of ["run", "directory", "program", "started", "state"]) assert.ok(rows[0]?.[key], key);
      assert.equal(await stateOf(folder, "be"), "done");
      const both = await folder.shoal("status", "alpha");
      assert.equal(both.code, 2);
      assert.match(both.stderr, /2 runs are meant by it: alpha-\d, alpha-\d; write more of its name/);
      assert.match((await folder.shoal("status", "betta")).stderr, /did you mean beta\?/);
    });
  },
  { timeoutMs },
);

test(
  "of runs that are called alike, the one in the folder of runs here is meant; elsewhere their paths are named",
  async () => {
    await inFolder(async (folder) => {
      for (const place of ["one", "two"]) {
        mkdirSync(join(folder.path, place));
        const cwd = join(folder.path, place);
        assert.equal((await folder.start(["run", program, "--name", "same", "--tasks", "1"], { cwd }).ended).code, 0);
        const { stdout } = await folder.start(["status", "same", "--json"], { cwd }).ended;
        assert.equal(JSON.parse(stdout).directory, join(cwd, "runs/same"));
      }
      const both = await folder.shoal("status", "same");
      assert.equal(both.code, 2);
      assert.match(both.stderr, /2 runs are meant by it: .*\/runs\/same, .*\/runs\/same; write/);
    });
  },
  { timeoutMs },
);

test("shoal logs prints what was said, follows a run to its end, and picks an actor", async () => {
  await inFolder(async (folder) => {
    const started = folder.start(["run", program, "--name", "loud", "--tasks", "6", "--hold-from", "4", "--quiet"]);
    await untilBegun(folder.path, 6);
    const following = folder.start(["logs", "loud", "--follow"]);
    await following.says("squared 3");
    release(folder);
    assert.equal((await started.ended).code, 0);
    const { code, stdout } = await following.ended;
    assert.equal(code, 0);
    for (const n of [0, 5]) assert.match(stdout, new RegExp(`info Squares main/\\d+ \\(run\\): squared ${n}$`, "m"));
    assert.match(stdout, /info run ended: done\n$/);
    const one = (await folder.shoal("logs", "loud", "Squares", "--json")).stdout.trim().split("\n");
    assert.deepEqual(
      one.map((line): string => JSON.parse(line).text).sort(),
      [0, 1, 2, 3, 4, 5].map((n) => `squared ${n}`),
    );
    assert.equal((await folder.shoal("logs", "loud", "--level", "error")).stdout, "");
  });
}, { timeoutMs });

test("shoal resume needs the program and the folder that the run began with", async () => {
  await inFolder(async (folder) => {
    const mine = folder.write("mine.mjs", `export { default, settings } from ${JSON.stringify(programUrl)};\n`);
    const started = folder.start(["run", mine, "--name", "gone", "--hold-from", "0"]);
    await untilBegun(folder.path, 4);
    started.child.kill("SIGKILL");
    await started.ended;
    rmSync(mine);
    const resumed = await folder.shoal("resume", "gone");
    assert.equal(resumed.code, 2);
    assert.match(resumed.stderr, /its program is gone: .*mine\.mjs; put it back/);
    assert.ok(existsSync(join(folder.path, "runs/gone/run.json")));
  });
}, { timeoutMs });
