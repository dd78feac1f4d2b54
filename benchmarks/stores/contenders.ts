// Who runs the suite `stores`: the stores of shoal on each runtime, what the machine can do at most, Ray and numpy;
// and where a Redis server was named, that without a store, and ProxyStore over it.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { cacheFolder, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";
import { python } from "../python.ts";
import { scratch } from "../scratch.ts";
import { shards } from "./cases.ts";

const usually = ["memory:", "shm:", "file:"];
const inMemoryOnly = "lives in one process";
/** What Python's contenders write lies where nothing waits for a disk. */
const memory = "/dev/shm";

interface Scripted extends Partial<Contender> {
  readonly title: string;
  readonly library: string;
  readonly kind: "shoal" | "memcpy" | "alone" | "loop" | "files" | "ioredis" | "window";
  where(): string;
}

/** The program of this suite, which starts itself again for the other end. */
function scripted(root: string, runtime: Runtime, { title, library, kind, where, ...rest }: Scripted): Contender {
  const program = join(root, "dist", "benchmarks", "stores", "program.js");
  return {
    name: `${title} on ${runtimeTitles[runtime]}`,
    library,
    own: false,
    fair: true,
    lacks: {},
    runtime,
    ...rest,
    async prepare() {
      const run = `bench-${randomBytes(6).toString("hex")}`;
      const partner = started(root, runtime, program, [kind, where(), run]);
      return started(root, runtime, program, [kind, where(), run, partner.command, ...partner.args]);
    },
  };
}

/** What a store is of, by its URL. */
const libraryOf = (store: string): string =>
  /^redis:\/\/[^/?]*,/.test(store) ? shards : store.slice(0, store.indexOf(":") + 1);

/** A URL as the program takes it: `file:` alone is a folder of the benchmark's own. */
function urlOf(root: string, store: string): string {
  const [, scheme, query = ""] = /^(file:)(\?.*)?$/.exec(store) ?? [];
  return scheme === undefined ? store : `${scheme}//${scratch(cacheFolder(root), "store")}${query}`;
}

/** What Python has. */
function inPython(name: string, library: string, prepare: Contender["prepare"]): Contender {
  return { name, library, own: false, fair: true, lacks: {}, prepare };
}

export function storeContenders(
  root: string,
  runtimes: readonly Runtime[],
  stores: readonly string[],
): readonly Contender[] {
  const chosen = stores.length === 0 ? usually : stores;
  const limit = { own: false, isLimit: true } as const;
  /** A server that was named is also tried bare. */
  const server = chosen.find((store) => /^redis:\/\/[^,]*$/.test(store));
  const [, host = "", port = "6379"] = /^redis:\/\/([^:/?]+)(?::(\d+))?/.exec(server ?? "") ?? [];
  return [
    ...runtimes.flatMap((runtime) => [
      ...chosen.map((store) =>
        scripted(root, runtime, {
          title: store,
          library: libraryOf(store),
          kind: "shoal",
          own: true,
          where: () => urlOf(root, store),
        })
      ),
      scripted(root, runtime, {
        ...limit,
        title: "memcpy",
        library: "memcpy",
        kind: "memcpy",
        where: () => inMemoryOnly,
      }),
      scripted(root, runtime, {
        ...limit,
        title: "memcpy, alone",
        library: "alone",
        kind: "alone",
        where: () => inMemoryOnly,
      }),
      scripted(root, runtime, {
        ...limit,
        title: "loop in place",
        library: "loop",
        kind: "loop",
        where: () => scratch(cacheFolder(root), "loop"),
      }),
      scripted(root, runtime, {
        ...limit,
        title: "loop, new files",
        library: "files",
        kind: "files",
        where: () => scratch(cacheFolder(root), "files"),
      }),
      ...(server === undefined ? [] : [
        scripted(root, runtime, { title: "ioredis", library: "ioredis", kind: "ioredis", where: () => server }),
        scripted(root, runtime, {
          ...limit,
          title: "ioredis in a window",
          library: "window",
          kind: "window",
          where: () => server,
        }),
      ]),
    ]),
    inPython("Ray", "ray", () => python(root, "stores", "ray", "ray")),
    inPython("numpy", "numpy", async () => await python(root, "stores", "numpy", "numpy", scratch(memory, "numpy"))),
    ...(host === "" ? [] : [
      inPython(
        "ProxyStore",
        "proxystore",
        () => python(root, "stores", "proxystore-redis", "proxystore", `${host}:${port}`),
      ),
    ]),
  ];
}
