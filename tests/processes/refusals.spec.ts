// What several processes are asked for in vain: each ends in a typed error that says what to do, within a bounded time,
// and leaves no process behind.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isShoalError, launch, type LaunchOptions, type RunRecord } from "../../runtime/mod.ts";
import { words } from "../../runtime/launch/batch/quoting.ts";
import { commandWords } from "../../runtime/launch/command.ts";
import { readJoining, workerFile, writeJoining } from "../../runtime/launch/joining.ts";
import { type Member, strangeness } from "../../runtime/nodes/registry.ts";
import { assert, fc, property, root, runtime, test } from "../suite.ts";
import { Here } from "./actors.ts";
import { Private } from "./private.ts";

const patient = { timeoutMs: 120_000 };

/** Launches in vain; answers the error. */
async function refused(options: LaunchOptions): Promise<Error & { readonly code: string }> {
  let error: unknown;
  try {
    const system = await launch({ threads: 0, record() {}, ...options });
    await system.close();
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(isShoalError(error), String(error));
  return error;
}

test("launch: a store that other processes cannot reach is refused, with the cure", async () => {
  const error = await refused({ nodes: 2, store: "memory:" });
  assert.equal(error.code, "BadInput");
  assert.match(error.message, /^Cannot launch 2 nodes: memory: cannot be reached from other processes; leave out the/);
});

test("launch: options of several processes that mean nothing are refused before anything starts", async () => {
  assert.match((await refused({ nodes: 5_000 })).message, /nodes is 5000, at most 4096 processes/);
  assert.match((await refused({ nodes: -1 })).message, /nodes is -1, expected a whole number from 0/);
  assert.match((await refused({ nodes: 2, link: "loG" as never })).message, /link is loG, expected "auto" or "log"/);
  const supervision = { on: (): "stop" => "stop" };
  assert.match((await refused({ nodes: 2, supervision })).message, /supervision.on is a function/);
});

test("launch: the command of workers is a list of words, or a text as a shell reads it", async () => {
  const any = fc.array(fc.string({ unit: "grapheme", maxLength: 8 }).filter((one) => !one.includes("\0")), {
    minLength: 1,
  });
  await property([any.filter(([first]) => first !== "")], (command) => {
    assert.deepEqual(commandWords("Cannot launch", words(command)), command);
    assert.deepEqual(commandWords("Cannot launch", command), command);
  });
  assert.deepEqual(commandWords("", String.raw` a\ b  "c \" \d"'e'  '' `), ["a b", String.raw`c " \de`, ""]);
  assert.match((await refused({ nodes: 2, workerCommand: "node 'a" })).message, /ends within .*close the quotes/);
  assert.match((await refused({ nodes: 2, workerCommand: " " })).message, /workerCommand is empty; leave it out/);
  assert.match((await refused({ nodes: 2, workerCommand: [7] as never })).message, /expected a text or a list/);
});

test(
  "launch: a worker that cannot be started, or says no word, is named with its command and what it wrote",
  async () => {
    const missing = await refused({ nodes: 2, workerCommand: "/no/such/runtime worker.js" });
    assert.equal(missing.code, "Unavailable");
    assert.match(missing.message, /^Cannot start node n2: a process on .* could not be started \(.*ENOENT/s);
    assert.match(missing.message, /it was run as \/no\/such\/runtime worker\.js .*n2\..*\.join/);
    const code = "for(let i=0;i<30;i++)console.log('line '+i);process.exit(9)";
    const script = join(mkdtempSync(join(tmpdir(), "shoal-refusals-")), "silent.mjs");
    try {
      writeFileSync(script, code);
      const prefix = runtime === "node" ? [process.execPath] : [process.execPath, "run", "-A", "--no-lock"];
      const early = await refused({ nodes: 2, workerCommand: [...prefix, script] });
      assert.match(early.message, /process \d+ on .* ended with exit code 9 before it had joined; it was run as/);
      assert.match(early.message, /its last lines:\n {2}line 10\n(.*\n){18} {2}line 29$/);
      writeFileSync(script, "console.log('I wait'); setInterval(() => {}, 1e6)");
      const late = await refused({
        nodes: 2,
        workerCommand: [...prefix, script],
        limits: { joinTimeoutMs: 3_000 },
      });
      assert.match(
        late.message,
        /did not join within 3000 ms \(limits\.joinTimeoutMs\); .*its last lines:\n {2}I wait$/s,
      );
    } finally {
      rmSync(join(script, ".."), { recursive: true, force: true });
    }
  },
  patient,
);

const member: Member = {
  node: "n2",
  epoch: 1,
  ticket: "t",
  pid: 7,
  machine: { host: "h", platform: "p", cores: 1, memoryBytes: 1, runtime: "node 20" },
  version: "1.0.0",
  at: 1_000_000,
  places: [{ node: "n2", path: "/s" }],
};
const expected = { version: "1.0.0", ticket: "t", askedAt: 999_000, heardAt: 1_001_000 };

test("strangeness: a process of another version, with another's ticket, or with a clock far off is not let in", () => {
  assert.equal(strangeness(member, expected), undefined);
  // A store that is slow makes no clock wrong.
  assert.equal(strangeness(member, { ...expected, askedAt: 400_000, heardAt: 5_000_000 }), undefined);
  const version = strangeness({ ...member, version: "2.0.0" }, expected);
  assert.equal(version?.code, "Incompatible");
  assert.match(version.message, /it runs shoal 2\.0\.0, and the run is led by 1\.0\.0; install the same version/);
  const twice = strangeness({ ...member, ticket: "u" }, expected);
  assert.equal(twice?.code, "Conflict");
  for (const [at, way] of [[939_000, "behind"], [1_061_000, "ahead"]] as const) {
    const clock = strangeness({ ...member, at }, expected);
    assert.equal(clock?.code, "Incompatible");
    assert.match(clock.message, new RegExp(`its clock is 60 s ${way}; set the clocks`));
  }
});

/** What a worker says that is told otherwise than it should be: a module that changes its file, then is the worker. */
async function tampered(change: (file: string) => string): Promise<Error & { readonly code: string }> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-refusals-"));
  try {
    const script = join(folder, `tamper.${runtime === "node" ? "mjs" : "ts"}`);
    writeFileSync(script, change("process.argv[2]"));
    const prefix = runtime === "node"
      ? [process.execPath]
      : [process.execPath, "run", "-A", "--no-lock", "--conditions=source", `--config=${join(root, "deno.json")}`];
    return await refused({
      nodes: 2,
      workerCommand: [...prefix, script],
      limits: { joinTimeoutMs: 20_000, sendTimeoutMs: 5_000 },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const here = new URL("../../runtime/launch/", import.meta.url).href;
const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));

/** A worker whose clock is a minute late, from before anything else of it is loaded. */
const late = `import "data:text/javascript,const { now } = Date; Date.now = () => now() - 60_000;";
`;

/** A worker whose file says something else. */
const with_ = (changed: string) => (file: string): string => `
import { readJoining, writeJoining } from ${JSON.stringify(`${here}joining${ending}`)};
import { rmSync } from "node:fs";
const joining = readJoining(${file});
rmSync(${file});
writeJoining(${file}, { ...joining, ${changed} });
process.argv[1] = ${JSON.stringify(workerFile())};
await import(${JSON.stringify(`${here}worker${ending}`)});
`;

test(
  "worker: one of another version, another run, or without the run's token does not get in, and says why",
  async () => {
    const version = await tampered(with_(`version: "0.0.0-other"`));
    assert.equal(version.code, "Incompatible");
    assert.match(version.message, /Cannot join run .*: it is led by shoal 0\.0\.0-other, this is .*; install the same/);
    const token = await tampered(with_(`token: "wrong"`));
    assert.equal(token.code, "Unauthorized");
    assert.match(token.message, /has not the token of run .*; one that an earlier head of the run has started ends by/);
    const run = await tampered(with_(`run: "another"`));
    assert.equal(run.code, "Incompatible");
    assert.match(run.message, /run another/);
    const clock = await tampered((file) => `${late}${with_("")(file)}`);
    assert.match(clock.message, /Cannot let n2 join \(process \d+ on .*\): its clock is \d+ s behind; set the clocks/);
    assert.equal(clock.code, "Incompatible");
    const store = await tampered(with_(`store: "file:///proc/no/such/place"`));
    assert.equal(store.code, "Unavailable");
    assert.match(store.message, /\/proc\/no/);
  },
  { timeoutMs: 240_000 },
);

test("worker: a file that says nothing of a run is refused, and so is one that was used before", async () => {
  assert.throws(() => readJoining("/no/such.join"), (error) => isShoalError(error, "BadInput"));
  let taken = false;
  const records: RunRecord[] = [];
  const folder = mkdtempSync(join(tmpdir(), "shoal-refusals-"));
  try {
    const script = join(folder, `twice.${runtime === "node" ? "mjs" : "ts"}`);
    const copy = join(folder, "copy.join");
    writeFileSync(
      script,
      `
import { copyFileSync } from "node:fs";
copyFileSync(process.argv[2], ${JSON.stringify(copy)});
process.argv[1] = ${JSON.stringify(workerFile())};
await import(${JSON.stringify(`${here}worker${ending}`)});
`,
    );
    const prefix = runtime === "node"
      ? [process.execPath]
      : [process.execPath, "run", "-A", "--no-lock", "--conditions=source", `--config=${join(root, "deno.json")}`];
    const system = await launch({
      nodes: 2,
      threads: 0,
      workerCommand: [...prefix, script],
      record: (one) => void records.push(one),
    });
    try {
      const actor = await system.spawn(Here, undefined, { node: "n2" });
      const { pid } = await actor.ask("where");
      const [program, ...args] = [...prefix, workerFile(), copy];
      const second = spawnSync(program, args, { encoding: "utf8", timeout: 60_000 });
      taken = true;
      assert.equal(second.status, 73, second.stderr);
      assert.match(second.stderr, /Cannot join as n2: another process has joined with the same file/);
      assert.equal((await actor.ask("where")).pid, pid);
      assert.equal(records.filter(({ type }) => type === "NodeLost").length, 0);
    } finally {
      await system.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  assert.ok(taken);
}, patient);

test("system: what several processes cannot do is told to who asks", async () => {
  const system = await launch({ nodes: 2, threads: 0, record() {} });
  try {
    const fails = async (call: Promise<unknown>, code: "BadInput" | "Ended" | "Incompatible", text: RegExp) => {
      await assert.rejects(call, (error) => {
        assert.ok(isShoalError(error, code), String(error));
        assert.match(error.message, text);
        return true;
      });
    };
    await fails(system.spawn(Here, undefined, { node: "n9" }), "Ended", /this run has no node n9/);
    await fails(system.spawn(Here, undefined, { on: "elsewhere" as never }), "BadInput", /expected "threads" or "proc/);
    // Of a class that is there in one process only, the other says what is missing.
    await fails(system.spawn(Private, undefined, { node: "n2" }), "BadInput", /does not export it/);
    const far = await system.spawn(Here, undefined, { node: "n2" });
    await system.stop(far);
    await fails(far.ask("where"), "Ended", /where/);
  } finally {
    await system.close();
  }
}, patient);

test("launch: of two that lead one run the first is fenced, and its processes end with it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-refusals-"));
  try {
    const pids: number[] = [];
    const record = (one: RunRecord): void => void (one.type === "NodeJoined" && pids.push(one.pid));
    const options: LaunchOptions = { name: "r", nodes: 2, threads: 0, store: `file://${folder}`, record };
    const first = await launch(options);
    const [pid] = pids;
    const second = await launch(options);
    try {
      await assert.rejects(first.ended, (error) => isShoalError(error, "Fenced"));
      const far = await second.spawn(Here, undefined, { node: "n2" });
      assert.equal((await far.ask("where")).pid, pids[1]);
      assert.notEqual(pid, pids[1]);
      await first.close({ now: true }).catch(() => {});
      assert.throws(() => process.kill(pid!, 0));
    } finally {
      await second.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, patient);

test("system: without other processes, who is to live in one is refused with the cure", async () => {
  const system = await launch({ threads: 0, record() {} });
  try {
    await assert.rejects(system.spawn(Here, undefined, { on: "processes" }), (error) => {
      assert.ok(isShoalError(error, "BadInput"));
      assert.match(error.message, /on processes: this system has none; give launch nodes: 2/);
      return true;
    });
  } finally {
    await system.close();
  }
});

test("writeJoining: only its user can read what a worker is told", () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-refusals-"));
  try {
    const path = join(folder, "a.join");
    writeJoining(path, { token: "secret" } as never);
    assert.match(readFileSync(path, "utf8"), /secret/);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
