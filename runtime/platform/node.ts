// What Node has its own way for. `#platform` in package.json chooses between this file and its neighbour.

import { register } from "node:module";

/** The runtime that this is. */
export const runtime: { readonly name: "node" | "deno"; readonly version: string } = {
  name: "node",
  version: process.versions.node,
};

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

/** Whether a program in TypeScript can be loaded: as it stands, or with its types stripped on the way. */
export const loadsTypeScript: boolean = major > 20 || (major === 20 && minor >= 6);

/** The variable that names the folder in which the runtime keeps what it has compiled of every module; Node keeps none. */
export const cacheVariable: string | undefined = undefined;

let isPrepared = false;

/**
 * Makes the modules of users loadable in this thread: TypeScript, and `shoal` from a folder that has not installed it.
 * Each thread calls it before it loads the first of them.
 */
export function prepareImports(): void {
  if (isPrepared || !loadsTypeScript) return;
  isPrepared = true;
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  register(new URL(`./imports${ending}`, import.meta.url));
}

/** The words with which this runtime runs a module as it was run itself: with the same conditions and limits. */
export function runningWords(): readonly string[] {
  return [process.execPath, ...process.execArgv];
}
