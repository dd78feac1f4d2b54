// GPUs of a node, given to its processes before any framework loads: each prints the devices that it sees.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { shown } from "../command.ts";
import { entry, inFolder } from "../cli/stage.ts";
import { assert, fc, property, test } from "../suite.ts";
import { checkGpus, gpusOf, gpuVariables, missingGpus } from "../../runtime/launch/gpus.ts";

const program = `
import { readFileSync } from "node:fs";
import { Actor } from ${JSON.stringify(entry)};

const { CUDA_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES, ZE_AFFINITY_MASK } = process.env;
const cores = () => /Cpus_allowed_list:\\s*(\\S+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];

export class Sees extends Actor {
  static module = import.meta.url;
  async run() {
    return { devices: [CUDA_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES, ZE_AFFINITY_MASK], pid: process.pid, cores: cores() };
  }
}

export default async function (system) {
  const own = { devices: ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"].map((name) => process.env[name]) };
  const pool = await system.pool(Sees, { size: 3, on: "processes" });
  const members = await Promise.all([0, 1, 2].map((index) => system.spawn(Sees, undefined, { node: "n" + (index + 2) })));
  const seen = await Promise.all(members.map((member) => member.ask("run")));
  return { seen: [{ ...own, pid: process.pid, cores: cores() }, ...seen], pooled: await pool.map("run", [0, 0, 0]) };
}
`;

interface Seen {
  readonly devices: readonly (string | null)[];
  readonly pid: number;
  readonly cores: string;
}

test("each process of a node sees its own of the GPUs that were named, and all of its cores", async () => {
  await inFolder(async ({ path, write, shoal }) => {
    write("sees.mjs", program);
    const said = await shoal("run", "./sees.mjs", "--gpus", "0,1,2,3", "--nodes", "4", "--threads", "1", "--json");
    assert.equal(said.code, 0, shown(said));
    const { seen, pooled } = JSON.parse(said.stdout) as { seen: Seen[]; pooled: Seen[] };
    assert.deepEqual(seen.map(({ devices }) => devices), ["0", "1", "2", "3"].map((one) => [one, one, one]));
    assert.equal(new Set(seen.map(({ pid }) => pid)).size, 4);
    for (const { pid, devices } of pooled) {
      assert.deepEqual(devices, seen.find((one) => one.pid === pid)?.devices);
    }
    assert.deepEqual([...new Set(seen.map(({ cores }) => cores))], [seen[0]!.cores]);

    const wrong = await shoal("run", "./sees.mjs", "--gpus", "0,1,0");
    assert.equal(wrong.code, 2, shown(wrong));
    assert.match(wrong.stderr, /gpus is 0,1,0: a GPU is named twice; write the list of one node, as in 0,1,2,3/);

    const before = readdirSync(join(path, "runs"));
    const many = await shoal("run", "./sees.mjs", "--gpus", "97");
    assert.equal(many.code, 2, shown(many));
    assert.match(many.stderr, /gpus is 97: there is no GPU 97; (write which, and not how many|there are 0)/);
    assert.deepEqual(readdirSync(join(path, "runs")), before);
    write("site.toml", 'scheduler = "slurm"\ngpus = 4\n');
    const script = ["script", "./sees.mjs", "--walltime", "1h"];
    const beyond = await shoal(...script, "--site", "./site.toml", "--gpus", "0,4");
    assert.equal(beyond.code, 2, shown(beyond));
    assert.match(beyond.stderr, /Cannot make a job at site: gpus is 0,4: there is no GPU 4; its nodes have 0,1,2,3/);
    const count = await shoal(...script, "--launcher", "slurm", "--gpus", "4");
    assert.match(count.stderr, /gpus is 4: there is no GPU 4; write which, and not how many, as in 0,1,2,3, or leave/);
    assert.equal((await shoal(...script, "--site", "./site.toml", "--gpus", "3")).code, 0);
  });
}, { timeoutMs: 180_000 });

test("checkGpus believes a list, and refuses a number alone that can only be how many are wanted", () => {
  for (const list of [["0", "1"], ["0"], ["GPU-8f2a"], ["0.1"], ["4", "5"]]) checkGpus("x", list, []);
  checkGpus("x", ["3"], ["0", "1", "2", "3"]);
  for (const installed of [[], ["0", "1"]]) {
    assert.throws(() => checkGpus("x", ["5"], installed), { code: "BadInput" });
  }
  assert.deepEqual(missingGpus(["0", "2", "GPU-8f2a", "0.1"], ["0", "1"]), ["2"]);
});

test("the processes of a node share all of its GPUs and nobody goes without", async () => {
  await property([fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 })], (count, processes) => {
    const gpus = Array.from({ length: count }, (_, index) => String(index));
    const parts = Array.from({ length: processes }, (_, nth) => gpusOf(gpus, nth, processes));
    assert.ok(parts.every((part) => part.length > 0));
    assert.deepEqual([...new Set(parts.flat())].sort(), [...gpus].sort());
    if (count >= processes) assert.equal(parts.flat().length, count);
    const sizes = parts.map((part) => part.length);
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
  });
  assert.deepEqual(gpuVariables(["0.0", "0.1"]), { ZE_AFFINITY_MASK: "0.0,0.1" });
});
