// What doctor says of a batch machine: on its login node, where there is no scheduler, and inside a job of two nodes.
// needs: slurm
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { words } from "../../runtime/launch/batch/quoting.ts";
import { shown } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, root, runtime, test } from "../suite.ts";
import { onSlurm, until } from "./stage.ts";

interface Check {
  readonly what: string;
  readonly state: string;
  readonly found: string;
  readonly cure?: string;
}

const timeoutMs = 240_000;
const checksIn = (text: string): Map<string, Check> =>
  new Map((JSON.parse(text) as Check[]).map((check) => [check.what, check]));

test("doctor tells of a scheduler that is there, of its partitions, and of one that is not", async () => {
  await onSlurm(async ({ shoal, write }) => {
    const there = await shoal("doctor", "--launcher", "slurm", "--json");
    assert.equal(there.code, 0, shown(there));
    const checks = checksIn(there.stdout);
    assert.match(checks.get("scheduler")!.found, /slurm.* \d+\.\d+.*sbatch, squeue, scancel, scontrol, srun are there/);
    assert.equal(checks.get("partitions")!.found, "debug (01:00:00), short (1 nodes, 00:02:00)");
    const missing = await shoal("doctor", "--launcher", "pbs");
    assert.equal(missing.code, 1);
    assert.match(
      missing.stdout,
      /failure +scheduler +qsub, qstat, qdel not on the PATH\n.*→ load the scheduler's module/,
    );
    write("mine.toml", 'scheduler = "slurm"\nqueue = "elsewhere"\nrequired = ["account"]\n');
    const site = await shoal("doctor", "--site", "./mine.toml");
    assert.equal(site.code, 1);
    assert.match(site.stdout, /there is no elsewhere, only debug .*\n.*→ name another with --queue/);
    assert.match(site.stdout, /ok +site +.*mine\.toml; its jobs want --account/);
  });
}, { timeoutMs });

test("doctor inside a job reaches each of its nodes, and names an interface that is not there", async () => {
  await onSlurm(async ({ ask, path, write }) => {
    write("mine.toml", 'scheduler = "slurm"\ninterface = "hsn7"\n');
    const command = [
      ...commandFor(runtime, join(root, "runtime/cli/main.ts")),
      "doctor",
      "--site",
      "./mine.toml",
      "--store",
      `file://${path}/store`,
      "--json",
    ];
    write("job.sh", `#!/bin/bash\n${words(command)} >said.part\nmv said.part said\n`);
    const sent = await ask("sbatch", "--nodes=2", "--exclusive", "--time=5", "--output=job.out", "job.sh");
    assert.equal(sent.code, 0, shown(sent));
    const said = join(path, "said");
    const out = (): string => existsSync(join(path, "job.out")) ? readFileSync(join(path, "job.out"), "utf8") : "";
    await until("the job has said it", () => existsSync(said), out);
    const checks = checksIn(readFileSync(said, "utf8"));
    assert.match(checks.get("job")!.found, /^\d+ on 2 nodes, 00:0\d:\d\d left$/);
    assert.match(checks.get("nodes")!.found, /^2 answer within \d+ ms, see .*runs, and agree on the time$/);
    assert.match(checks.get("store on nodes")!.found, /^n\d reaches and can use it$/);
    assert.match(checks.get("interface")!.found, /there is no interface hsn7 here, only lo/);
    assert.match(checks.get("interface")!.cure!, /write the right one into .*mine\.toml/);
  });
}, { timeoutMs });
