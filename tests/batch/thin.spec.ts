// The scripts of pbs/ as they stand: bash reads each, and those of campaigns run over two nodes to their result.
// needs: slurm
// minutes: 3
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { recordsOf } from "../cli/stage.ts";
import { run, shown } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, root, runtime, test } from "../suite.ts";
import { atSite } from "./job.ts";
import { onSlurm, until } from "./stage.ts";

const timeoutMs = 240_000;
const folder = join(root, "pbs");
const campaigns = ["waves", "molecules"] as const;

/** Small enough for a test. */
const small = {
  SIMS: "2",
  GRID: "16",
  STEP_SECONDS: "0",
  INITIAL: "4",
  MAX: "8",
  SHOAL_PROGRAMS__MOLECULES__SIMULATOR: "recorded",
  SHOAL: commandFor(runtime, join(root, "runtime/cli/main.ts")).join(" "),
};

/** The object that a campaign ends with, and that a process on the other node had a part in it. */
function check(directory: string, name: string, said: string): void {
  const line = said.split("\n").findLast((one) => one.startsWith("{"));
  assert.ok(line !== undefined, said);
  const { program, run: named } = JSON.parse(line) as { program: string; run: string };
  assert.match(named, new RegExp(`^${name}-\\d+$`));
  assert.equal(program, name);
  const joined = recordsOf(join(directory, named)).filter(({ type }) => type === "NodeJoined");
  assert.deepEqual(joined.map(({ node }) => node), ["n2"], said);
}

test("each script of pbs/ is one that bash reads, with lines for its scheduler, and stands in the README", async () => {
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".sh"));
  assert.ok(scripts.length > 0);
  for (const name of scripts) {
    const read = await run("bash", ["-n", join(folder, name)]);
    assert.equal(read.code, 0, shown(read));
    const lines = readFileSync(join(folder, name), "utf8").split("\n");
    const directive = name.endsWith("-pbs.sh") ? /^#PBS -/ : /^#SBATCH --/;
    assert.ok(lines.filter((line) => directive.test(line)).length >= 5, name);
    assert.ok(readme.includes(`pbs/${name}`), name);
  }
});

test("the scripts for PBS run their campaigns over both nodes of a job", async () => {
  await atSite("", async ({ path, work }) => {
    for (const name of campaigns) {
      const runs = join(path, "runs");
      const variables = { ...small, RUNS: runs, SITE: join(path, "site.toml"), PBS_O_WORKDIR: root };
      const said = await work(join(folder, `${name}-pbs.sh`), variables);
      assert.equal(said.code, 0, shown(said));
      check(runs, name, said.stdout);
    }
  });
}, { timeoutMs });

test("the scripts for Slurm run their campaigns over two nodes of a real one", async () => {
  await onSlurm(async ({ ask, open, path }) => {
    const runs = join(path, "runs");
    const variables = Object.entries({ ...small, RUNS: runs }).map(([name, value]) => `${name}=${value}`).join();
    const outputs = await Promise.all(campaigns.map(async (name) => {
      const output = join(path, `${name}.out`);
      const flags = [`--export=ALL,${variables}`, `--output=${output}`];
      const sent = await ask("sbatch", ...flags, join(folder, `${name}-slurm.sh`));
      assert.equal(sent.code, 0, shown(sent));
      return output;
    }));
    await until("both jobs have ended", async () => (await open()).length === 0, () => outputs.join());
    for (const [index, name] of campaigns.entries()) check(runs, name, readFileSync(outputs[index]!, "utf8"));
  });
}, { timeoutMs });
