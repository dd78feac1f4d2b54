// Hooks for how Node loads a user's modules, in the thread that Node keeps for hooks: where Node does not strip types
// itself they are stripped here, and `shoal` is found from a folder that has not installed it.

import { readFile } from "node:fs/promises";
import { createRequire, type LoadHook, type ResolveHook } from "node:module";
import { fileURLToPath } from "node:url";

interface Stripper {
  transformSync(
    source: string,
    options: { readonly mode: "strip-only"; readonly filename: string },
  ): { readonly code: string };
}

const stripsItself = "typescript" in process.features && Boolean(process.features.typescript);
let stripper: Stripper | undefined;

/** Types are spaces from here on, so that lines and columns in a stack are those of the source. */
function strip(source: string, path: string): string {
  // It has no types of its own, and is loaded only where it is needed.
  stripper ??= createRequire(import.meta.url)("amaro") as Stripper;
  try {
    return stripper.transformSync(source, { mode: "strip-only", filename: path }).code;
  } catch (error) {
    const why = typeof error === "object" && error !== null && "message" in error
      ? String(error.message)
      : String(error);
    throw new SyntaxError(`${path}: ${why.trim()}`, { cause: error });
  }
}

export const load: LoadHook = async (url, context, next) => {
  const isOurs = /^file:[^?#]*\.m?ts(?:[?#]|$)/.test(url) && !stripsItself;
  if (!isOurs) return await next(url, context);
  const path = fileURLToPath(url);
  return { format: "module", source: strip(await readFile(path, "utf8"), path), shortCircuit: true };
};

export const resolve: ResolveHook = async (specifier, context, next) => {
  try {
    return await next(specifier, context);
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
    if (!isMissing || !/^shoal(?:\/|$)/.test(specifier)) throw error;
    // As this package sees itself.
    return await next(specifier, { ...context, parentURL: import.meta.url });
  }
};
