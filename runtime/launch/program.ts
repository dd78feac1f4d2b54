// A program is a module whose default export takes a system. It is loaded without effect, then run.

import { prepareImports } from "#platform";
import { ShoalError } from "../../stores/error.ts";
import type { System } from "../system.ts";

/** What a program's module exports as its default; the rest is for programs with settings of their own. */
export type Program = (
  system: System,
  settings: { readonly [name: string]: unknown },
  say: (line: string) => void,
  /** The run directory: what the program writes there stays with the run, and is found by a resume. */
  directory: string,
) => unknown;

export interface LoadedProgram {
  readonly program: Program;
  /** The program's own flags: a name, a default and a word on each. */
  readonly settings: { readonly [name: string]: unknown };
  /** The kinds of task that it needs somebody for, as far as it says so. */
  readonly kinds: unknown;
}

/** Programs of this package are compiled, and need no help to be loaded. */
const ownRoot = new URL("../../", import.meta.url).href;

/** Those that are being loaded; the same may be loaded twice at once. */
const current: string[] = [];

/** The program that is being loaded right now, or what this thread is part of, if anything. */
export function loading(): string | undefined {
  return current.at(-1);
}

/** From here on this thread is part of a system, and begins no other. */
export function enter(what: string): void {
  current.unshift(what);
}

/** Loads a module for what it exports. A launch within is refused: it would be one more system for each that loads it. */
export async function loadModule(url: string, name: string): Promise<{ readonly [exported: string]: unknown }> {
  current.push(name);
  if (!url.startsWith(ownRoot)) prepareImports();
  try {
    return await import(url);
  } catch (error) {
    if (error instanceof ShoalError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new ShoalError("BadInput", `Cannot load ${name}: ${text}`, { cause: error });
  } finally {
    current.splice(current.indexOf(name), 1);
  }
}

/** Loads a program by the URL of its module. */
export async function loadProgram(url: string, name: string): Promise<LoadedProgram> {
  const loaded = await loadModule(url, name);
  if (typeof loaded["default"] !== "function") {
    const text = `Cannot run ${name}: it has no default export; write export default async function (system) { … }`;
    throw new ShoalError("BadInput", text);
  }
  return { program: loaded["default"] as Program, settings: Object(loaded["settings"] ?? {}), kinds: loaded["kinds"] };
}
