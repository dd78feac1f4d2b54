// The workload of `molecules` in shoal: in one process with two threads, or in two that meet in a store, by whose log
// their mail goes. Told on the command line: a table of molecules, and the store.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { launch, type TensorRef } from "shoal";
import {
  campaign,
  campaignSettings,
  Fingerprints,
  Molecule,
  Neighbours,
  type Outcome,
  program,
  settingsOf,
  type SimulationLine,
  type Values,
} from "shoal/actors";
import { type Answer, type Command, numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";
import { Guess, Lasting } from "./actors.ts";
import { childrenSeconds, moleculesOf } from "./machine.ts";

const [table = "", store] = process.argv.slice(2);
const system = await launch({
  strict: false,
  threads: store === undefined ? 2 : 1,
  allow: ["shoal/benchmarks", "shoal/actors"],
  ...(store === undefined ? {} : { nodes: 2, link: "log", store }),
});
const there = store === undefined ? {} : { on: "processes" } as const;
const usual = Object.fromEntries(Object.entries(campaignSettings).map(([name, flag]) => [name, flag.default]));

/** A folder that is gone when the work is done. */
async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Programs that do nothing, each with a file to read and a file that it leaves. */
const programs = (command: Command): Promise<Measured> =>
  inFolder(async (scratch) => {
    const [count, slots] = [numberOf(command, "count"), numberOf(command, "slots")];
    const nothing = program({ executable: "/bin/true", scratch });
    let [next, done] = [0, 0];
    const slot = async (): Promise<void> => {
      while (next < count) {
        const n = next++;
        const { outputs } = await nothing.run({ arguments: [], files: { n: `${n}` }, outputs: { n: Number } });
        if (outputs.n === n) done++;
      }
    };
    const [start, before] = [performance.now(), process.cpuUsage()];
    await Promise.all(Array.from({ length: slots }, slot));
    const seconds = secondsSince(start);
    const { user, system: kernel } = process.cpuUsage(before);
    return { seconds, cpuSeconds: (user + kernel) / 1e6, count: done };
  });

/** A campaign, and the lines that it wrote of its simulations. */
function recorded<Candidate>(
  candidates: readonly Candidate[],
  max: number,
  slots: number,
  how: {
    readonly policy: "continuous" | "random";
    readonly simulate: (candidate: Candidate) => Promise<Outcome>;
    readonly learn?: NonNullable<Parameters<typeof campaign>[1]["learn"]>;
  },
): Promise<SimulationLine[]> {
  return inFolder(async (directory) => {
    const { policy, ...parts } = how;
    const values = {
      ...usual,
      policy,
      initial: Math.min(8, max - 1),
      max,
      "simulate-workers": slots,
      "model-count": 1,
    };
    const settings = settingsOf(values as Values<typeof campaignSettings>, 42);
    await campaign(system, { candidates, settings, directory, ...parts });
    const lines = readFileSync(join(directory, "simulate.jsonl"), "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line) as SimulationLine);
  });
}

/** From the end of each simulation to the next start: with all slots busy, the nth end makes room for one start. */
async function between(command: Command): Promise<Measured> {
  const [count, slots] = [numberOf(command, "count"), numberOf(command, "slots")];
  const millis = numberOf(command, "millis");
  const simulations = await system.pool(Lasting, { size: slots, ...there });
  const models = await system.pool(Guess, { size: 1, ...there });
  const start = performance.now();
  const lines = await recorded(Array.from({ length: 2 * count }, (_, row) => ({ row, millis })), count, slots, {
    policy: "continuous",
    simulate: (candidate) => simulations.ask("simulate", candidate),
    learn: {
      train: (task) => models.ask("train", task),
      predict: (task) => models.ask("predict", task as Parameters<Guess["predict"]>[0]),
    },
  });
  const seconds = secondsSince(start);
  await Promise.all([simulations.stop(), models.stop()]);
  const sorted = (times: readonly (number | undefined)[]): number[] => times.map(Number).sort((a, b) => a - b);
  const starts = sorted(lines.map(({ startedAt }) => startedAt));
  const ends = sorted(lines.map(({ endedAt }) => endedAt));
  const gaps = sorted(starts.slice(slots).map((at, n) => at - ends[n]!));
  const part = (share: number): number => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))] ?? NaN;
  return { seconds, count: lines.length, medianMs: part(0.5), p90Ms: part(0.9), worstMs: gaps.at(-1) ?? NaN };
}

async function xtb(command: Command): Promise<Measured> {
  const [count, slots] = [numberOf(command, "count"), numberOf(command, "slots")];
  const simulations = await system.pool(Molecule, { size: slots, input: { simulator: "xtb" } });
  const candidates = moleculesOf(table, count).map((smiles) => ({ smiles }));
  const [start, before] = [performance.now(), childrenSeconds()];
  const lines = await recorded(candidates, count, slots, {
    policy: "random",
    simulate: (candidate) => simulations.ask("simulate", candidate),
  });
  const seconds = secondsSince(start);
  const busy = childrenSeconds() - before;
  await simulations.stop();
  return { seconds, programSeconds: busy, count: lines.filter(({ value }) => value !== undefined).length };
}

let space: TensorRef<"uint32"> | undefined;
const wordsOfRow = 8;

/** The fingerprints of the table's molecules, again and again, each time with its words turned by one more bit. */
async function spaceOf(rows: number): Promise<TensorRef<"uint32">> {
  const pool = await system.pool(Fingerprints, { size: 1 });
  const { bits } = await pool.ask("compute", moleculesOf(table, 2000));
  const known = (await system.store.get(bits)).data;
  const draft = await system.store.allocate("uint32", [rows, wordsOfRow]);
  for (let at = 0; at < draft.data.length; at++) {
    const [word, turn] = [known[at % known.length]!, Math.floor(at / known.length) % 32];
    draft.data[at] = word << turn | word >>> (32 - turn) % 32;
  }
  await pool.stop();
  return await draft.seal();
}

/** One round of inference, as a campaign asks for it: chunks in parallel, read from the store. */
async function neighbours(command: Command): Promise<Measured> {
  const [count, known] = [numberOf(command, "count"), numberOf(command, "known")];
  space ??= await spaceOf(count);
  const pool = await system.pool(Neighbours, { size: numberOf(command, "threads"), input: { fingerprints: space } });
  const rows = await system.store.put({ data: Uint32Array.from({ length: known }, (_, n) => n * 7), dtype: "uint32" });
  const energies = Float64Array.from({ length: known }, (_, n) => 10 + n / known);
  const values = await system.store.put({ data: energies, dtype: "float64" });
  const model = await pool.ask("train", { model: 0, seed: "", set: { rows, values } });
  const chunk = campaignSettings.chunk.default;
  const start = performance.now();
  const before = process.cpuUsage();
  let done = 0;
  await Promise.all(Array.from({ length: Math.ceil(count / chunk) }, async (_, n) => {
    const ref = await pool.ask("predict", { model, from: n * chunk, to: Math.min(count, (n + 1) * chunk) });
    const tensor = await system.store.get(ref);
    for (const value of tensor.data) if (value >= 10 && value < 11) done++;
    tensor.done();
    await system.store.release(ref);
  }));
  const seconds = secondsSince(start);
  const { user, system: kernel } = process.cpuUsage(before);
  await pool.stop();
  return { seconds, cpuSeconds: (user + kernel) / 1e6, count: done };
}

await serve({
  hello: (): Omit<Answer, "case"> => ({
    version: `shoal on ${runtimeVersion()}`,
    settings: store === undefined ? "one process, two threads" : `two processes, mail over the log of ${store}`,
  }),
  programs,
  between,
  xtb,
  neighbours,
}, () => system.close());
