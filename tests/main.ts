// The test command: runs each tests/**/*.spec.ts in a process of its own, compiled on this Node and from its source on
// Deno, and ends with what was skipped, what ran on one runtime only, and the counts.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { isAbsolute, relative } from "node:path";
import { parseArgs } from "node:util";
import { denoPath, endAll, runSpec, type Spec, type SpecResult } from "./runner.ts";
import { kafkaVariable, startKafka } from "./services/kafka.ts";
import { nativeVariable, startNative } from "./services/native.ts";
import { type Started, startServices, variable } from "./services/redis.ts";
import { slurmVariable, startSlurm } from "./services/slurm.ts";
import { root, seed } from "./suite.ts";

const usage = "npm test -- [PATTERN…] [--runtime node|deno] [--test NAME] [--long] [--part N/M] [--jobs N]";

function fail(message: string): never {
  console.error(`${message}\n${usage}`);
  process.exit(2);
}

const { flags, patterns } = readArguments();

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        runtime: { type: "string", multiple: true },
        test: { type: "string" },
        long: { type: "boolean", default: false },
        part: { type: "string" },
        // Half of what specs do is wait, for servers, leases and the ends of processes.
        jobs: { type: "string", default: String(Math.min(availableParallelism() + 1, 8)) },
      },
    });
    return { flags: values, patterns: positionals };
  } catch (error) {
    return fail(`Cannot run tests: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const runtimes = ["node", "deno"] as const;
const jobs = Number(flags.jobs);
const asked = flags.runtime ?? [...runtimes];
for (const name of asked) {
  if (!runtimes.some((known) => known === name)) fail(`Cannot run tests: unknown runtime: ${name}: node or deno`);
}
if (!Number.isInteger(jobs) || jobs < 1) fail(`Cannot run tests: --jobs wants a number from 1 up: ${flags.jobs}`);
const [, partNumber = "", partsCount = ""] = /^([1-9]\d{0,2})\/([1-9]\d{0,2})$/.exec(flags.part ?? "1/1") ?? [];
if (partNumber === "" || Number(partNumber) > Number(partsCount)) {
  fail(`Cannot run tests: --part wants which of how many, as in 2/6: ${flags.part}`);
}
if (asked.includes("deno") && denoPath() === undefined) {
  fail("Cannot run tests on Deno: node_modules holds no Deno for this platform; --runtime node leaves it out");
}

/** What a test of a spec may take, at most, is of a machine of its own: one that is busy elsewhere has longer. */
const slowness = 2;
const minutesMin = 10;

/**
 * A spec says at its top, in comments, where and how it runs: `// only: node, REASON`, `// alone: REASON`,
 * `// minutes: N`, `// needs: redis`, `kafka`, `slurm` or `tensorflow`.
 */
function readSpec(path: string): Spec {
  const text = readFileSync(path, "utf8");
  const only = /^\/\/ only: (node|deno), (.+)$/m.exec(text);
  return {
    path,
    name: relative(`${root}/tests`, path).replaceAll("\\", "/").replace(/\.spec\.ts$/, ""),
    only: only === null ? undefined : { runtime: only[1] as "node" | "deno", reason: only[2]! },
    alone: /^\/\/ alone: /m.test(text),
    needs: /^\/\/ needs: (redis|kafka|slurm|tensorflow)$/m.exec(text)?.[1],
    minutes: Math.max(minutesMin, slowness * Number(/^\/\/ minutes: (\d+)$/m.exec(text)?.[1] ?? 0)) *
      (flags.long ? 10 : 1),
  };
}

function specsBelow(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return entry.name.endsWith(".spec.ts") ? [path] : [];
    return /^(node_modules|fixtures|types|nodes|\..*)$/.test(entry.name) ? [] : specsBelow(path);
  });
}

interface Job {
  readonly spec: Spec;
  readonly runtime: "node" | "deno";
}

// A spec can also be given by its path, wherever it is; this is how the test command is itself tested.
const given = patterns.filter((pattern) => isAbsolute(pattern) && existsSync(pattern));
const wanted = patterns.filter((pattern) => !given.includes(pattern))
  .map((pattern) => pattern.replace(/^tests\/|\.spec\.ts$/g, ""));
const found = given.length > 0 && wanted.length === 0 ? [] : specsBelow(`${root}/tests`).map(readSpec);
const specs = [
  ...given.map(readSpec),
  ...found.filter(({ name }) => wanted.length === 0 || wanted.some((pattern) => name.includes(pattern))),
];
if (specs.length === 0) fail(`Cannot run tests: no spec matches: ${patterns.join(" ")}`);

const plan: Job[] = specs.flatMap((spec) =>
  runtimes.filter((runtime) => asked.includes(runtime) && (spec.only?.runtime ?? runtime) === runtime)
    .map((runtime) => ({ spec, runtime }))
);
// The long ones first, so that no core idles at the end; those that want the machine for themselves last.
const shared = plan.filter(({ spec }) => !spec.alone).sort((a, b) => b.spec.minutes - a.spec.minutes);
const alone = plan.filter(({ spec }) => spec.alone);

const env: Record<string, string> = {
  // Every message takes the way that it would take between nodes, and held views show.
  SHOAL_STRICT: process.env["SHOAL_STRICT"] ?? "1",
  SHOAL_SEED: String(seed),
  ...(flags.long ? { SHOAL_TEST_LONG: "1" } : {}),
  ...(flags.part === undefined ? {} : { SHOAL_PART: flags.part }),
  ...(flags.test === undefined ? {} : { SHOAL_TEST: flags.test }),
};
const results: SpecResult[] = [];
const servers: ReadonlyMap<string, readonly [variable: string, start: () => Promise<Started>]> = new Map([
  ["redis", [variable, startServices]],
  ["kafka", [kafkaVariable, startKafka]],
  ["slurm", [slurmVariable, startSlurm]],
  ["tensorflow", [nativeVariable, startNative]],
]);
const services = new Map<string, Promise<Started>>();

/** What a spec finds in its environment; the servers are started for the first spec that needs them, for all. */
async function environmentOf({ needs = "" }: Spec): Promise<Record<string, string>> {
  const [variable, start] = servers.get(needs) ?? [];
  if (variable === undefined || start === undefined) return env;
  const started = services.get(needs) ?? start();
  services.set(needs, started);
  return { ...env, [variable]: (await started).text };
}

async function work(queue: Job[], workers: number): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const result = await runSpec(job.spec, job.runtime, await environmentOf(job.spec));
      results.push(result);
      show(result);
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

const count = (result: SpecResult, outcome: string): number =>
  result.tests.filter((test) => test.outcome === outcome).length;
const failures = (result: SpecResult): number => count(result, "failed") + result.problems.length;
const sum = (some: readonly SpecResult[], of: (result: SpecResult) => number): number =>
  some.reduce((total, result) => total + of(result), 0);

function show(result: SpecResult): void {
  const skipped = count(result, "skipped");
  const parts = [`${count(result, "passed")} passed`];
  if (failures(result) > 0) parts.push(`${failures(result)} failed`);
  if (skipped > 0) parts.push(`${skipped} skipped`);
  const status = failures(result) > 0 ? "FAIL" : "ok  ";
  console.log(`${status} ${result.spec.name} (${result.runtime}): ${parts.join(", ")}, ${result.ms} ms`);
  if (failures(result) === 0) return;
  console.log(result.output.trimEnd().replaceAll(/^/gm, "  | "));
  for (const problem of result.problems) console.log(`  ! ${problem}`);
}

function summary(): boolean {
  let good = true;
  console.log("");
  const reasons = new Map<string, string[]>();
  for (const result of results) {
    for (const { name, outcome, reason = "" } of result.tests) {
      if (outcome !== "skipped") continue;
      const key = `skipped: ${result.spec.name}: ${name}: ${reason}`;
      reasons.set(key, [...(reasons.get(key) ?? []), result.runtime]);
    }
  }
  for (const [line, where] of reasons) console.log(`${line} (${where.join(", ")})`);
  for (const { name, only } of specs) {
    if (only !== undefined) console.log(`on ${only.runtime} only: ${name}: ${only.reason}`);
  }
  const seconds = specs.map(({ name }) => {
    const own = results.filter((result) => result.spec.name === name);
    return `${name} ${(sum(own, ({ ms }) => ms) / 1000).toFixed(1)}`;
  });
  console.log(`seconds: ${seconds.join(", ")}`);
  for (const runtime of asked) {
    const isPlanned = plan.some((job) => job.runtime === runtime);
    if (!isPlanned && patterns.length > 0) continue;
    const own = results.filter((result) => result.runtime === runtime);
    const passed = sum(own, (result) => count(result, "passed"));
    const failed = sum(own, failures);
    const version = own.find((result) => result.version !== "")?.version ?? "";
    console.log(`${runtime} ${version}: ${passed} passed, ${failed} failed`);
    if (passed + failed === 0) {
      console.log(`FAIL: no test ran on ${runtime}`);
      good = false;
    }
  }
  if (flags.part !== undefined) console.log(`part ${partNumber} of ${partsCount}`);
  const passed = sum(results, (result) => count(result, "passed"));
  const failed = sum(results, failures);
  const skipped = sum(results, (result) => count(result, "skipped"));
  if (failed > 0) console.log(`seed ${seed}`);
  if (passed + failed === 0) good = false;
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return good && failed === 0;
}

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  process.on(signal, () => {
    endAll();
    process.exit(code);
  });
}

mkdirSync(`${root}/node_modules/.cache`, { recursive: true });
await work(shared, jobs);
await work(alone, 1);
for (const started of services.values()) await started.then(({ stop }) => stop(), () => {});
// One line of JSON a test, for whoever wants to know what ran.
const report = process.env["SHOAL_TEST_REPORT"];
if (report !== undefined && report !== "") {
  const rows = results.flatMap(({ spec, runtime, version, tests, problems }) => [
    ...tests.map((test) => ({ spec: spec.name, runtime, version, ...test })),
    ...problems.map((problem) => ({ spec: spec.name, runtime, version, name: problem, outcome: "failed", ms: 0 })),
  ]);
  writeFileSync(report, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
}
process.exitCode = summary() ? 0 : 1;
