// Runs one spec on one runtime in a process group of its own, reads its closing line, and leaves nothing behind:
// no process and no temporary file. What a spec leaves is a failure of that spec.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { type Readable } from "node:stream";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { mark, root, type SuiteReport, type TestOutcome } from "./suite.ts";

export interface Spec {
  /** The source file. */
  readonly path: string;
  /** The path below tests/, without `.spec.ts`. */
  readonly name: string;
  readonly only: { readonly runtime: "node" | "deno"; readonly reason: string } | undefined;
  /** It wants the machine for itself. */
  readonly alone: boolean;
  /** Which servers that all specs share it needs. */
  readonly needs?: string | undefined;
  /** After so many minutes without another test it has hung. */
  readonly minutes: number;
}

export interface SpecResult {
  readonly spec: Spec;
  readonly runtime: "node" | "deno";
  readonly version: string;
  readonly ms: number;
  readonly tests: readonly TestOutcome[];
  /** What is wrong with the spec as a whole; each counts as one failure. */
  readonly problems: readonly string[];
  readonly output: string;
}

const outputCharactersMax = 200_000;
/** Long, since on a busy machine processes that were killed take their time to go. */
const leftoverGraceMsUnlessSet = 20_000;
const groups = new Set<number>();
const scratches = new Set<string>();

/** The Deno that npm installed: the binary, never the wrapper, which leaves the real one alive when it is ended. */
export function denoPath(): string | undefined {
  const folder = join(root, "node_modules", "@deno");
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .flatMap((platform) => [join(folder, platform, "deno"), join(folder, platform, "deno.exe")])
    .find(existsSync);
}

/** The command that runs a TypeScript file of the repository on a runtime: compiled on Node, the source on Deno. */
export function commandFor(runtime: "node" | "deno", path: string): [string, ...string[]] {
  if (runtime === "deno") {
    const config = `--config=${join(root, "deno.json")}`;
    return [denoPath() ?? "deno", "run", "-A", "--no-lock", "--no-prompt", config, "--conditions=source", path];
  }
  const compiled = path.endsWith(".ts") ? join(root, "dist", relative(root, path).replace(/\.ts$/, ".js")) : path;
  return [process.execPath, "--enable-source-maps", compiled];
}

/** Ends every spec that still runs, with all that it started. */
export function endAll(): void {
  for (const group of groups) endGroup(group);
  for (const scratch of scratches) rmSync(scratch, { recursive: true, force: true, maxRetries: 10 });
}

function endGroup(group: number): void {
  try {
    if (process.platform === "win32") process.kill(group, "SIGKILL");
    else process.kill(-group, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function isGroupAlive(group: number): boolean {
  try {
    process.kill(-group, 0);
    return process.platform !== "win32";
  } catch {
    return false;
  }
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

const ended = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: null, signal: null, error }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });

export async function runSpec(
  spec: Spec,
  runtime: "node" | "deno",
  env: Readonly<Record<string, string>>,
): Promise<SpecResult> {
  const started = performance.now();
  const scratch = mkdtempSync(join(tmpdir(), "shoal-test-"));
  scratches.add(scratch);
  const status = join(scratch, "status");
  const [program, ...args] = commandFor(runtime, spec.path);
  const child = spawn(program, args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      DENO_DIR: join(root, "node_modules", ".cache", "deno"),
      DENO_NO_UPDATE_CHECK: "1",
      ...process.env,
      NO_COLOR: "1",
      FORCE_COLOR: undefined,
      NODE_ENV: undefined,
      NODE_OPTIONS: undefined,
      TMPDIR: scratch,
      // Neither the runs nor the configuration of whoever runs the tests.
      XDG_STATE_HOME: join(scratch, "state"),
      XDG_CONFIG_HOME: join(scratch, "config"),
      SHOAL_TEST_STATUS: status,
      ...env,
    },
  });
  const group = child.pid;
  if (group !== undefined) groups.add(group);
  let output = "";
  const take = (chunk: string): void => {
    output = (output + chunk).slice(-outputCharactersMax * 4);
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
  const problems: string[] = [];
  let isLate = false;
  const limitMs = spec.minutes * 60_000;
  let last = "";
  let since = performance.now();
  // A machine that is busy elsewhere makes a spec slow; one that goes on from test to test does not hang.
  const timer = setInterval(() => {
    const test = existsSync(status) ? readFileSync(status, "utf8") : "";
    if (test !== last) since = performance.now();
    last = test;
    if (performance.now() - since < limitMs) return;
    isLate = true;
    if (group !== undefined) endGroup(group);
  }, Math.min(1_000, limitMs / 4));
  const end = await ended(child);
  clearInterval(timer);
  if (group !== undefined && !isLate) {
    const graceMs = Number(env["SHOAL_TEST_GRACE_MS"] ?? leftoverGraceMsUnlessSet);
    for (let waited = 0; isGroupAlive(group) && waited < graceMs; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (isGroupAlive(group)) problems.push("Spec leaves processes behind");
    endGroup(group);
  }
  if (group !== undefined) groups.delete(group);
  // With the group gone, nobody holds the other end of these: what is left in them can be read to its end.
  await Promise.all([closed(child.stdout), closed(child.stderr)]);
  const where = existsSync(status) ? `in or after: ${readFileSync(status, "utf8")}` : "before its first test";
  rmSync(scratch, { recursive: true, force: true, maxRetries: 10 });
  scratches.delete(scratch);

  const report = parse(output.split("\n").findLast((line) => line.startsWith(mark)));
  if (end.error !== undefined) problems.push(`Spec did not start: ${end.error.message}`);
  else if (isLate) problems.push(`Spec hangs: ended after ${spec.minutes} minutes, ${where}`);
  else if (report === undefined) problems.push(`Spec died without its closing line: ${describe(end)}, ${where}`);
  else if (end.code !== 0 && isGood(report)) problems.push(`Spec passed but ended badly: ${describe(end)}`);
  else if (end.code === 0 && !isGood(report)) problems.push("Spec failed but ended with code 0");
  if (report !== undefined && report.runtime !== runtime) problems.push(`Spec ran on ${report.runtime}`);
  return {
    spec,
    runtime,
    version: report?.version ?? "",
    ms: Math.round(performance.now() - started),
    tests: report?.tests ?? [],
    problems: [...(report?.strays ?? []), ...problems],
    output: output.split("\n").filter((line) => !line.startsWith(mark)).join("\n").slice(-outputCharactersMax),
  };
}

const describe = ({ code, signal }: Ended): string => signal === null ? `code ${code}` : `signal ${signal}`;
const isGood = ({ tests, strays }: SuiteReport): boolean =>
  strays.length === 0 && tests.every(({ outcome }) => outcome !== "failed");
const closed = (stream: Readable): Promise<void> =>
  new Promise((resolve) => stream.closed ? resolve() : void stream.once("close", resolve));

function parse(line: string | undefined): SuiteReport | undefined {
  try {
    return line === undefined ? undefined : JSON.parse(line.slice(mark.length));
  } catch {
    return undefined;
  }
}
