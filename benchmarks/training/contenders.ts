// Who runs the suite `training`: shoal's backends on each runtime, TensorFlow.js without shoal, and PyTorch where pip can
// install it.

import { join } from "node:path";
import process from "node:process";
import { buildNative, nativeBackend, nativeFound } from "shoal/actors";
import { cacheFolder, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime, Start } from "../case.ts";
import { python } from "../python.ts";

const ours = ["wasm", "tensorflow"] as const;

let native: Promise<string> | undefined;

/** Brings the native backend in once, beside what else is built for benchmarks; answers its main file. */
async function broughtIn(root: string): Promise<string> {
  const before = process.env["XDG_CACHE_HOME"];
  process.env["XDG_CACHE_HOME"] = nativeCache(root);
  try {
    if (nativeBackend().state !== "ok") await buildNative(() => {});
    return nativeFound()[0]!.path;
  } finally {
    if (before === undefined) delete process.env["XDG_CACHE_HOME"];
    else process.env["XDG_CACHE_HOME"] = before;
  }
}

const nativeCache = (root: string): string => join(cacheFolder(root), "native");

/** One thread each: the library asks the environment when it loads. */
const oneThread = [
  "TF_NUM_INTRAOP_THREADS=1",
  "TF_NUM_INTEROP_THREADS=1",
  "OMP_NUM_THREADS=1",
  "TF_CPP_MIN_LOG_LEVEL=2",
];

const inEnvironment = (variables: readonly string[], { command, args }: Start): Start => ({
  command: "env",
  args: [...variables, command, ...args],
});

function torch(root: string, layout: "default" | "channels-last"): Contender {
  return {
    name: `PyTorch, ${layout} layout`,
    library: layout === "default" ? "torch" : "torch-channels-last",
    own: false,
    fair: true,
    lacks: {},
    prepare: () => python(root, "training", "torch", layout),
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
        async prepare() {
          if (backend === "wasm") return started(root, runtime, program, [backend]);
          await (native ??= broughtIn(root));
          const variables = [...oneThread, `XDG_CACHE_HOME=${nativeCache(root)}`];
          return inEnvironment(variables, started(root, runtime, program, [backend]));
        },
      }))
    ),
    {
      name: "TensorFlow.js as it comes on Node",
      library: "tfjs-node",
      own: false,
      fair: true,
      lacks: {},
      async prepare() {
        const main = await (native ??= broughtIn(root));
        const plain = join(root, "dist", "benchmarks", "training", "plain.js");
        return inEnvironment(oneThread, started(root, "node", plain, [main]));
      },
    },
    torch(root, "default"),
    torch(root, "channels-last"),
  ];
}
