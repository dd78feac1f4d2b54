// Groups of workers in a job of a real Slurm: each has nodes of the job of its own, and the job asks for all of them.
// needs: slurm
// minutes: 3
import { entry } from "../cli/stage.ts";
import { shown } from "../command.ts";
import { assert, test } from "../suite.ts";
import { onSlurm, until } from "./stage.ts";

const program = `
import { Actor } from ${JSON.stringify(entry)};
export class Where extends Actor {
  static module = import.meta.url;
  run() { return process.env.SLURMD_NODENAME ?? ""; }
}
export default async function (system) {
  const places = {};
  for (const task of ["simulate", "train"]) {
    const pool = await system.pool(Where, { size: 4, task });
    places[task] = [...new Set(await pool.map("run", Array(8).fill(null)))].sort();
  }
  return places;
}
`;

test("a group of workers in a job has nodes of its own beside those of the process that leads", async () => {
  await onSlurm(async (lab) => {
    const { shoal, write, ask } = lab;
    write("where.mjs", program);
    write("shoal.config.toml", '[[workers]]\nkinds = ["train"]\nname = "trainers"\nnodes = 1\n');
    const flags = ["--launcher", "slurm", "--nodes", "1", "--walltime", "10m", "--name", "parts", "--json"];
    const sent = await shoal("submit", "./where.mjs", ...flags);
    assert.equal(sent.code, 0, shown(sent));
    const { job } = JSON.parse(sent.stdout) as { job: string };
    const said = (): string => lab.said("parts");
    await until("the job says its result", () => said().includes('{"run"'), said);
    const line = said().split("\n").findLast((one) => one.startsWith('{"run"'));
    const { simulate, train } = JSON.parse(line!) as { simulate: string[]; train: string[] };
    const { stdout } = await ask("scontrol", "show", "job", job);
    assert.match(stdout, /NumNodes=2/);
    assert.deepEqual([simulate.length, train.length], [1, 1], said());
    assert.notEqual(simulate[0], train[0]);
    assert.match(said(), /trainers takes train: 1 process by slurm on n\d/);
  });
}, { timeoutMs: 240_000 });
