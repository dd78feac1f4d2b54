// Who runs the suite `topics`: shoal on each store, and the bare log of the same store.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import { rmSync } from "node:fs";
import { cacheFolder, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";

const usually = ["memory:", "file:?fsync=never", "file:?fsync=always"];

const folders: string[] = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A URL as the programs take it: `file:` alone is a folder of the benchmark's own. */
function urlOf(root: string, store: string): string {
  const [, scheme, query = ""] = /^(file:)(\?.*)?$/.exec(store) ?? [];
  if (scheme === undefined) return store;
  const folder = join(cacheFolder(root), `topics-${randomBytes(6).toString("hex")}`);
  folders.push(folder);
  return `${scheme}//${folder}${query}`;
}

export function topicContenders(
  root: string,
  runtimes: readonly Runtime[],
  stores: readonly string[],
): readonly Contender[] {
  const folder = join(root, "dist", "benchmarks", "topics");
  return runtimes.flatMap((runtime) =>
    (stores.length === 0 ? usually : stores).flatMap((store): Contender[] => {
      const rest = { library: store, runtime, fair: true, lacks: {} };
      const start = (program: string) => async (): ReturnType<Contender["prepare"]> =>
        started(root, runtime, join(folder, program), [urlOf(root, store)]);
      return [
        {
          ...rest,
          name: `${store} on ${runtimeTitles[runtime]}`,
          own: true,
          prepare: start("program.js"),
        },
        {
          ...rest,
          name: `bare log of ${store} on ${runtimeTitles[runtime]}`,
          own: false,
          isLimit: true,
          prepare: start("bare.js"),
        },
      ];
    })
  );
}
