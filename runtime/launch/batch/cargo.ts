// What goes along with a job in one file: what of this package runs, what that depends on, and a program of the user's
// with its project. And why a program cannot: on a node it would find something else than here, or nothing.

import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { ShoalError } from "../../../stores/error.ts";
import { importsOf } from "./imports.ts";

export interface Cargo {
  /** Files and folders, by their full paths. */
  readonly parts: readonly string[];
  /** Whether it loads modules that the runtime has fetched, and keeps in a folder of its own. */
  readonly isFetched: boolean;
}

/** Why it stays where it lies. */
export interface Ashore {
  readonly reason: string;
}

interface Manifest {
  readonly name?: string;
  readonly dependencies?: { readonly [name: string]: string };
  readonly optionalDependencies?: { readonly [name: string]: string };
  readonly peerDependencies?: { readonly [name: string]: string };
}

/** What a user's project may weigh, unpacked: each node writes it to its own disk. */
const bytesMax = 2 ** 29;
const filesMax = 50_000;

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/** The folder of this package: that of the sources, or the one above dist/. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) || manifestOf(folder).name !== "shoal") {
    if (dirname(folder) === folder) throw new ShoalError("Unavailable", "Cannot pack shoal: its package.json is gone");
    folder = dirname(folder);
  }
  return folder;
}

/** Where a module of that folder finds a package; nothing where it finds none. */
export function packageFrom(from: string, name: string): string | undefined {
  for (let above = from;; above = dirname(above)) {
    const folder = join(above, "node_modules", name);
    if (existsSync(folder)) return folder;
    if (dirname(above) === above) return undefined;
  }
}

/** The folders of what a package depends on. What is wrong with one is the answer. */
function addDependencies(from: string, found: Set<string>): string | undefined {
  const { dependencies: own = {}, optionalDependencies: optional = {} } = manifestOf(from);
  for (const name of Object.keys({ ...own, ...optional })) {
    const folder = packageFrom(from, name);
    if (folder === undefined || found.has(folder)) continue;
    if (lstatSync(folder).isSymbolicLink()) return `${folder} is a link, as pnpm and npm link make them`;
    found.add(folder);
    const fault = addDependencies(folder, found);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What of the package runs: the sources, or what was compiled of them. */
function ownParts(folder: string): string[] {
  const isCompiled = import.meta.url.endsWith(".js");
  const parts = isCompiled
    ? ["dist/runtime", "dist/stores", "dist/actors"]
    : ["runtime", "stores", "actors", "deno.json", "tsconfig.json"];
  return ["package.json", ...parts].map((part) => join(folder, part)).filter((path) => existsSync(path));
}

/** The project that a program belongs to, if it belongs to one. */
function projectOf(program: string): string | undefined {
  for (let folder = dirname(program);; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** A project, or the modules and data beside a program without one; not what it has installed, nor what ran there. */
function ownNames(folder: string, isProject: boolean, runs: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).filter((entry) => {
    const path = join(folder, entry.name);
    if (!isProject) return entry.isFile() && /\.([mc]?[jt]s|json|toml|wasm|[ct]sv)$/.test(entry.name);
    return !/^(node_modules|runs|\..*)$/.test(entry.name) && path !== runs && !existsSync(join(path, "run.json"));
  }).map(({ name }) => join(folder, name));
}

/** The part at which it becomes too much, if it does. */
function tooMuch(parts: readonly string[], runs: string): string | undefined {
  let bytes = 0;
  let files = 0;
  function isTooMuch(path: string): boolean {
    const stat = lstatSync(path);
    bytes += stat.size;
    files += 1;
    if (bytes > bytesMax || files > filesMax) return true;
    return stat.isDirectory() && path !== runs && readdirSync(path).some((name) => isTooMuch(join(path, name)));
  }
  return parts.find(isTooMuch);
}

/** `runs` is the folder of run directories: none of them goes along. */
export function cargoOf(program: string | undefined, runs: string): Cargo | Ashore {
  const folder = packageFolder();
  const found = new Set<string>();
  const peer = Object.keys(manifestOf(folder).peerDependencies ?? {})
    .find((name) => packageFrom(folder, name) !== undefined);
  if (peer !== undefined) return { reason: `shoal runs with ${peer}, which is too large to go along` };
  const fault = addDependencies(folder, found);
  if (fault !== undefined) return { reason: fault };
  const own = [...ownParts(folder), ...found];
  if (program === undefined) return { parts: own, isFetched: false };

  const project = projectOf(program);
  const names = ownNames(project ?? dirname(program), project !== undefined, runs);
  const heavy = tooMuch(names, runs);
  if (heavy !== undefined) {
    const most = `${bytesMax / 2 ** 20} MiB in ${filesMax} files`;
    return { reason: `its folder holds more than ${most}: ${heavy} is in it` };
  }
  const its = project === undefined ? undefined : addDependencies(project, found);
  if (its !== undefined) return { reason: its };
  const parts = [...new Set([...own, ...names, ...found])];
  const imports = importsOf(program, { isPacked: (path) => isIn(path, parts), packageFrom });
  if ("reason" in imports) return imports;
  return { parts, isFetched: imports.isFetched };
}

/** Whether a path is one of these, or in one of them. */
export function isIn(path: string, parts: readonly string[]): boolean {
  return parts.some((part) => path === part || path.startsWith(part.endsWith(sep) ? part : part + sep));
}
