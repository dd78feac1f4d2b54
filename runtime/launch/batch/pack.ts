// Shoal in one file, for the nodes of a job: a thousand of them that each look for hundreds of modules are a burden to a
// shared file system. The file is read once on each node, and unpacked where only that node looks.

import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { ShoalError } from "../../../stores/error.ts";
import { word } from "./quoting.ts";

/** A packed shoal: its file on the shared file system, and the folder that it becomes on each node. */
export interface Pack {
  readonly file: string;
  readonly local: string;
  /** The folder that it was packed below. */
  readonly top: string;
}

interface Manifest {
  readonly name?: string;
  readonly dependencies?: { readonly [name: string]: string };
  readonly optionalDependencies?: { readonly [name: string]: string };
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

/** The folder of this package: that of the sources, or the one above dist/. */
function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json")) || manifestOf(folder).name !== "shoal") {
    if (dirname(folder) === folder) throw new ShoalError("Unavailable", "Cannot pack shoal: its package.json is gone");
    folder = dirname(folder);
  }
  return folder;
}

/** The folders of what a package depends on, as modules are found: in the nearest node_modules that has them. */
function dependencies(from: string, found: Set<string> = new Set()): Set<string> {
  const { dependencies: own = {}, optionalDependencies: optional = {} } = manifestOf(from);
  for (const name of Object.keys({ ...own, ...optional })) {
    let above = from;
    while (!existsSync(join(above, "node_modules", name)) && dirname(above) !== above) above = dirname(above);
    const folder = join(above, "node_modules", name);
    if (!existsSync(folder) || found.has(folder)) continue;
    found.add(folder);
    dependencies(folder, found);
  }
  return found;
}

/** What of the package runs: the sources, or what was compiled of them. */
function ownParts(folder: string): string[] {
  const isCompiled = import.meta.url.endsWith(".js");
  const parts = isCompiled
    ? ["dist/runtime", "dist/stores", "dist/actors"]
    : ["runtime", "stores", "actors", "deno.json", "tsconfig.json"];
  return ["package.json", ...parts].map((part) => join(folder, part)).filter((path) => existsSync(path));
}

/**
 * What goes along with a program of the user's: its project, where it has one, else the modules and data beside it.
 * Neither what a project has installed and does not name, nor what ran there.
 */
function programParts(program: string): string[] {
  let project = dirname(program);
  while (!existsSync(join(project, "package.json")) && dirname(project) !== project) project = dirname(project);
  const isProject = existsSync(join(project, "package.json"));
  const folder = isProject ? project : dirname(program);
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) =>
    isProject
      ? !/^(node_modules|runs|\..*)$/.test(entry.name)
      : entry.isFile() && /\.([mc]?[jt]s|json|toml|wasm|[ct]sv)$/.test(entry.name)
  ).map(({ name }) => join(folder, name));
  return isProject ? [...names, ...dependencies(project)] : names;
}

/** What is written for a program of the user's, or for one that comes with shoal. */
export interface Packing {
  readonly file: string;
  readonly local: string;
  readonly program: string | undefined;
}

export interface Packed extends Pack {
  /** How a path is called once it is unpacked: as it is, where it was not packed. */
  moved(path: string): string;
}

/** Writes the file. */
export async function writePack({ file, local, program }: Packing): Promise<Packed> {
  const folder = packageFolder();
  const own = program === undefined ? [] : programParts(program);
  const all = [...new Set([...ownParts(folder), ...dependencies(folder), ...own])];
  let top = folder;
  while (!all.every((path) => path.startsWith(top === sep ? sep : top + sep))) top = dirname(top);
  const names = all.map((path) => relative(top, path));
  const left = ["--exclude=*.map", "--exclude=*.d.ts", "--exclude=*.md"];
  await tar(["-I", "gzip -1", "-cf", file, "-C", top, ...left, "--", ...names]);
  const isIn = (path: string): boolean => all.some((packed) => path === packed || path.startsWith(packed + sep));
  return { file, local, top, moved: (path) => isIn(path) ? join(local, relative(top, path)) : path };
}

/** The same file, unpacked elsewhere. */
export function repacked({ file, top, local: before }: Pack, local: string): Packed {
  const moved = (path: string): string => path.startsWith(before + sep) ? local + path.slice(before.length) : path;
  return { file, local, top, moved };
}

async function tar(args: readonly string[]): Promise<void> {
  const child = spawn("tar", [...args], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => said = (said + text).slice(-1_000));
  const code = await new Promise<number>((resolve, reject) => {
    child.once(
      "error",
      (cause) =>
        reject(new ShoalError("Unavailable", `Cannot pack shoal: tar does not start: ${cause.message}`, { cause })),
    );
    child.once("close", (code) => resolve(code ?? -1));
  });
  if (code !== 0) throw new ShoalError("Unavailable", `Cannot pack shoal: tar ended with ${code}: ${said.trim()}`);
}

const staleDays = 3;

/**
 * Shell lines that unpack it, whoever else does so on the same node: the folder appears whole or not at all, and one
 * that is somebody else's is not taken. What older jobs left goes.
 */
export function unpackLines({ file, local }: Pack): string[] {
  const [from, to] = [word(file), word(local)];
  const failure = word(`cannot unpack ${file} into ${local}: is there room, and is the folder yours?`);
  return [
    `if ! [ -O ${to}/.whole ]; then`,
    `  find ${
      word(dirname(local))
    } -maxdepth 1 -user "$(id -u)" -name 'shoal-pack-*' -mtime +${staleDays} -exec rm -rf {} + 2>/dev/null`,
    `  (umask 077 && mkdir ${to}.$$ && tar -xzf ${from} -C ${to}.$$ && : >${to}.$$/.whole && mv -T ${to}.$$ ${to}) 2>/dev/null`,
    `  rm -rf ${to}.$$`,
    `  [ -O ${to}/.whole ] || { echo ${failure} >&2; exit 1; }`,
    "fi",
  ];
}

/** What a job's script says of the pack to those that it starts. */
export const packVariables = { file: "SHOAL_JOB_PACK", local: "SHOAL_JOB_LOCAL", top: "SHOAL_JOB_TOP" } as const;

/** The pack that this process runs from, if it does. */
export function packIn(environment: { readonly [name: string]: string | undefined }): Pack | undefined {
  const { [packVariables.file]: file, [packVariables.local]: local, [packVariables.top]: top } = environment;
  return file === undefined || local === undefined || top === undefined ? undefined : { file, local, top };
}

/** Where a file is to be read on this node: what was unpacked here stands for what the nodes share. */
export function nearby(path: string, environment: { readonly [name: string]: string | undefined }): string {
  const pack = packIn(environment);
  const found = pack === undefined ? path : join(pack.local, relative(pack.top, path));
  return existsSync(found) ? found : path;
}
