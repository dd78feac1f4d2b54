// Who runs the suite `processes`: shoal alone, which starts its processes itself.

import { join } from "node:path";
import { runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";

export function processContenders(root: string, runtimes: readonly Runtime[]): readonly Contender[] {
  const program = join(root, "dist", "benchmarks", "processes", "program.js");
  return runtimes.map((runtime) => ({
    name: `shoal on ${runtimeTitles[runtime]}`,
    library: "shoal",
    runtime,
    own: true,
    fair: true,
    lacks: {},
    prepare: async () => started(root, runtime, program),
  }));
}
