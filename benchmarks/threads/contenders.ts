// Who runs the suite `threads`: shoal, bare loops over ports, Comlink, and the pools of threads there are for Node.

import { join } from "node:path";
import { runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";

const titles = {
  shoal: "shoal",
  bare: "bare messages",
  numbers: "bare numbers",
  comlink: "Comlink",
  piscina: "piscina",
  tinypool: "tinypool",
  workerpool: "workerpool",
} as const;

/** The same loops, with less in each message. */
const programs: { readonly [library: string]: string } = { numbers: "bare" };

export function threadContenders(root: string, runtimes: readonly Runtime[]): readonly Contender[] {
  return runtimes.flatMap((runtime) =>
    Object.entries(titles).map(([library, title]): Contender => ({
      name: `${title} on ${runtimeTitles[runtime]}`,
      library,
      runtime,
      own: library === "shoal",
      isLimit: library === "bare" || library === "numbers",
      fair: true,
      lacks: {},
      async prepare() {
        const program = library === "shoal" ? join("shoal", "program.js") : `${programs[library] ?? library}.js`;
        const path = join(root, "dist", "benchmarks", "threads", program);
        return started(root, runtime, path, library === "numbers" ? ["numbers"] : []);
      },
    }))
  );
}
