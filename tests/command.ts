// Runs a command for a test and keeps what it wrote: any program, npm as the tests were started with it, and the
// versions of Node that tests/nodes/ names.
import { execFile, type ExecFileOptions } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, runtime } from "./suite.ts";

export interface Said {
  readonly code: number;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Runs a program to its end. A failure of the program is a result; that it cannot be started throws. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Environment } = {},
): Promise<Said> {
  const settings: ExecFileOptions = {
    cwd: options.cwd ?? root,
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    maxBuffer: 64 * 1024 * 1024,
  };
  return new Promise((resolve, reject) => {
    execFile(program, args, settings, (error, stdout, stderr) => {
      if (error !== null && typeof error.code === "string") return reject(error);
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, signal: error?.signal ?? undefined, stdout: String(stdout), stderr: String(stderr) });
    });
  });
}

/** The Node beside which npm works: this very one, or on Deno the one on the PATH. */
export const nodePath: string = runtime === "node" ? process.execPath : "node";

/** What `npm test` hands down about itself would mislead an npm in another folder; the user's own settings stay. */
const withoutOwnProject: Environment = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) =>
      /^(npm_(package|lifecycle)_|npm_(command|config_(.*prefix|dry_run|noproxy_|global))$|INIT_CWD$)/.test(name)
    )
    .map((name) => [name, undefined]),
);

function npmAlone(args: readonly string[], cwd: string, env: Environment): Promise<Said> {
  const cli = process.env["npm_execpath"];
  const settings = { cwd, env: { ...withoutOwnProject, ...env } };
  if (cli === undefined || !/npm-cli\.c?js$/.test(cli)) return run("npm", args, settings);
  return run(nodePath, [cli, ...args], settings);
}

let cache: Promise<string[]> | undefined;

/** Where npm's own cache cannot be written to, as in a read-only home folder, a temporary one serves. */
async function cacheArguments(): Promise<string[]> {
  const { stdout } = await npmAlone(["config", "get", "cache"], root, {});
  try {
    const folder = stdout.trim();
    mkdirSync(folder, { recursive: true });
    rmSync(mkdtempSync(join(folder, "shoal-")), { recursive: true });
    return [];
  } catch {
    return ["--cache", mkdtempSync(join(tmpdir(), "npm-"))];
  }
}

/** Runs npm, which prefers what it has in its cache: with a warm one, the tests need no network. */
export async function npm(args: readonly string[], cwd: string, env: Environment = {}): Promise<Said> {
  cache ??= cacheArguments();
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  return await npmAlone([...args, ...quiet, ...await cache], cwd, env);
}

/** What a command wrote, for the message of an assertion. */
export const shown = (said: Said): string => `code ${said.code}\n${said.stdout}${said.stderr}`;

/** The path of a Node of that major version, or why there is none here. */
export async function nodeOf(major: number): Promise<{ readonly path: string } | { readonly missing: string }> {
  if (runtime === "node" && process.versions.node.startsWith(`${major}.`)) return { path: process.execPath };
  if (process.platform !== "linux" || process.arch !== "x64") {
    return { missing: `Node ${major} is fetched for linux-x64 only, this is ${process.platform}-${process.arch}` };
  }
  const folder = await installedNodes();
  const path = join(folder, "node_modules", `node-${major}`, "bin", "node");
  const said = await run(path, ["--version"]);
  if (!said.stdout.startsWith(`v${major}.`)) throw new Error(`Cannot run Node ${major}: ${shown(said)}`);
  return { path };
}

/** Installs tests/nodes/ once a lockfile, in a folder of its own that is renamed when whole: two specs may do it. */
async function installedNodes(): Promise<string> {
  const needs20 = !process.versions.node.startsWith("20.");
  const lock = readFileSync(join(root, "tests/nodes/package-lock.json"));
  const version = createHash("sha256").update(lock).update(String(needs20)).digest("hex").slice(0, 16);
  const cache = join(root, "node_modules", ".cache");
  const folder = join(cache, `nodes-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const making = mkdtempSync(join(cache, "nodes-"));
  cpSync(join(root, "tests/nodes"), making, { recursive: true });
  const said = await npm(["ci", "--ignore-scripts", ...(needs20 ? [] : ["--omit=optional"])], making);
  if (said.code !== 0) throw new Error(`Cannot fetch newer Nodes: ${shown(said)}`);
  try {
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
