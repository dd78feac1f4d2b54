// Jobs on a real Slurm: sent, shown, cancelled, ended by their walltime and gone on with, to the result of a run that
// nobody disturbed.
// needs: slurm
// minutes: 10
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { assert, long, test } from "../suite.ts";
import { shown } from "../command.ts";
import { type Lab, onSlurm, resultOf, undisturbed, until, untilTasks } from "./stage.ts";

const timeoutMs = 480_000;
const submit = ["submit", "./squares.mjs", "--launcher", "slurm"] as const;

const stateOf = ({ view }: Lab, run: string): string => view(run)?.state ?? "nothing";

async function untilState(lab: Lab, run: string, state: string): Promise<void> {
  await until(`${run} is ${state}`, () => stateOf(lab, run) === state, () => `${stateOf(lab, run)}: ${lab.said(run)}`);
}

test("submit sends a job that runs a program, and status shows it from its place in the queue to its end", async () => {
  await onSlurm(async (lab) => {
    const { shoal, ask, write, path } = lab;
    const sum = await undisturbed(lab);
    write("hold", "4");
    const sent = await shoal(...submit, "--name", "first", "--walltime", "5m", "--json");
    assert.equal(sent.code, 0, shown(sent));
    const { job, scheduler, output } = JSON.parse(sent.stdout) as { job: string; scheduler: string; output: string };
    assert.equal(scheduler, "slurm");
    assert.equal(output, join(path, "runs/first/jobs/000001.out"));
    await untilTasks(lab, "first", 3);
    const running = await shoal("status", "first");
    assert.match(running.stdout, /^ {2}state +running/m, shown(running));
    assert.match(
      running.stdout,
      new RegExp(`^  job ${job} +on slurm: running, 00:0[45]:\\d\\d left; 1 node, 00:05:00$`, "m"),
    );
    assert.match((await ask("squeue", "-h", "-j", job, "-o", "%j %D")).stdout, /^first 1$/m);
    rmSync(join(path, "hold"));
    await untilState(lab, "first", "done");
    assert.equal((await resultOf(lab, "first")).sum, sum);
    const after = JSON.parse((await shoal("status", "first", "--json")).stdout) as { jobs: { job: string }[] };
    assert.deepEqual(after.jobs.map(({ job }) => job), [job]);
  });
}, { timeoutMs });

test(
  "a job that the scheduler warns drains, and resume sends another that ends with the undisturbed result",
  async () => {
    await onSlurm(async (lab) => {
      const { shoal, ask, write, path } = lab;
      const sum = await undisturbed(lab);
      write("hold", "4");
      const { job } = JSON.parse((await shoal(...submit, "--name", "warned", "--walltime", "5m", "--json")).stdout) as {
        job: string;
      };
      await untilTasks(lab, "warned", 3);
      await ask("scancel", "--batch", "--signal=USR1", job);
      await until("it hears of it", () => lab.said("warned").includes("the walltime ends"), () => lab.said("warned"));
      // What runs is finished before it ends.
      rmSync(join(path, "hold"));
      await untilState(lab, "warned", "interrupted");
      const kept = lab.view("warned")?.summary.tasks.get("square")?.done ?? 0;
      assert.ok(kept >= 4 && kept < 24, String(kept));
      await until("its job has ended", async () => (await ask("squeue", "-h", "-j", job)).stdout === "", () => "");
      const resumed = await shoal("resume", "warned", "--json");
      assert.equal(resumed.code, 0, shown(resumed));
      await untilState(lab, "warned", "done");
      assert.equal((await resultOf(lab, "warned", 2)).sum, sum);
      assert.match(lab.said("warned", 2), new RegExp(`kept: ${kept} results of square`));
    });
  },
  { timeoutMs },
);

/** Three jobs, two of which are told that their time is over while tasks are held up in them. */
async function chain(lab: Lab, walltime: readonly string[], warn: () => Promise<unknown>): Promise<void> {
  const { shoal, write } = lab;
  const sum = await undisturbed(lab);
  write("hold", "4");
  const sent = await shoal(...submit, "--name", "chain", ...walltime, "--auto-resume");
  assert.equal(sent.code, 0, shown(sent));
  for (const [number, hold, next] of [[1, 4, 12], [2, 12, 1_000]] as const) {
    const said = (): string => lab.said("chain", number);
    await until(`job ${number} runs`, () => said().includes("run chain in"), said);
    await untilTasks(lab, "chain", hold - 1);
    await warn();
    await until(`job ${number} hears of it`, () => said().includes("the walltime ends"), said);
    write("hold", String(next));
    await until(`job ${number + 1} is sent`, () => /sent job \d+ to slurm/.test(said()), said);
  }
  assert.equal((await resultOf(lab, "chain", 3)).sum, sum);
  assert.equal(stateOf(lab, "chain"), "done");
  assert.match(lab.said("chain", 2), /it begins after the end of job \d+/);
  const jobs = JSON.parse((await shoal("status", "chain", "--json")).stdout) as { jobs: { number: number }[] };
  assert.equal(jobs.jobs.at(-1)!.number, 3);
}

test(
  "with --auto-resume, three jobs whose time is over one after the other end with the undisturbed result",
  async () => {
    await onSlurm(async (lab) => {
      const warn = async (): Promise<unknown> =>
        lab.ask("scancel", "--batch", "--signal=USR1", ...await lab.open("RUNNING"));
      await chain(lab, ["--walltime", "5m"], warn);
    });
  },
  { timeoutMs },
);

test("jobs that go on by themselves are no more than was allowed", async () => {
  await onSlurm(async (lab) => {
    const flags = ["--walltime", "1m", "--drain-seconds", "58", "--auto-resume", "--jobs-max", "2", "--ms", "300"];
    const sent = await lab.shoal(...submit, "--name", "few", ...flags, "--tasks", "200");
    assert.equal(sent.code, 0, shown(sent));
    await until(
      "the second job has ended",
      () => /interrupted; to go on/.test(lab.said("few", 2)),
      () => lab.said("few", 2),
    );
    assert.match(
      lab.said("few", 2),
      /the next job is not sent: .*2 were sent; shoal resume few --set batch\.jobsMax=4 allows more/,
    );
    assert.equal(lab.said("few", 3), "");
  });
}, { timeoutMs });

test("a job that is cancelled ends in order, leaves no process, and sends no other", async () => {
  await onSlurm(async (lab) => {
    const { shoal, ask, write, path } = lab;
    write("hold", "4");
    const flags = ["--name", "cancelled", "--walltime", "10m", "--auto-resume", "--json"];
    const { job } = JSON.parse((await shoal(...submit, ...flags)).stdout) as { job: string };
    await untilTasks(lab, "cancelled", 3);
    const { pid } = lab.view("cancelled")!.head!;
    assert.ok(existsSync(`/proc/${pid}`));
    await ask("scancel", job);
    rmSync(join(path, "hold"));
    await untilState(lab, "cancelled", "interrupted");
    await until("its process is gone", () => !existsSync(`/proc/${pid}/fd`), () => `${pid}`);
    assert.match(lab.said("cancelled"), /ends before its time, cancelled or preempted: no other is sent/);
    assert.match((await shoal("status", "cancelled")).stdout, /to go on +shoal resume cancelled/);
  });
}, { timeoutMs });

test("stop ends a run that is led by a job, and cancels one that waits", async () => {
  await onSlurm(async (lab) => {
    const { shoal, write, path } = lab;
    write("hold", "4");
    assert.equal((await shoal(...submit, "--name", "stopped", "--walltime", "5m")).code, 0);
    await untilTasks(lab, "stopped", 3);
    const stopping = lab.start(["stop", "stopped"]);
    await until("its head hears of it", () => lab.said("stopped").includes("by shoal stop"), () => lab.said("stopped"));
    rmSync(join(path, "hold"));
    assert.equal((await stopping.ended).code, 0);
    assert.equal(stateOf(lab, "stopped"), "interrupted");

    // More nodes than there are: it waits for ever.
    const waiting = await shoal(...submit, "--name", "waiting", "--nodes", "3", "--queue", "short", "--walltime", "1m");
    assert.equal(waiting.code, 0, shown(waiting));
    let status = "";
    await until("status says so", async () => {
      status = (await shoal("status", "waiting")).stdout;
      return /pending \(Partition\w+\)[^]*will not start as it is: Partition\w+; shoal stop waiting cancels it/.test(
        status,
      );
    }, () => status);
    assert.match(status, /^ {2}state +queued/m);
    const stop = await shoal("stop", "waiting");
    assert.match(stop.stderr, /cancelled job \d+, which was pending/);
    assert.deepEqual(await lab.open(), []);
  });
}, { timeoutMs });

test("a run is led by one job: whoever resumes it meanwhile is told which", async () => {
  await onSlurm(async (lab) => {
    const { shoal, start, write, path } = lab;
    write("hold", "4");
    assert.equal((await shoal(...submit, "--name", "once", "--walltime", "5m")).code, 0);
    await untilTasks(lab, "once", 3);
    const held = await shoal("resume", "once");
    assert.equal(held.code, 1, shown(held));
    assert.match(held.stderr, /Cannot send a job for once: job \d+ is running; shoal stop once ends it first/);
    const stopping = start(["stop", "once"]);
    await until("its head hears of it", () => lab.said("once").includes("by shoal stop"), () => lab.said("once"));
    rmSync(join(path, "hold"));
    await stopping.ended;
    await until("its job has ended", async () => (await lab.open()).length === 0, () => "");
    // Two at once: one job, which has not ended before the slower of them looks.
    write("hold", "4");
    const both = await Promise.all([shoal("resume", "once"), shoal("resume", "once")]);
    assert.deepEqual(both.map(({ code }) => code).sort((a, b) => a - b), [0, 1], both.map(shown).join("\n"));
    rmSync(join(path, "hold"));
    await untilState(lab, "once", "done");
  });
}, { timeoutMs });

test("what the scheduler refuses is shown in its own words, and leaves no run behind", async () => {
  await onSlurm(async ({ shoal, path }) => {
    const wrong = await shoal(...submit, "--name", "wrong", "--queue", "nowhere");
    assert.equal(wrong.code, 2, shown(wrong));
    assert.match(
      wrong.stderr,
      /sbatch says: .*[Ii]nvalid partition.*; shoal doctor --launcher slurm lists the partitions/,
    );
    assert.equal(existsSync(join(path, "runs/wrong")), false);
    const time = await shoal(...submit, "--walltime", "10:00");
    assert.equal(time.code, 2);
    assert.match(time.stderr, /Cannot read --walltime 10:00: is it minutes or hours; write it as HH:MM:SS/);
    const outside = await shoal("run", "./squares.mjs", "--launcher", "slurm");
    assert.equal(outside.code, 2);
    assert.match(outside.stderr, /this is no job; shoal submit sends one/);
  });
}, { timeoutMs });

test("a job that ends before shoal begins is told with its last words", async () => {
  await onSlurm(async (lab) => {
    const { shoal, ask, write } = lab;
    write("site.toml", 'scheduler = "slurm"\nsetup = ["echo the module is gone", "exit 3"]\n');
    const flags = ["--site", "./site.toml", "--name", "lost", "--json"];
    const { job } = JSON.parse((await shoal("submit", "./squares.mjs", ...flags)).stdout) as { job: string };
    const ended = async (): Promise<boolean> =>
      /FAILED/.test((await ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")).stdout);
    await until("the job has failed", ended, () => lab.said("lost"));
    const { stdout } = await shoal("status", "lost");
    assert.match(stdout, /trouble +its job ended before shoal began; shoal resume lost sends another/);
    assert.match(stdout, /\| the module is gone/);
  });
}, { timeoutMs });

test("a job in a folder with a hostile name runs there, and says so there", async () => {
  await onSlurm(async (lab) => {
    const { shoal, path } = lab;
    const runs = join(path, "a 'b' $(touch pwned) %j");
    mkdirSync(runs);
    const sent = await shoal(...submit, "--name", "odd", "--runs", runs, "--walltime", "5m", "--json");
    assert.equal(sent.code, 0, shown(sent));
    const { output } = JSON.parse(sent.stdout) as { output: string };
    const text = (): string => existsSync(output) ? readFileSync(output, "utf8") : "";
    await until("it says its result", () => text().includes('{"run"'), text);
    assert.equal(existsSync(join(path, "pwned")) || existsSync(join(runs, "pwned")), false);
  });
}, { timeoutMs });

if (long) {
  test(
    "with --auto-resume, three jobs that Slurm warns before their walltime ends come to the undisturbed result",
    async () => {
      await onSlurm(async (lab) => {
        // It warns in steps of half a minute.
        await chain(lab, ["--walltime", "2m", "--drain-seconds", "40"], () => Promise.resolve());
      });
    },
    { timeoutMs: 4 * timeoutMs },
  );

  test("a job that its walltime ends without a word goes on from what was recorded", async () => {
    await onSlurm(async (lab) => {
      const { shoal, ask, write, path } = lab;
      const sum = await undisturbed(lab);
      write("hold", "4");
      // It drains in the last second only: the end of the walltime is first.
      const flags = ["--walltime", "1m", "--drain-seconds", "0", "--name", "cut", "--json"];
      const { job } = JSON.parse((await shoal(...submit, ...flags)).stdout) as { job: string };
      await untilTasks(lab, "cut", 4);
      await until(
        "it is over",
        async () => (await ask("squeue", "-h", "-j", job)).stdout === "",
        () => lab.said("cut"),
      );
      rmSync(join(path, "hold"));
      assert.equal((await shoal("resume", "cut")).code, 0);
      await untilState(lab, "cut", "done");
      assert.equal((await resultOf(lab, "cut", 2)).sum, sum);
    });
  }, { timeoutMs });
}
