// Who runs the suite `transport`: shoal over the stores that are named, computing without any, a loop of pread, and what
// Python has, where pip can install it.

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { build, built, cacheFolder, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";

const usually = ["shm:", "file:"];

const folders: string[] = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is gone when the benchmark is over. */
function folderOf(root: string, name: string): string {
  const folder = join(cacheFolder(root), `${name}-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  folders.push(folder);
  return folder;
}

interface Peer {
  readonly title: string;
  /** What the program calls it. */
  readonly library: string;
  /** What is installed for it. */
  readonly packages: string;
  readonly isLimit?: boolean;
}

const peers: readonly Peer[] = [
  { title: "numpy computing alone", library: "numpy-alone", packages: "numpy", isLimit: true },
  { title: "numpy .npy in /dev/shm", library: "npy", packages: "numpy" },
  { title: "Python shared_memory", library: "shared", packages: "numpy" },
  { title: "ProxyStore, files in /dev/shm", library: "proxystore", packages: "proxystore" },
  { title: "Dask, futures", library: "dask", packages: "dask" },
  { title: "Ray, results of tasks", library: "ray", packages: "ray" },
];

function python(root: string, { title, library, packages, isLimit }: Peer): Contender {
  const source = join(root, "benchmarks", "transport", "python");
  const requirements = join(source, `${packages}.txt`);
  return {
    name: title,
    library,
    own: false,
    ...isLimit === true && { isLimit },
    fair: true,
    lacks: {},
    async prepare() {
      const folder = await built(root, packages, [requirements], async (into) => {
        await build("python3", ["-m", "venv", into]);
        const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
        await build(join(into, "bin", "python"), pip);
      });
      return { command: join(folder, "bin", "python"), args: [join(source, "contender.py"), library] };
    },
  };
}

export function transportContenders(
  root: string,
  runtimes: readonly Runtime[],
  stores: readonly string[],
): readonly Contender[] {
  const program = join(root, "dist", "benchmarks", "transport", "program.js");
  const scripted = (runtime: Runtime, kind: "shoal" | "alone" | "loop", store: string) => async () => {
    const shoal = started(root, runtime, join(root, "dist", "runtime", "cli", "main.js"));
    const folder = folderOf(root, `transport-${kind}`);
    return started(root, runtime, program, [kind, store, folder, shoal.command, ...shoal.args]);
  };
  return [
    ...runtimes.flatMap((runtime): Contender[] => [
      ...(stores.length === 0 ? usually : stores).map((store): Contender => ({
        name: `${store.replace(/\/\/[^@/]*@/, "//")} on ${runtimeTitles[runtime]}`,
        library: store.slice(0, store.indexOf(":") + 1),
        runtime,
        own: true,
        fair: true,
        lacks: {},
        prepare: scripted(runtime, "shoal", store),
      })),
      {
        name: `computing alone on ${runtimeTitles[runtime]}`,
        library: "alone",
        runtime,
        own: false,
        isLimit: true,
        fair: true,
        lacks: {},
        prepare: scripted(runtime, "alone", "shm:"),
      },
      {
        name: `a loop of pread on ${runtimeTitles[runtime]}`,
        library: "loop",
        runtime,
        own: false,
        isLimit: true,
        fair: true,
        lacks: {},
        prepare: scripted(runtime, "loop", "shm:"),
      },
    ]),
    ...peers.map((peer) => python(root, peer)),
  ];
}
