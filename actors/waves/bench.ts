// `shoal bench producer-consumer`: the table of the workflow, each way of moving samples in turns, after a round that does
// not count; and the patterns of coupled campaigns by the size of a transfer. As Markdown, and as plain values.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ShoalError } from "../../runtime/mod.ts";
import { tableOf } from "./markdown.ts";
import { published } from "./published.ts";
import type { WavesResult } from "./result.ts";
import { observations, type Pattern, type Row, rowOf, spreadOf } from "./rows.ts";

export const settings = {
  "store": {
    default: [],
    about: "a store, or inline; may be given again: inline, memory:, shm: and file: unless said",
  },
  "sims": { default: 8, about: "simulations", least: 1 },
  "grid": { default: "64,256", about: "points along each side: a size, or several", value: "N,N" },
  "step-seconds": { default: 0, fraction: true, about: "emulated compute of a step", value: "S" },
  "kernels": { default: "3", about: "a network for each of these sizes", value: "K,K" },
  "epochs": { default: 1, about: "with 0 samples are read, and not learnt from" },
  "simulate-workers": { default: 2, about: "actors that simulate", least: 1 },
  "train-workers": { default: 2, about: "actors that train", least: 1 },
  "transfer": {
    default: "1,8,32",
    about: "megabytes of a transfer of the patterns; none leaves them out",
    value: "MB,MB",
  },
  "nodes": { default: "1", about: "processes that share the work: a number, or several", value: "N,N" },
  "rounds": { default: 3, about: "rounds that count", least: 1 },
} as const;

export interface BenchValues {
  readonly store: readonly string[];
  readonly sims: number;
  readonly grid: string;
  readonly "step-seconds": number;
  readonly kernels: string;
  readonly epochs: number;
  readonly "simulate-workers": number;
  readonly "train-workers": number;
  readonly transfer: string;
  readonly nodes: string;
  readonly rounds: number;
}

/** What a benchmark is given: a program's run in a process of its own, answered by the object that it ends with. */
export interface BenchParts {
  run(program: string, flags: { readonly [flag: string]: string | number }): Promise<unknown>;
  say(line: string): void;
}

/** What came of it: lines of Markdown, and plain values. */
export interface BenchResult {
  readonly lines: readonly string[];
  readonly values: object;
  /** What could not be measured, and why. */
  readonly missed: readonly string[];
}

interface Way {
  readonly name: string;
  readonly flags: { readonly [flag: string]: string };
}

const warmUps = 1;
const bytesPerMB = 1e6;

export default async function bench(given: BenchParts, values: BenchValues): Promise<BenchResult> {
  const grids = numbersIn("grid", values.grid);
  const counts = numbersIn("nodes", values.nodes);
  const transfers = values.transfer.trim() === "none" ? [] : numbersIn("transfer", values.transfer);
  const folder = mkdtempSync(join(tmpdir(), "shoal-bench-"));
  const missed: string[] = [];
  try {
    const own = join(folder, "store");
    const ways = waysOf(values.store, pathToFileURL(own).href);
    const clearing: BenchParts = {
      ...given,
      async run(program, flags) {
        try {
          return await given.run(program, flags);
        } finally {
          // Files of a run that has ended stay until they are swept: these are nobody's.
          rmSync(own, { recursive: true, force: true });
        }
      },
    };
    const rows: Row[] = [];
    for (const nodes of counts) {
      for (const grid of grids) rows.push(...await rowsOf(clearing, values, ways, { grid, nodes }, missed));
    }
    const patterns: Pattern[] = [];
    for (const megabytes of transfers) {
      patterns.push(...await patternsOf(clearing, values.rounds, ways, megabytes * bytesPerMB, missed));
    }
    const said = observations(rows, patterns);
    return {
      lines: tableOf(rows, patterns, said, missed),
      values: { bench: "producer-consumer", settings: values, rows, patterns, published, observations: said, missed },
      missed,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function waysOf(stores: readonly string[], own: string): Way[] {
  const all = stores.length > 0 ? stores : ["inline", "memory:", "shm:", own];
  return all.map((store) => {
    if (store === "inline") return { name: "inline", flags: { transport: "inline", store: "memory:" } };
    const secretless = store === own ? "file:" : store.replace(/\/\/[^@/]*@/, "//").split("?")[0]!;
    return { name: secretless, flags: { transport: "store", store } };
  });
}

function numbersIn(flag: string, text: string): number[] {
  return text.split(",").map((part) => {
    const number = Number(part.trim() || Number.NaN);
    if (number > 0 && number < Number.POSITIVE_INFINITY) return number;
    throw new ShoalError("BadInput", `Cannot read --${flag} ${text}: expected numbers above 0, as in 64,256`);
  });
}

/** All ways at one size, in turns. One that fails is out, and said. */
async function rowsOf(
  parts: BenchParts,
  values: BenchValues,
  ways: readonly Way[],
  { grid, nodes }: { readonly grid: number; readonly nodes: number },
  missed: string[],
): Promise<Row[]> {
  const { sims, kernels, epochs, rounds, "step-seconds": stepSeconds } = values;
  const found = await inTurns(
    ways,
    rounds,
    missed,
    `a grid of ${grid}${nodes === 1 ? "" : `, ${nodes} nodes`}`,
    async (way, round) => {
      parts.say(`grid ${grid}, round ${round} of ${rounds}: ${way.name}`);
      return await parts.run("waves", {
        ...wayFlags(way, nodes),
        sims,
        grid,
        kernels,
        epochs,
        "step-seconds": stepSeconds,
        "simulate-workers": values["simulate-workers"],
        "train-workers": values["train-workers"],
      }) as WavesResult;
    },
  );
  const sums = new Set([...found.values()].flat().map(({ checksum }) => checksum));
  if (sums.size > 1) {
    throw new ShoalError("Corrupt", `Cannot trust the ways: on a grid of ${grid} they end with different checksums`);
  }
  return [...found].map(([way, results]) => rowOf(way.name, nodes, results));
}

/** What is in the memory of one process is beyond the others' reach: by value it goes over a store that they share. */
function wayFlags({ name, flags }: Way, nodes: number): { readonly [flag: string]: string | number } {
  if (nodes === 1) return flags;
  return { ...flags, nodes, ...name === "inline" && { store: "shm:" } };
}

interface Rates {
  readonly bytesOverSeconds: number;
  readonly meanOfRates: number;
}

async function patternsOf(
  parts: BenchParts,
  rounds: number,
  ways: readonly Way[],
  bytes: number,
  missed: string[],
): Promise<Pattern[]> {
  const all: Pattern[] = [];
  // By value there is no store to write to.
  const stores = ways.filter(({ name }) => name !== "inline");
  for (const pattern of ["1:1", "1:many", "many:1"]) {
    const what = `${pattern} at ${bytes / bytesPerMB} MB`;
    const found = await inTurns(stores, rounds, missed, what, async ({ name, flags }, round) => {
      parts.say(`${what}, round ${round} of ${rounds}: ${name}`);
      const result = await parts.run("patterns", { store: flags["store"]!, pattern, bytes });
      return result as { readonly transferBytes: number; readonly write: Rates; readonly read: Rates };
    });
    for (const [{ name }, results] of found) {
      const of = (which: "write" | "read", rate: keyof Rates) =>
        spreadOf(results.map((result) => result[which][rate] / 1e9));
      all.push({
        way: name,
        pattern,
        transferBytes: results[0]!.transferBytes,
        write: of("write", "bytesOverSeconds"),
        read: of("read", "bytesOverSeconds"),
        writeMean: of("write", "meanOfRates"),
        readMean: of("read", "meanOfRates"),
        rounds: results.length,
      });
    }
  }
  return all;
}

/** A B C A B C; what comes first does not count. */
async function inTurns<Result>(
  ways: readonly Way[],
  rounds: number,
  missed: string[],
  what: string,
  measure: (way: Way, round: number) => Promise<Result>,
): Promise<Map<Way, Result[]>> {
  const found = new Map(ways.map((way): [Way, Result[]] => [way, []]));
  for (let round = 1 - warmUps; round <= rounds; round++) {
    for (const way of found.keys()) {
      try {
        const result = await measure(way, round);
        if (round > 0) found.get(way)!.push(result);
      } catch (error) {
        found.delete(way);
        missed.push(`${way.name}, ${what}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return found;
}
