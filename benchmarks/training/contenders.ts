// Who runs the suite `training`: shoal's backends on each runtime, and PyTorch where pip can install it.

import { join } from "node:path";
import { build, built, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";

const ours = ["wasm", "tensorflow"] as const;

function torch(root: string, layout: "default" | "channels-last"): Contender {
  const source = join(root, "benchmarks", "training", "python");
  const requirements = join(source, "torch.txt");
  return {
    name: `PyTorch, ${layout} layout`,
    library: layout === "default" ? "torch" : "torch-channels-last",
    own: false,
    fair: true,
    lacks: {},
    async prepare() {
      const folder = await built(root, "torch", [requirements], async (into) => {
        await build("python3", ["-m", "venv", into]);
        const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
        await build(join(into, "bin", "python"), pip);
      });
      return { command: join(folder, "bin", "python"), args: [join(source, "contender.py"), layout] };
    },
  };
}

export function trainingContenders(root: string, runtimes: readonly Runtime[]): readonly Contender[] {
  const program = join(root, "dist", "benchmarks", "training", "program.js");
  return [
    ...runtimes.flatMap((runtime) =>
      ours.map((backend): Contender => ({
        name: `${backend} on ${runtimeTitles[runtime]}`,
        library: backend,
        runtime,
        own: true,
        fair: true,
        lacks: {},
        prepare: async () => started(root, runtime, program, [backend]),
      }))
    ),
    torch(root, "default"),
    torch(root, "channels-last"),
  ];
}
