// Jobs on PBS: against a stand-in that behaves as OpenPBS was seen to, or with SHOAL_TEST_PBS=real against a real one.
// minutes: 8
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Folder, inFolder } from "../cli/stage.ts";
import { run, type Said, shown } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, root, runtime, skip, test } from "../suite.ts";
import { type RunView, viewRun } from "../../runtime/run/catalogue.ts";
import { sentJobs } from "../../runtime/run/jobs.ts";
import { runLayout } from "../../runtime/run/layout.ts";
import { word, words } from "../../runtime/launch/batch/quoting.ts";
import { folderOf } from "../../runtime/launch/batch/client.ts";
import { isRealPbs, program, resultIn, undisturbed, until } from "./stage.ts";

const isReal = isRealPbs;
const timeoutMs = isReal ? 4 * 3_600_000 : 240_000;

interface Lab extends Folder {
  ask(program: string, ...args: string[]): Promise<Said>;
  view(run: string): RunView | undefined;
  said(run: string, number?: number): string;
}

async function onPbs(body: (lab: Lab) => Promise<void>, settings: Record<string, string> = {}): Promise<void> {
  if (isReal && folderOf("qsub") === undefined) skip("SHOAL_TEST_PBS=real, and there is no qsub on the PATH");
  const command = commandFor(runtime, join(root, "tests/batch/standin.ts"));
  await inFolder(async (folder) => {
    folder.write("squares.mjs", program);
    const bin = join(folder.path, "bin");
    mkdirSync(bin);
    const state = join(folder.path, "pbs");
    for (const name of isReal ? [] : ["qsub", "qstat", "qdel", "pbsdsh", "mpiexec"]) {
      const told = `STANDIN_PBS=${word(state)} STANDIN_TEST=${process.pid} STANDIN_COMMAND=${
        word(JSON.stringify(command))
      }`;
      folder.write(`bin/${name}`, `#!/bin/sh\n${told} exec ${words(command)} ${name} "$@"\n`);
      chmodSync(join(bin, name), 0o755);
    }
    // What a job on a stand-in has in its home folder all the same.
    const env = {
      ...folder.env,
      PATH: `${bin}:${process.env["PATH"]}`,
      STANDIN_PASS: "XDG_STATE_HOME,DENO_DIR,NO_COLOR",
      ...settings,
    };
    const ask = (name: string, ...args: string[]): Promise<Said> => run(name, args, { cwd: folder.path, env });
    try {
      await body({
        ...folder,
        shoal: (...args) => folder.start(args, { env }).ended,
        start: (args, options = {}) => folder.start(args, { ...options, env: { ...env, ...options.env } }),
        ask,
        view(name) {
          const directory = join(folder.path, "runs", name);
          return existsSync(join(directory, "run.json")) ? viewRun(directory) : undefined;
        },
        said(name, number = 1) {
          const path = join(folder.path, "runs", name, "jobs", `${String(number).padStart(6, "0")}.out`);
          return existsSync(path) ? readFileSync(path, "utf8") : "";
        },
      });
    } finally {
      if (isReal) await clearReal(join(folder.path, "runs"), ask);
      else await clear(state, ask);
    }
  });
}

/** Nor does one on a real machine, where each that ran is a record of its run. */
async function clearReal(runs: string, ask: Lab["ask"]): Promise<void> {
  for (const run of existsSync(runs) ? readdirSync(runs) : []) {
    for (const { job } of sentJobs(runLayout(join(runs, run)))) if (job !== undefined) await ask("qdel", job);
  }
}

/** No job outlives its test. */
async function clear(state: string, ask: Lab["ask"]): Promise<void> {
  if (!existsSync(state)) return;
  const jobs = (): { id: string; state: string }[] =>
    readdirSync(state).filter((name) => name.endsWith(".login.json"))
      .map((name) => JSON.parse(readFileSync(join(state, name), "utf8")) as { id: string; state: string });
  for (const { id, state } of jobs()) if (state !== "F") await ask("qdel", id);
  await until("no job is left", () => jobs().every(({ state }) => state === "F"), () => JSON.stringify(jobs()));
}

const submit = ["submit", "./squares.mjs", "--launcher", "pbs", "--json"] as const;
const stateOf = ({ view }: Lab, run: string): string => view(run)?.state ?? "nothing";

async function untilState(lab: Lab, run: string, state: string): Promise<void> {
  await until(`${run} is ${state}`, () => stateOf(lab, run) === state, () => `${stateOf(lab, run)}: ${lab.said(run)}`);
}

async function untilTasks(lab: Lab, run: string, done: number): Promise<void> {
  const count = (): number => lab.view(run)?.summary.tasks.get("square")?.done ?? 0;
  await until(`${done} tasks of ${run} are done`, () => count() >= done, () => `${count()}: ${lab.said(run)}`);
}

async function resultOf(lab: Lab, run: string, number = 1): Promise<number> {
  const said = (): string => lab.said(run, number);
  await until("the job says its result", () => said().includes('{"run"'), said);
  return resultIn(said()).sum;
}

test("submit sends a job to PBS, status shows it, and it ends with the result of a run here", async () => {
  await onPbs(async (lab) => {
    const { shoal, write, path } = lab;
    const sum = await undisturbed(lab);
    write("hold", "4");
    const sent = await shoal(...submit, "--name", "first", "--walltime", "5m");
    assert.equal(sent.code, 0, shown(sent));
    const { job } = JSON.parse(sent.stdout) as { job: string };
    await untilTasks(lab, "first", 3);
    const running = await shoal("status", "first");
    assert.match(running.stdout, new RegExp(`^  job ${job} +on pbs: r, 00:0[45]:\\d\\d left; 1 node, 00:05:00$`, "m"));
    rmSync(join(path, "hold"));
    assert.equal(await resultOf(lab, "first"), sum);
  });
}, { timeoutMs });

test("jobs of PBS drain before their walltime ends, by a clock of their own, and the next one goes on", async () => {
  await onPbs(async (lab) => {
    const { shoal } = lab;
    const sum = await undisturbed(lab);
    // They have two seconds to work, and may come to nothing: the last has enough.
    const chain = ["--walltime", "1m", "--drain-seconds", "58", "--auto-resume", "--jobs-max", "2", "--ms", "1000"];
    const sent = await shoal(...submit, "--name", "chain", ...chain);
    assert.equal(sent.code, 0, shown(sent));
    await until(
      "the second job has ended",
      () => /interrupted; to go on/.test(lab.said("chain", 2)),
      () => lab.said("chain", 2),
    );
    assert.match(lab.said("chain"), /the walltime ends in .*: what runs is finished first/);
    assert.match(lab.said("chain"), /sent job \S+ to pbs .*\n.*it begins after the end of job/);
    assert.match(
      lab.said("chain", 2),
      /the next job is not sent: .*2 were sent; shoal resume chain --set batch.jobsMax=4 allows more/,
    );
    const ended = async (): Promise<boolean> => {
      const { jobs } = JSON.parse((await shoal("status", "chain", "--json")).stdout) as { jobs: { state: string }[] };
      return jobs.every(({ state }) => state === "ended");
    };
    await until("both jobs have ended", ended, () => lab.said("chain", 2));
    const more = await shoal("resume", "chain", "--jobs-max", "4", "--walltime", "10m", "--drain-seconds", "60");
    assert.equal(more.code, 0, shown(more));
    assert.equal(await resultOf(lab, "chain", 3), sum);
  });
}, { timeoutMs });

test("a job of PBS that is deleted ends in order, and resume sends another", async () => {
  await onPbs(async (lab) => {
    const { shoal, ask, write, path } = lab;
    const sum = await undisturbed(lab);
    write("hold", "4");
    const sent = await shoal(...submit, "--name", "deleted", "--walltime", "5m", "--auto-resume");
    const { job } = JSON.parse(sent.stdout) as { job: string };
    await untilTasks(lab, "deleted", 3);
    await ask("qdel", job);
    await until(
      "its head hears of it",
      () => /interrupted: what runs/.test(lab.said("deleted")),
      () => lab.said("deleted"),
    );
    rmSync(join(path, "hold"));
    await untilState(lab, "deleted", "interrupted");
    assert.match(lab.said("deleted"), /cancelled or preempted: no other is sent/);
    await until(
      "the job has ended",
      async () => /"F"/.test((await ask("qstat", "-x", "-f", "-F", "json", job)).stdout),
      () => "",
    );
    if (!isReal) assert.match((await shoal("status", "deleted")).stdout, /on pbs: f with 271/);
    const resumed = await shoal("resume", "deleted");
    assert.equal(resumed.code, 0, shown(resumed));
    await untilState(lab, "deleted", "done");
    assert.equal(await resultOf(lab, "deleted", 2), sum);
  });
}, { timeoutMs });

for (const by of ["pbsdsh", "mpiexec"]) {
  test(`a job of PBS over two nodes runs on both, by ${by}`, async () => {
    await onPbs(async (lab) => {
      const { shoal, write } = lab;
      const sum = await undisturbed(lab, "--tasks", "60");
      write(
        "site.toml",
        `scheduler = "pbs"\nlaunch = "${by}"\n${by === "mpiexec" ? 'launchFlags = ["--cpu-bind", "none"]\n' : ""}`,
      );
      write("squares.mjs", program.replace("SLURMD_NODENAME", "PALS_HOST"));
      const flags = ["--site", "./site.toml", "--nodes", "2", "--walltime", "5m", "--tasks", "60", "--ms", "100"];
      const sent = await shoal(...submit, "--name", "two", ...flags);
      assert.equal(sent.code, 0, shown(sent));
      assert.equal(await resultOf(lab, "two"), sum);
      if (!isReal) assert.deepEqual(resultIn(lab.said("two")).nodes, ["p1", "p2"], lab.said("two"));
    });
  }, { timeoutMs });
}

test("what PBS refuses is shown in its own words; what waits for ever is said, and stop cancels it", async () => {
  await onPbs(async (lab) => {
    const { shoal, path } = lab;
    const wrong = await shoal(...submit, "--name", "wrong", "--queue", "nowhere");
    assert.equal(wrong.code, 2, shown(wrong));
    assert.match(wrong.stderr, /qsub says: .*Unknown queue; shoal doctor --launcher pbs lists the queues/);
    assert.equal(existsSync(join(path, "runs/wrong")), false);
    if (isReal) return;
    const never = await shoal(...submit, "--name", "never", "--nodes", "7");
    assert.equal(never.code, 0, shown(never));
    await until(
      "it says why",
      async () => /will not start as it is/.test((await shoal("status", "never")).stdout),
      () => "",
    );
    const stopped = await shoal("stop", "never");
    assert.match(stopped.stderr, /cancelled job 1\.login, which was q/, shown(stopped));
    const account = await lab.start([...submit, "--name", "nobody"], { env: { STANDIN_PBS_ACCOUNT: "1" } }).ended;
    assert.match(account.stderr, /No account specified: .*; name yours with --account/);
  });
}, { timeoutMs });

test("a site's own rules are said before the scheduler is asked", async () => {
  await onPbs(async ({ shoal }) => {
    const seed = [
      "submit",
      "waves",
      "--launcher",
      "pbs",
      "--nodes",
      "2",
      "--sims",
      "64",
      "--grid",
      "512",
      "--site",
      "polaris",
    ];
    const account = await shoal(...seed, "--walltime", "1h");
    assert.equal(account.code, 2);
    assert.match(account.stderr, /polaris wants --account; give it, or write account = … into .*polaris\.toml/);
    const nodes = await shoal(...seed, "--walltime", "1h", "--account", "me", "--nodes", "12");
    assert.match(nodes.stderr, /its queue debug takes 1 to 2 nodes for 01:00:00; --queue prod would/);
    const other = await shoal(...seed, "--launcher", "slurm");
    assert.match(other.stderr, /Cannot take --launcher slurm at polaris: it has pbs/);
    const none = await shoal("script", "waves", "--site", "polari");
    assert.match(none.stderr, /Cannot find site polari: .*did you mean polaris/);
  });
}, { timeoutMs });
