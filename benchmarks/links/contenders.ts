// Who runs the suite `links`: shoal between two processes, by sockets and by the logs of the stores that were named, and
// bare loops over the same.

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";
import { scratch } from "../scratch.ts";

/** A folder in memory where the machine has that, with a path short enough for sockets; gone when all is over. */
const folderOf = (name: string): string => scratch(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), name);

const schemeOf = (store: string): string => store.slice(0, store.indexOf(":"));

export function linkContenders(
  root: string,
  runtimes: readonly Runtime[],
  stores: readonly string[],
): readonly Contender[] {
  const rest = { fair: true, lacks: {} };
  const programs = join(root, "dist", "benchmarks", "links");
  /** What the bare loops are compared with is what they stand on: a socket, or a server that was named. */
  const bare = (runtime: Runtime, kind: string, where: () => string): Contender => ({
    ...rest,
    name: `bare ${kind} on ${runtimeTitles[runtime]}`,
    library: `bare ${kind}`,
    own: false,
    isLimit: true,
    runtime,
    prepare() {
      const told = [kind, where(), `bench-${randomBytes(6).toString("hex")}`];
      const program = join(programs, "bare.js");
      const partner = started(root, runtime, program, told);
      return Promise.resolve(started(root, runtime, program, [...told, partner.command, ...partner.args]));
    },
  });
  const shoal = (runtime: Runtime, library: string, title: string, args: () => readonly string[]): Contender => ({
    ...rest,
    name: `shoal, ${title}, on ${runtimeTitles[runtime]}`,
    library,
    own: true,
    runtime,
    prepare: () => Promise.resolve(started(root, runtime, join(programs, "shoal", "program.js"), args())),
  });
  const chosen = stores.length === 0 ? ["file:"] : stores;
  const urlOf = (store: string): string => store === "file:" ? `file://${folderOf("store")}` : store;
  return runtimes.flatMap((runtime) => [
    shoal(runtime, "socket", "sockets", () => ["auto", `file://${folderOf("store")}`]),
    bare(runtime, "socket", () => folderOf("s")),
    ...chosen.flatMap((store) => [
      shoal(runtime, schemeOf(store), `logs of ${store}`, () => ["log", urlOf(store)]),
      ...(/^(redis|kafka):/.test(store) ? [bare(runtime, schemeOf(store), () => store)] : []),
    ]),
  ]);
}
