// Who runs the suite `records`: the same program with a run directory and without one, on each runtime.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";

export function recordContenders(root: string, runtimes: readonly Runtime[]): readonly Contender[] {
  const compiled = join(root, "dist", "benchmarks", "records");
  return runtimes.flatMap((runtime): Contender[] => [
    {
      name: `recorded on ${runtimeTitles[runtime]}`,
      library: "shoal",
      runtime,
      own: true,
      fair: true,
      lacks: {},
      async prepare() {
        const runs = join(cacheFolder(root), `runs-${runtime}`);
        rmSync(runs, { recursive: true, force: true });
        const args = ["run", join(compiled, "program.js"), "--runs", runs, "--quiet"];
        return started(root, runtime, join(root, "dist", "runtime", "cli", "main.js"), args);
      },
    },
    {
      name: `not recorded on ${runtimeTitles[runtime]}`,
      library: "launch",
      runtime,
      own: false,
      isLimit: true,
      fair: true,
      lacks: {},
      prepare: async () => started(root, runtime, join(compiled, "embedded.js")),
    },
  ]);
}
