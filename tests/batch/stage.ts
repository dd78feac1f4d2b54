// A scheduler for tests: a real Slurm, in a folder of the test's own, with a program whose tasks can be held up.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { entry, type Folder, inFolder } from "../cli/stage.ts";
import { run, type Said, shown } from "../command.ts";
import { type SlurmService, slurmService } from "../services/slurm.ts";
import { skip } from "../suite.ts";
import { type RunView, viewRun } from "../../runtime/run/catalogue.ts";

export interface Lab extends Folder {
  readonly slurm: SlurmService;
  /** Asks the scheduler itself. */
  ask(program: string, ...args: string[]): Promise<Said>;
  /** The jobs of this folder that wait or run; those of other tests bear the same names. */
  open(state?: string): Promise<string[]>;
  /** How a run stands, from its directory; nothing before there is any. */
  view(run: string): RunView | undefined;
  /** What the nth job of a run has said. */
  said(run: string, number?: number): string;
}

/** A queue of a real machine takes its time. */
export const isRealPbs: boolean = process.env["SHOAL_TEST_PBS"] === "real";
const patienceMs = isRealPbs ? 3_600_000 : 200_000;
const lookMs = 50;

/** Waits for a condition. What it waited for is told where that never comes. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, shown: () => string): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`It never came to this: ${what}\n${shown()}`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** Squares numbers, a task each; each waits for so long, and those from the number in a file `hold` on for its end. */
export const program: string = `
import { readFileSync } from "node:fs";
import { Actor } from ${JSON.stringify(entry)};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
function held() {
  try {
    return Number(readFileSync("hold", "utf8") || Infinity);
  } catch {
    return Infinity;
  }
}

export class Squares extends Actor {
  static module = import.meta.url;
  async run({ number, ms }) {
    await pause(ms);
    while (number >= held()) await pause(20);
    let value = number;
    for (let turn = 0; turn < 1000; turn++) value = (value * 1.000001 + 1 / (turn + number + 1)) / 1.0000003;
    return { value, node: process.env.SLURMD_NODENAME ?? "" };
  }
}

export const settings = { tasks: { default: 24, about: "how many" }, ms: { default: 20, about: "how long each" } };

export default async function (system, { tasks, ms }) {
  const pool = await system.pool(Squares, { size: 4 });
  const inputs = Array.from({ length: tasks }, (_, number) => ({ number, ms }));
  const done = await pool.map("run", inputs, { name: "square" });
  return { sum: done.reduce((sum, { value }) => sum + value, 0), nodes: [...new Set(done.map(({ node }) => node))].sort() };
}
`;

const sums = new Map<string, Promise<number>>();

/** What the program computes where nothing disturbs it: run once for all tests of a spec that give it the same flags. */
export function undisturbed({ shoal }: Pick<Folder, "shoal">, ...flags: string[]): Promise<number> {
  const key = flags.join(" ");
  const known = sums.get(key) ?? (async () => {
    const said = await shoal("run", "./squares.mjs", "--json", "--quiet", ...flags);
    if (said.code !== 0) throw new Error(shown(said));
    return resultIn(said.stdout).sum;
  })();
  sums.set(key, known);
  return known;
}

/** Runs a test where there is a Slurm; skips it with the reason where there is none. */
export async function onSlurm(body: (lab: Lab) => Promise<void>): Promise<void> {
  const slurm = await slurmService();
  if ("reason" in slurm) skip(slurm.reason);
  await inFolder(async (folder) => {
    folder.write("squares.mjs", program);
    const env = { ...folder.env };
    async function open(state = "PENDING,RUNNING,COMPLETING"): Promise<string[]> {
      const { stdout } = await run("squeue", ["-h", "-t", state, "-o", "%A %Z"], { env });
      return stdout.split("\n").flatMap((line) => line.endsWith(` ${folder.path}`) ? [line.split(" ")[0]!] : []);
    }
    try {
      await body({
        ...folder,
        slurm,
        open,
        ask: (name, ...args) => run(name, args, { cwd: folder.path, env }),
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
      // No job outlives its test: it would find its folder gone.
      const own = await open();
      for (const job of own) await run("scancel", ["--signal=KILL", "--full", job], { env });
      for (const job of own) await run("scancel", [job], { env });
    }
  }, slurm.env);
}

/** The object that a job's output ends with. */
export function resultIn(text: string): { sum: number; nodes: string[] } {
  const line = text.split("\n").findLast((line) => line.startsWith('{"run"'));
  if (line === undefined) throw new Error(`No result: ${text}`);
  return JSON.parse(line) as { sum: number; nodes: string[] };
}

/** The result that the nth job ends with. */
export async function resultOf(lab: Lab, run: string, number = 1): Promise<{ sum: number; nodes: string[] }> {
  const said = (): string => lab.said(run, number);
  await until("the job says its result", () => said().includes('{"run"'), said);
  return resultIn(said());
}

export async function untilTasks(lab: Lab, run: string, done: number): Promise<void> {
  const count = (): number => lab.view(run)?.summary.tasks.get("square")?.done ?? 0;
  await until(`${done} tasks of ${run} are done`, () => count() >= done, () => `${count()}: ${lab.said(run)}`);
}
