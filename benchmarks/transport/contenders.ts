// Who runs the suite `transport`: shoal over the stores that are named, computing without any, a loop of pread, and what
// Python has, where pip can install it.

import { join } from "node:path";
import { cacheFolder, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";
import { python } from "../python.ts";
import { scratch } from "../scratch.ts";

const usually = ["shm:", "file:"];
/** What Python's contenders write lies where nothing waits for a disk. */
const memory = "/dev/shm";

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

function inPython(root: string, { title, library, packages, isLimit }: Peer): Contender {
  return {
    name: title,
    library,
    own: false,
    ...isLimit === true && { isLimit },
    fair: true,
    lacks: {},
    prepare: async () => await python(root, "transport", packages, library, scratch(memory, library)),
  };
}

export function transportContenders(
  root: string,
  runtimes: readonly Runtime[],
  stores: readonly string[],
): readonly Contender[] {
  const program = join(root, "dist", "benchmarks", "transport", "program.js");
  const scripted = (runtime: Runtime, kind: "shoal" | "alone" | "loop" | "summed", store: string) => async () => {
    const shoal = started(root, runtime, join(root, "dist", "runtime", "cli", "main.js"));
    const folder = scratch(cacheFolder(root), `transport-${kind}`);
    return started(root, runtime, program, [kind, store, folder, shoal.command, ...shoal.args]);
  };
  const limit = (runtime: Runtime, kind: "alone" | "loop" | "summed", title: string): Contender => ({
    name: `${title} on ${runtimeTitles[runtime]}`,
    library: kind,
    runtime,
    own: false,
    isLimit: true,
    fair: true,
    lacks: {},
    prepare: scripted(runtime, kind, "shm:"),
  });
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
      limit(runtime, "alone", "computing alone"),
      limit(runtime, "loop", "a loop of pread"),
      limit(runtime, "summed", "the same with checksums"),
    ]),
    ...peers.map((peer) => inPython(root, peer)),
  ];
}
