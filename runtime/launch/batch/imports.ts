// What the modules of a program name that they load, read from their text: what a node that has unpacked them would not
// find, or would find twice, is told before a job waits for it.

import { existsSync, readFileSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, extname, resolve } from "node:path";

export interface Looking {
  readonly isPacked: (path: string) => boolean;
  /** Where a module of a folder finds a package. */
  readonly packageFrom: (folder: string, name: string) => string | undefined;
}

export type Imports = { readonly isFetched: boolean } | { readonly reason: string };

const modulesMax = 2_000;
const moduleBytesMax = 2 ** 22;

/** `import … from "x"`, `export … from "x"`, `import "x"`, `import("x")`, `require("x")`, `new URL("x", import.meta.url)`. */
const naming = [
  /\b(?:import|export)\b[^'"`;()=]*?\bfrom\s*["']([^"'\n]+)["']/gu,
  /\bimport\s*["']([^"'\n]+)["']/gu,
  /\b(?:import|require)\s*\(\s*["']([^"'\n]+)["']/gu,
];
const locating = /\bnew\s+URL\s*\(\s*["']([^"'\n]+)["']\s*,\s*import\.meta\.url/gu;

function* namesIn(text: string, patterns: readonly RegExp[]): Generator<string> {
  for (const pattern of patterns) for (const [, name] of text.matchAll(pattern)) yield name!;
}

const isModule = (path: string): boolean => /^\.[mc]?[jt]s$/.test(extname(path));

/** Follows the modules of a program from its first. */
export function importsOf(program: string, { isPacked, packageFrom }: Looking): Imports {
  let isFetched = false;
  const seen = new Set([program]);

  function faultOf(name: string, folder: string, isPath: boolean): string | undefined {
    if (/^(file:|\/)/.test(name)) return "by its full path, which leads out of the pack";
    if (isPath || /^\.{1,2}\//.test(name)) {
      const found = pathFrom(folder, name);
      if (found !== undefined && !isPacked(found)) return "elsewhere: a package.json above both makes them one project";
      if (found !== undefined) seen.add(found);
      return undefined;
    }
    if (isBuiltin(name) || /^(#|data:|shoal(\/|$))/.test(name)) return undefined;
    const [, wanted = name] = /^((?:@[^/]+\/)?[^/:]+)/.exec(name) ?? [];
    const found = packageFrom(folder, wanted);
    if (found !== undefined) return isPacked(found) ? undefined : "which no package.json of its project names";
    // What has an address, or what a map of imports names, is the runtime's to find.
    isFetched = true;
    return undefined;
  }

  for (const path of seen) {
    if (seen.size > modulesMax) return { reason: `it has more than ${modulesMax} modules` };
    if (!isModule(path) || statSync(path).size > moduleBytesMax) continue;
    const text = readFileSync(path, "utf8");
    for (const [patterns, isPath] of [[naming, false], [[locating], true]] as const) {
      for (const name of namesIn(text, patterns)) {
        const fault = faultOf(name, dirname(path), isPath);
        if (fault !== undefined) return { reason: `${path} names ${name} ${fault}` };
      }
    }
  }
  return { isFetched };
}

/** The file that is meant; nothing where there is none of that name. */
function pathFrom(folder: string, name: string): string | undefined {
  const path = resolve(folder, name.split(/[?#]/)[0]!);
  return [path, `${path}.js`, `${path}.cjs`].find((one) => existsSync(one));
}
