// Who runs the suite `molecules`: shoal in one process and over the stores that are named, and what is done by hand.

import { join } from "node:path";
import { runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";

const isOfOneProcess = "the same as in one process";

export function moleculeContenders(
  root: string,
  runtimes: readonly Runtime[],
  stores: readonly string[],
): readonly Contender[] {
  const programs = join(root, "dist", "benchmarks", "molecules");
  const table = join(root, "actors", "molecules", "energies.tsv");
  return runtimes.flatMap((runtime): Contender[] => [
    {
      name: `one process on ${runtimeTitles[runtime]}`,
      library: "process",
      runtime,
      own: true,
      fair: true,
      lacks: {},
      prepare: async () => started(root, runtime, join(programs, "program.js"), [table]),
    },
    ...stores.map((store): Contender => ({
      name: `two processes over ${store.slice(0, store.indexOf(":"))} on ${runtimeTitles[runtime]}`,
      library: store.slice(0, store.indexOf(":")),
      runtime,
      own: true,
      fair: true,
      lacks: { programs: isOfOneProcess, xtb: isOfOneProcess, neighbours: isOfOneProcess },
      prepare: async () => started(root, runtime, join(programs, "program.js"), [table, store]),
    })),
    {
      name: `by hand on ${runtimeTitles[runtime]}`,
      library: "hand",
      runtime,
      own: false,
      isLimit: true,
      fair: false,
      lacks: { between: "it does not choose", neighbours: "it does not learn" },
      prepare: async () => started(root, runtime, join(programs, "bare.js"), [table]),
    },
  ]);
}
