// Jobs over two nodes of a real Slurm: one of them dies in the middle, or both run from a packed shoal.
// needs: slurm
// minutes: 10
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { entry } from "../cli/stage.ts";
import { shown } from "../command.ts";
import { redisBinary } from "../services/binary.ts";
import { killNode, startNode } from "../services/slurm.ts";
import { assert, test } from "../suite.ts";
import { onSlurm, program, resultOf, undisturbed, until, untilTasks } from "./stage.ts";

const timeoutMs = 240_000;
const submit = ["submit", "./squares.mjs", "--launcher", "slurm"] as const;

test("a job over two nodes runs on both; one that dies is no end, and the result stays the same", async () => {
  await onSlurm(async (lab) => {
    const { shoal, ask, write, slurm } = lab;
    const sum = await undisturbed(lab);
    write("hold", "16");
    const sent = await shoal(...submit, "--name", "two", "--nodes", "2", "--walltime", "10m", "--json");
    assert.equal(sent.code, 0, shown(sent));
    const { job } = JSON.parse(sent.stdout) as { job: string };
    await untilTasks(lab, "two", 16);
    const { stdout } = await ask("squeue", "-h", "-j", job, "-o", "%N");
    const hosts = (await ask("scontrol", "show", "hostnames", stdout.trim())).stdout.trim().split("\n");
    const { stdout: first } = await ask("squeue", "-h", "-j", job, "-o", "%B");
    const other = hosts.find((host) => host !== first.trim())!;
    killNode(slurm, other);
    try {
      write("hold", "1000");
      const { sum: found, nodes } = await resultOf(lab, "two");
      assert.equal(found, sum);
      assert.deepEqual(nodes, hosts, lab.said("two"));
    } finally {
      startNode(slurm, other);
      const idle = async (): Promise<string> =>
        (await ask("sinfo", "-h", "-N", "-n", other, "-t", "idle", "-o", "%N")).stdout;
      await until(`node ${other} is back`, async () => (await idle()).includes(other), () => "");
    }
  });
}, { timeoutMs });

test.on(
  "deno",
  "a packed job with a Redis server on each of two nodes runs from what it has unpacked there, and leaves nothing",
  "on Node a program of the user's does so",
  async () => {
    await onSlurm(async (lab) => {
      const { shoal, start, ask, path } = lab;
      const waves = [
        "waves",
        "--sims",
        "4",
        "--grid",
        "16",
        "--step-seconds",
        "0",
        "--kernels",
        "3",
        "--seed",
        "5",
        "--json",
      ];
      const checksumIn = (text: string): unknown =>
        (JSON.parse(text.trim().split("\n").at(-1)!) as { checksum: unknown }).checksum;
      const here = await shoal("run", ...waves, "--quiet");
      assert.equal(here.code, 0, shown(here));
      const redis = redisBinary();
      const own = "reason" in redis ? [] : ["--store", "redis:auto"];
      const env = "reason" in redis ? {} : { PATH: `${dirname(redis.path)}:${lab.env["PATH"] ?? process.env["PATH"]}` };
      const flags = ["--launcher", "slurm", "--nodes", "2", "--pack", "--walltime", "10m", "--name", "packed", ...own];
      const sent = await start(["submit", ...waves, ...flags], { env }).ended;
      assert.equal(sent.code, 0, shown(sent));
      const { job, script } = JSON.parse(sent.stdout) as { job: string; script: string };
      await until("the job says its result", () => lab.said("packed").includes('{"run"'), () => lab.said("packed"));
      assert.equal(checksumIn(lab.said("packed")), checksumIn(here.stdout));
      const text = readFileSync(script, "utf8");
      const [local = ""] = /\/tmp\/shoal-pack-packed-[0-9a-f]+/.exec(text) ?? [];
      assert.match(text, new RegExp(`^[^#\\n]* ${local}/\\S*runtime/cli/main\\.[jt]s run `, "m"));
      const worker = join(path, "runs/packed/workers/worker.sh");
      assert.ok(readFileSync(worker, "utf8").includes(local));
      await until("its job has ended", async () => (await ask("squeue", "-h", "-j", job)).stdout === "", () => "");
      assert.equal(existsSync(local), false, local);
      if (own.length === 0) return;
      assert.match(lab.said("packed"), /redis:auto is redis-server \S+ at \S+, on \S+:\d+, \S+:\d+$/m);
      assert.equal(existsSync(join(path, "runs/packed/services")), false);
    });
  },
  { timeoutMs },
);

test.on(
  "node",
  "a packed job takes a program of the user's along",
  "Deno finds shoal only by its own configuration",
  async () => {
    await onSlurm(async (lab) => {
      const { shoal, write } = lab;
      const sum = await undisturbed(lab);
      write(
        "squares.mjs",
        program.replace(JSON.stringify(entry), '"shoal"').replace(
          "const pause",
          'import { far } from "./far.mjs";\nconst pause',
        ).replace('?? ""', "+ far"),
      );
      write("far.mjs", "export const far = import.meta.url;\n");
      const sent = await shoal(
        ...submit,
        "--nodes",
        "2",
        "--pack",
        "--walltime",
        "10m",
        "--name",
        "own",
        "--ms",
        "100",
      );
      assert.equal(sent.code, 0, shown(sent));
      const { sum: found, nodes } = await resultOf(lab, "own");
      assert.equal(found, sum);
      for (const node of nodes) assert.match(node, /^n\dfile:\/\/\/tmp\/shoal-pack-own-.*\/far\.mjs$/);
      assert.equal(nodes.length, 2);
      await until("its job has ended", async () => (await lab.open()).length === 0, () => lab.said("own"));
      const [local = ""] = /\/tmp\/shoal-pack-own-[0-9a-f]+/.exec(nodes.join(" ")) ?? [];
      assert.equal(existsSync(local), false, local);
    });
  },
  { timeoutMs },
);
