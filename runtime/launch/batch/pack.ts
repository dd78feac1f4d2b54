// Shoal in one file, for the nodes of a job: a thousand of them that each look for hundreds of modules are a burden to a
// shared file system. The file is read once on each node, and unpacked where only that node looks.

import { spawn } from "node:child_process";
import { existsSync, renameSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { cacheVariable } from "#platform";
import { ShoalError } from "../../../stores/error.ts";
import { type Cargo, isIn } from "./cargo.ts";
import { word } from "./quoting.ts";

/** A packed shoal: its file on the shared file system, and the folder that it becomes on each node. */
export interface Pack {
  readonly file: string;
  readonly local: string;
  /** The folder that it was packed below. */
  readonly top: string;
}

export interface Packing {
  readonly file: string;
  readonly local: string;
  readonly cargo: Cargo;
  /** The folder of run directories, of which none goes along. */
  readonly runs: string;
}

export interface Packed extends Pack {
  /** How a path is called once it is unpacked: as it is, where it was not packed. */
  moved(path: string): string;
  /** How it was called before. */
  shared(path: string): string;
  /** Where the runtime is to keep what it compiles, instead of in a home folder that all nodes share. */
  readonly keeps: { readonly [variable: string]: string };
}

/** Below what was unpacked: it goes with it. */
const keepsIn = (local: string): Packed["keeps"] =>
  cacheVariable === undefined ? {} : { [cacheVariable]: join(local, ".cache") };

/** Writes the file, which is there whole or not at all. */
export async function writePack({ file, local, cargo, runs }: Packing): Promise<Packed> {
  const { parts, isFetched } = cargo;
  let top = dirname(parts[0]!);
  while (!parts.every((path) => isIn(path, [top]))) top = dirname(top);
  const useless = ["node_modules/*.map", "node_modules/*.d.ts", "node_modules/*.md", "dist/*.map", "dist/*.d.ts"];
  // An empty pattern, or one that leads upwards, is that of no part.
  const theirs = ["--anchored", "--no-wildcards", `--exclude=${relative(top, runs) || ".."}`];
  const making = `${file}.${process.pid}`;
  try {
    const left = [...useless.map((name) => `--exclude=${name}`), ...theirs];
    await tar(["-I", "gzip -1", "-cf", making, "-C", top, ...left, "--", ...parts.map((path) => relative(top, path))]);
    renameSync(making, file);
  } finally {
    rmSync(making, { force: true });
  }
  return {
    file,
    local,
    top,
    moved: (path) => isIn(path, parts) ? join(local, relative(top, path)) : path,
    shared: (path) => path,
    keeps: isFetched ? {} : keepsIn(local),
  };
}

/** The same file, unpacked elsewhere. */
export function repacked({ file, top, local: before }: Pack, local: string): Packed {
  const to = (folder: string) => (path: string): string =>
    isIn(path, [before]) ? join(folder, path.slice(before.length)) : path;
  const kept = cacheVariable === undefined ? undefined : process.env[cacheVariable];
  const keeps = kept !== undefined && isIn(kept, [before]) ? keepsIn(local) : {};
  return { file, local, top, moved: to(local), shared: to(top), keeps };
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

/** What nobody has held for so long, nobody is about to hold. */
const staleMinutes = 60;

/**
 * A shell command that unpacks it, whoever else does so on the same node: the folder appears whole or not at all, and
 * one that is somebody else's is not taken. It fails where the folder is not there behind it. What is held by nobody
 * any more, since a job was killed, goes.
 */
export function unpackLines({ file, local }: Pack): string[] {
  const [from, to] = [word(file), word(local)];
  const sweep = 'for d; do flock -n "$d/.whole" rm -rf "$d"; done';
  return [
    `[ -O ${to}/.whole ] || {`,
    `  find ${word(dirname(local))} -maxdepth 1 -user "$(id -u)" -name 'shoal-pack-*' -mmin +${staleMinutes} \\`,
    `    -exec sh -c ${word(sweep)} sh {} + 2>/dev/null`,
    `  (umask 077 && mkdir ${to}.$$ && tar -xzf ${from} -C ${to}.$$ && : >${to}.$$/.whole && mv -T ${to}.$$ ${to}) 2>/dev/null`,
    `  rm -rf ${to}.$$`,
    `  [ -O ${to}/.whole ]`,
    "}",
  ];
}

/** What is said where that failed. */
export const unpackFailure = ({ file, local }: Pack): string =>
  `cannot unpack ${file} into ${local}: is there room, and is the folder yours?`;

/** Those of a node end together, and one that is killed takes nothing away: the others give it so long to be gone. */
const lastSeconds = 5;

/** Holds what was unpacked as long as this shell and what it starts live; the last on a node takes it away. */
export function holdLines({ local }: Pack): string[] {
  const to = word(local);
  const last = `{ flock -w ${lastSeconds} 9 || flock -n 9; } 2>/dev/null && rm -rf ${to}`;
  return [`exec 9<${to}/.whole && flock -s 9 2>/dev/null`, `trap ${word(last)} EXIT`];
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
