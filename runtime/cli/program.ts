// The program that a command names: a built-in one by its public entry, or a file of the user's; with its settings as
// flags and as keys of configuration.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { loadsTypeScript, runtime } from "#platform";
import { nearest, ShoalError } from "../../stores/error.ts";
import type { TaskKind } from "../../stores/open.ts";
import { nearby } from "../launch/batch/pack.ts";
import { loadProgram, type Program } from "../launch/program.ts";
import type { Configuration } from "../launch/configuration.ts";
import { checkTaken } from "../launch/crews.ts";
import { checkGroups, checkWantedKinds, groupsIn } from "../launch/groups.ts";
import { faultOf, type Key, type Schema } from "../launch/keys.ts";
import type { Flag, Flags } from "./flags.ts";

/** What a package of programs says of each. */
export interface BuiltIn {
  readonly about: string;
  readonly module: string;
}

export interface FoundProgram {
  /** Under which its settings stand in the configuration. */
  readonly name: string;
  /** As it was typed. */
  readonly typed: string;
  readonly url: string;
  /** The file of the user's, with a digest of what it says now. */
  readonly file: { readonly path: string; readonly digest: string } | undefined;
}

export interface ReadyProgram extends FoundProgram {
  readonly program: Program;
  /** The kinds of task that it needs somebody for, as far as it says so. */
  readonly kinds: readonly TaskKind[];
  readonly settings: Flags;
}

/** The programs that come with shoal, by their public entry. */
export async function builtIns(): Promise<{ readonly [name: string]: BuiltIn }> {
  const { programs } = await import("shoal/actors");
  return programs;
}

/** Finds a program by what was typed. BadInput where there is none. */
export async function findProgram(typed: string): Promise<FoundProgram> {
  const programs = await builtIns();
  if (Object.hasOwn(programs, typed)) return { name: typed, typed, url: programs[typed]!.module, file: undefined };
  const path = resolve(typed);
  if (!/[./\\]/.test(typed) || !existsSync(path)) {
    const near = nearest(typed, Object.keys(programs));
    const hint = near === undefined ? `built in are ${Object.keys(programs).join(", ")}` : `did you mean ${near}?`;
    throw new ShoalError("BadInput", `Cannot run ${typed}: no such program or file; ${hint}`);
  }
  if (/\.[mc]?ts$/.test(typed) && !loadsTypeScript) {
    const cure = "take Node 20.6 or newer, or Deno, or compile it to JavaScript";
    throw new ShoalError("BadInput", `Cannot run ${typed}: Node ${runtime.version} does not load TypeScript; ${cure}`);
  }
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16);
  return {
    name: basename(path, extname(path)),
    typed,
    url: pathToFileURL(nearby(path, process.env)).href,
    file: { path, digest },
  };
}

/** Loads a program, and checks what it says of its settings. */
export async function readyProgram(typed: string): Promise<ReadyProgram> {
  const found = await findProgram(typed);
  const { program, settings, kinds } = await loadProgram(found.url, typed);
  for (const [name, setting] of Object.entries(settings)) {
    const fault = settingFault(name, setting);
    if (fault !== undefined) throw new ShoalError("BadInput", `Cannot run ${typed}: its settings.${name} ${fault}`);
  }
  const wanted = checkWantedKinds(`Cannot run ${typed}`, kinds);
  return { ...found, program, settings: settings as Flags, kinds: wanted };
}

/** Refuses groups that cannot be, and kinds of the program's that none of them takes. */
export function checkGroupsOf(
  { typed, kinds }: Pick<ReadyProgram, "typed" | "kinds">,
  configuration: Configuration,
): void {
  const asked = groupsIn(configuration);
  checkGroups(`Cannot run ${typed}`, asked);
  checkTaken(`Cannot run ${typed}`, kinds, asked.workers ?? [], asked.kinds);
}

function settingFault(name: string, setting: unknown): string | undefined {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) return "is no flag's name: lower-case words joined by - are wanted";
  if (typeof setting !== "object" || setting === null || !("default" in setting)) {
    return `has no default; write { default: 8, about: "…" }`;
  }
  const { default: usual } = setting;
  if (!["string", "number", "boolean"].includes(typeof usual)) {
    return "has a default that is no text, number or boolean";
  }
  if (!("about" in setting) || typeof setting.about !== "string") return "has no about: a word on what it means";
  return undefined;
}

/** A program's flags as keys of configuration. */
export function schemaOf(settings: Flags): Schema {
  return Object.fromEntries(Object.entries(settings).map(([name, flag]): [string, Key] => [name, keyOf(flag)]));
}

function keyOf(flag: Flag): Key {
  const { default: usual, about, choices, least, fraction } = flag;
  const standard = typeof usual === "string" || typeof usual === "number" || typeof usual === "boolean"
    ? usual
    : undefined;
  const number = Number.isInteger(usual) && fraction !== true ? "whole" : "number";
  const kind = choices !== undefined
    ? "word"
    : typeof usual === "number"
    ? number
    : typeof usual === "boolean"
    ? "truth"
    : "text";
  return {
    kind,
    default: standard,
    about,
    ...(choices === undefined ? {} : { words: choices }),
    ...(least === undefined ? {} : { least }),
  };
}

/** Every built-in program's settings as keys. */
export async function builtInSchemas(): Promise<{ readonly [name: string]: Schema }> {
  const schemas: { [name: string]: Schema } = {};
  for (const [name, { module }] of Object.entries(await builtIns())) {
    const { settings } = await loadProgram(module, name);
    schemas[name] = schemaOf(settings as Flags);
  }
  return schemas;
}

/** Whether a recorded value may still be given to the program: its settings may have changed since. */
export function fits(settings: Flags, name: string, value: unknown): boolean {
  const flag = settings[name];
  return flag !== undefined && faultOf(keyOf(flag), value) === undefined;
}
