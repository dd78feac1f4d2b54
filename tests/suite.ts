// The one door to uvu: tests register here and run by themselves once their spec has been evaluated. It closes what
// uvu 0.5.6 leaves open (hooks and non-Errors that throw, a formatter that throws, a forgotten run, no test at all),
// ends each test that hangs, and finishes with one line of JSON that the test command reads.
import { realpathSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { isMainThread } from "node:worker_threads";
import fc from "fast-check";

export { default as assert } from "node:assert/strict";
export { fc };

/** The runtime that this process is. */
export const runtime: "node" | "deno" = process.versions["deno"] === undefined ? "node" : "deno";

/** The root of the repository, from the sources as from dist/. */
export const root: string = fileURLToPath(
  new URL(import.meta.url.endsWith(".js") ? "../../" : "../", import.meta.url),
).replace(/[\\/]$/, "");

/** The seed of this run: every property draws from it, and `SHOAL_SEED` repeats it. */
export const seed: number = numberFrom("SHOAL_SEED") ?? Math.floor(Math.random() * 0x7fffffff);

/** Whether more cases than usual were asked for (`npm run test:long`). */
export const long: boolean = process.env["SHOAL_TEST_LONG"] === "1";

export interface TestOptions {
  /** After this long a test has hung and fails. 30 s unless set. */
  readonly timeoutMs?: number;
}

export interface TestOutcome {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** Why it was skipped. */
  readonly reason?: string;
}

/** What the last line of a spec says, after the mark. */
export interface SuiteReport {
  readonly runtime: string;
  readonly version: string;
  readonly seed: number;
  readonly tests: readonly TestOutcome[];
  /** What went wrong outside any test. */
  readonly strays: readonly string[];
}

/** How the line starts that is for the test command and not for the reader. */
export const mark = "#shoal-suite ";

interface Registered {
  readonly name: string;
  readonly body: () => unknown;
  readonly timeoutMs: number;
  readonly skipReason?: string;
}

interface Running {
  readonly name: string;
  fail: (error: unknown) => void;
  /** The case that a property is trying, for a test that hangs in it. */
  values?: readonly unknown[];
  /** How many properties it has tried: a replay goes to the one that failed. */
  properties: number;
}

class Skip extends Error {}

const statusPath = process.env["SHOAL_TEST_STATUS"];
/** Long, since on a busy machine what was told to end takes its time. */
const handlesGraceMs = numberFrom("SHOAL_TEST_GRACE_MS") ?? 20_000;
const messageCharactersMax = 8_000;
const registered: Registered[] = [];
const outcomes: TestOutcome[] = [];
const strays: string[] = [];
let running: Running | undefined;
let state: "registering" | "running" | "finished" = "registering";

const mainPath = process.argv[1] ?? "";
// A spec holds actor classes that threads and other processes import: there, its tests must not run again.
const specName = /([^\\/]+)\.spec\.m?[jt]s$/.exec(mainPath)?.[1] ?? "";
const isSpecItself = isMainThread && specName !== "";

function register(entry: Registered): void {
  if (!isSpecItself) return;
  if (state !== "registering") throw new Error(`Cannot register test: the run has begun: ${entry.name}`);
  if (registered.some((other) => other.name === entry.name)) {
    throw new Error(`Cannot register test: the name is taken: ${entry.name}`);
  }
  registered.push(entry);
}

const defaultTimeoutMs = (numberFrom("SHOAL_TEST_TIMEOUT_MS") ?? 30_000) * (long ? 20 : 1);

interface TestFunction {
  /** Registers a test. Its name says the symbol and the fact: "Mailbox keeps the order of one sender". */
  (name: string, body: () => unknown, options?: TestOptions): void;
  /** Names a test that does not run anywhere yet, and why. */
  skip(name: string, reason: string): void;
  /** Registers a test that means something on one runtime only, and why; on the other it is listed as skipped. */
  on(only: "node" | "deno", name: string, reason: string, body: () => unknown, options?: TestOptions): void;
}

export const test: TestFunction = Object.assign(
  (name: string, body: () => unknown, options: TestOptions = {}): void =>
    register({ name, body, timeoutMs: options.timeoutMs ?? defaultTimeoutMs }),
  {
    skip: (name: string, reason: string): void => register({ name, body() {}, timeoutMs: 0, skipReason: reason }),
    on: (
      only: "node" | "deno",
      name: string,
      reason: string,
      body: () => unknown,
      options: TestOptions = {},
    ): void => {
      if (only === runtime) test(name, body, options);
      else test.skip(name, reason);
    },
  },
);

/** Ends the running test as skipped: for what only shows while it runs, such as a network that is not there. */
export function skip(reason: string): never {
  throw new Skip(reason);
}

// Without it, fast-check caps arrays and command lists at 10 whatever their maxLength or maxCommands.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

export interface PropertyOptions {
  /** How many cases are tried; `npm run test:long` tries twenty times as many. */
  readonly runs?: number;
  /** After this long one case has hung, and is shrunk like any other failure. */
  readonly caseTimeoutMs?: number;
}

/** Checks a law on values drawn from the run's seed; a failure shows the shrunk case and the command that replays it. */
export async function property<Values extends [unknown, ...unknown[]]>(
  arbitraries: { readonly [Index in keyof Values]: fc.Arbitrary<Values[Index]> },
  law: (...values: Values) => unknown,
  options: PropertyOptions = {},
): Promise<void> {
  const owner = running;
  const number = owner === undefined ? 1 : owner.properties += 1;
  const tuple = fc.tuple(...(arbitraries as readonly fc.Arbitrary<unknown>[]));
  const asked = fc.asyncProperty(tuple, async (values) => {
    if (owner !== undefined) owner.values = values;
    if ((await within(law(...(values as Values)), options.caseTimeoutMs)) === false) {
      throw new Error("The law returned false");
    }
  });
  const [, replayed, path] = /^(\d+)\/([\d:]*)$/.exec(process.env["SHOAL_PATH"] ?? "") ?? [];
  const result = await fc.check(asked, {
    seed,
    numRuns: (options.runs ?? 100) * (long ? 20 : 1),
    ...(path === undefined || Number(replayed) !== number ? {} : { path, endOnFailure: true }),
  });
  if (owner !== undefined) delete owner.values;
  if (!result.failed) return;
  const cause = result.errorInstance;
  const counterexample = result.counterexample?.[0] ?? [];
  const replay = `SHOAL_SEED=${seed} SHOAL_PATH=${number}/${result.counterexamplePath ?? ""} ${command(owner?.name)}`;
  const failure = new Error(
    [
      `Property failed after ${result.numRuns} cases and ${result.numShrinks} shrinks: ${messageOf(cause)}`,
      `counterexample: ${counterexample.map((value) => fc.stringify(value)).join("\n                ")}`,
      `replay: ${replay}`,
    ].join("\n    "),
    { cause },
  );
  if (cause instanceof Error) failure.stack = `Error\n${framesOf(cause)}`;
  throw failure;
}

async function within(work: unknown, limitMs: number | undefined): Promise<unknown> {
  if (limitMs === undefined) return await work;
  let cancel: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = afterSteps(limitMs, () => reject(new Error(`Case hangs: not settled after ${limitMs} ms`)));
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel?.();
  }
}

const stepMs = 50;

/**
 * Calls back when so much time has passed in steps. On a machine that is busy elsewhere, and while the test computes,
 * they come late, as all else does: what hangs is what does not end though it could.
 */
function afterSteps(limitMs: number, call: () => void): () => void {
  let passedMs = 0;
  const timer = setInterval(() => {
    passedMs += stepMs;
    if (passedMs < limitMs) return;
    clearInterval(timer);
    call();
  }, stepMs);
  return () => clearInterval(timer);
}

function numberFrom(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`Cannot read ${name}: not a whole number: ${text}`);
  return value;
}

function command(name: string | undefined): string {
  const only = name === undefined ? "" : ` --test ${JSON.stringify(name)}`;
  return `npm test -- ${specName} --runtime ${runtime}${only}`;
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : inspect(error);
const isOwnFrame = (line: string): boolean => /^\s*at /.test(line) && !/uvu|[\\/]suite\.[jt]s/.test(line);
const framesOf = (error: Error): string => (error.stack ?? "").split("\n").filter(isOwnFrame).join("\n");

/** uvu compares, formats and cuts errors in ways that throw inside its own `finally`: it gets a plain one, always. */
function plain(thrown: unknown): Error {
  const error = thrown instanceof Error ? thrown : new Error(`Threw what is no Error: ${safeInspect(thrown)}`);
  const result: Error & { details?: string } = new Error(shortened(String(error.message)) || error.name);
  result.stack = `${error.name}\n${framesOf(error)}`;
  const extra: Record<string, unknown> = {};
  for (const key of ["code", "outcome", "cause", "errors"]) {
    if (key in error) extra[key] = (error as unknown as Record<string, unknown>)[key];
  }
  delete extra[extra["code"] === "ERR_ASSERTION" ? "code" : ""];
  if (Object.keys(extra).length > 0) result.details = safeInspect(extra);
  return result;
}

function shortened(text: string): string {
  const half = messageCharactersMax / 2;
  return text.length <= 2 * half
    ? text
    : `${text.slice(0, half)}\n… ${text.length - 2 * half} more …\n${text.slice(-half)}`;
}

function safeInspect(value: unknown): string {
  try {
    return inspect(value, { depth: 5, breakLength: 110 });
  } catch {
    return "(cannot be shown)";
  }
}

/** One turn of the event loop, so that a rejection that nobody handles is counted against the test that caused it. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function runOne(entry: Registered): Promise<void> {
  const started = performance.now();
  let cancel: (() => void) | undefined;
  const finish = (outcome: TestOutcome["outcome"], reason?: string): void => {
    const ms = Math.round(performance.now() - started);
    outcomes.push({ name: entry.name, outcome, ms, ...(reason === undefined ? {} : { reason }) });
  };
  try {
    if (entry.skipReason !== undefined) throw new Skip(entry.skipReason);
    // The test command ends a spec that blocks its thread; this tells it where.
    if (statusPath !== undefined) writeFileSync(statusPath, entry.name);
    const failed = new Promise<never>((_, reject) => {
      const self: Running = { name: entry.name, fail: reject, properties: 0 };
      running = self;
      cancel = afterSteps(entry.timeoutMs, () => {
        const values = self.values === undefined ? "" : ` in the case ${fc.stringify(self.values)}`;
        reject(new Error(`Test hangs: not settled after ${entry.timeoutMs} ms${values}`));
      });
    });
    failed.catch(() => {}); // It may fail in the last turn, when nobody awaits it any more but `race` below.
    await Promise.race([Promise.resolve().then(entry.body).then(turn).then(turn), failed]);
    await Promise.race([failed, Promise.resolve()]);
    finish("passed");
  } catch (error) {
    if (error instanceof Skip) return finish("skipped", error.message);
    finish("failed");
    throw plain(error);
  } finally {
    cancel?.();
    running = undefined;
  }
}

async function runAll(): Promise<void> {
  state = "running";
  process.exitCode = 1;
  const only = process.env["SHOAL_TEST"];
  const chosen = registered.filter((entry, index) =>
    (only === undefined || only === "" || entry.name.includes(only)) && isInPart(specName, index)
  );
  Object.assign(globalThis, { UVU_DEFER: 1, UVU_QUEUE: [[null]] });
  const { exec, suite } = await import("uvu");
  const inner = suite(specName);
  for (const entry of chosen) inner(entry.name, () => runOne(entry));
  inner.run();
  await exec();
  // uvu returns normally after an exception of its own: what did not report an outcome did not run.
  for (const entry of chosen.slice(outcomes.length)) stray(new Error(`Test did not run: ${entry.name}`));
  if (registered.length === 0) stray(new Error("No test is registered"));
  state = "finished";
  process.exitCode = isGood() ? 0 : 1;
  setTimeout(() => {
    const handles = process.getActiveResourcesInfo?.().filter((kind) => !/^(Pipe|TTY|Immediate)/.test(kind)) ?? [];
    stray(new Error(`Process does not end after its last test: still open: ${handles.join(", ") || "unknown"}`));
    process.exit(1);
  }, handlesGraceMs).unref();
}

/** Whether a spec's nth test is of the part that was asked for, so that all parts together are all tests, once each. */
export function isInPart(spec: string, index: number, part: string = process.env["SHOAL_PART"] ?? ""): boolean {
  const [, number, parts] = /^(\d+)\/(\d+)$/.exec(part) ?? [];
  if (number === undefined || parts === undefined) return true;
  // A spec of few tests begins anywhere: else the first part would have all of those.
  let first = 0;
  for (const sign of spec) first = (first * 31 + sign.charCodeAt(0)) % 1_000_003;
  return (first + index) % Number(parts) === Number(number) - 1;
}

const isGood = (): boolean => strays.length === 0 && !outcomes.some(({ outcome }) => outcome === "failed");

const seen = new Set<unknown>();

function stray(error: unknown): void {
  // A spec that throws while it is loaded is heard of twice: by the process and by whoever imported it.
  if (seen.has(error)) return;
  seen.add(error);
  const { message, stack = "" } = plain(error);
  strays.push(message);
  console.log(`  outside any test: ${message}\n${stack.slice(stack.indexOf("\n") + 1)}`);
}

function onError(error: unknown): void {
  if (running === undefined) stray(error);
  else running.fail(error);
  if (state !== "running") process.exitCode = 1;
}

if (isSpecItself) {
  process.on("unhandledRejection", onError);
  process.on("uncaughtException", onError);
  process.on("exit", () => {
    if (state !== "finished") {
      stray(new Error(`Process ends before its tests do${running === undefined ? "" : `: in ${running.name}`}`));
    }
    if (!isGood()) {
      process.exitCode = 1;
      console.log(`seed ${seed}; replay: SHOAL_SEED=${seed} ${command(undefined)}`);
    }
    const version = process.versions[runtime] ?? "";
    const report: SuiteReport = { runtime, version, seed, tests: outcomes, strays };
    console.log(`\n${mark}${JSON.stringify(report)}`);
  });
  // Killed itself, the test command ends nobody: a spec that has lost it goes too.
  const parent = process.ppid;
  if (statusPath !== undefined) setInterval(() => process.ppid === parent || process.exit(1), 1_000).unref();
  // The main module is this very spec: importing it again waits for its evaluation, top-level awaits included.
  const main = pathToFileURL(runtime === "deno" ? mainPath : realpathSync(mainPath)).href;
  void import(main).then(() => turn()).then(runAll).catch(stray);
}
