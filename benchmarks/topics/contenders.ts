// Who runs the suite `topics`: shoal on each store, and the bare log of the same store.

import { join } from "node:path";
import { cacheFolder, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";
import { scratch } from "../scratch.ts";

const usually = ["memory:", "file:?fsync=never", "file:?fsync=always"];

/** A URL as the programs take it: `file:` alone is a folder of the benchmark's own. */
function urlOf(root: string, store: string): string {
  const [, scheme, query = ""] = /^(file:)(\?.*)?$/.exec(store) ?? [];
  if (scheme === undefined) return store;
  return `${scheme}//${scratch(cacheFolder(root), "topics")}${query}`;
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
