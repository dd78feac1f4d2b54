// What contenders are started with: tools that build them, folders that keep what was built, and the two runtimes.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import type { Runtime, Start } from "./case.ts";
import { scratch } from "./scratch.ts";

const run = promisify(execFile);
const buildMs = 600_000;
const outputBytesMax = 2 ** 26;

/** Runs a build tool; what it wrote last is the reason why it failed. */
export async function build(command: string, args: readonly string[]): Promise<void> {
  try {
    await run(command, args, { timeout: buildMs, maxBuffer: outputBytesMax });
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === "ENOENT") throw new Error(`${command} is not on the PATH`, { cause: error });
    throw new Error(`${command} failed: ${(stderr ?? "").trim().split("\n").slice(-3).join(" ")}`, { cause: error });
  }
}

/** Where everything lies that is built or written for a benchmark, and that git ignores. */
export function cacheFolder(root: string): string {
  return join(root, "dist", ".benchmarks");
}

/**
 * The folder with what `make` built from these files. It is named by what is in them, so that a change builds again,
 * and appears only when it is whole.
 */
export async function built(
  root: string,
  name: string,
  files: readonly string[],
  make: (into: string) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  const folder = join(cacheFolder(root), `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  const unfinished = scratch(cacheFolder(root), name);
  await make(unfinished);
  renameSync(unfinished, folder);
  return folder;
}

export const runtimeTitles: Readonly<Record<Runtime, string>> = { node: "Node", deno: "Deno" };

/** How a compiled program is started on a runtime. Deno's own binary: its npm wrapper would be what we end. */
export function started(root: string, runtime: Runtime, program: string, args: readonly string[] = []): Start {
  if (runtime === "node") return { command: process.execPath, args: ["--expose-gc", program, ...args] };
  const packages = join(root, "node_modules", "@deno");
  const command = (existsSync(packages) ? readdirSync(packages) : [])
    .map((name) => join(packages, name, process.platform === "win32" ? "deno.exe" : "deno"))
    .find((path) => existsSync(path));
  if (command === undefined) throw new Error("deno is not among the installed packages");
  return { command, args: ["run", "-A", "--v8-flags=--expose-gc", program, ...args] };
}
