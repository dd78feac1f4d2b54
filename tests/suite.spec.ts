// The suite itself is tested: specs that must fail, each in one way that uvu alone or a careless runner would let pass.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodePath, run as execute } from "./command.ts";
import { runSpec, type SpecResult } from "./runner.ts";
import { assert, fc, isInPart, property, root, runtime, test } from "./suite.ts";

const suiteUrl = new URL(import.meta.url.endsWith(".js") ? "suite.js" : "suite.ts", import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), "specs-"));

/** What was asked of this run is not asked of the runs inside it. */
const apart = {
  SHOAL_TEST: "",
  SHOAL_PATH: "",
  SHOAL_TEST_LONG: "",
  SHOAL_PART: "",
  SHOAL_TEST_TIMEOUT_MS: "",
  SHOAL_TEST_REPORT: "",
};

async function run(name: string, body: string, env: Record<string, string> = {}, minutes = 1): Promise<SpecResult> {
  const path = join(folder, `${name}.spec.mjs`);
  writeFileSync(path, `import { assert, fc, property, skip, test } from ${JSON.stringify(suiteUrl)};\n${body}\n`);
  return await runSpec({ path, name, only: undefined, alone: false, minutes }, runtime, { ...apart, ...env });
}

const outcomes = ({ tests }: SpecResult): Record<string, string> =>
  Object.fromEntries(tests.map(({ name, outcome }) => [name, outcome]));

/** Runs a spec whose test "x" must fail, and nothing else may be wrong with it. */
async function mustFail(name: string, body: string, saying: RegExp, env: Record<string, string> = {}): Promise<void> {
  const result = await run(name, body, env);
  assert.equal(outcomes(result)["x"], "failed", result.output);
  assert.deepEqual(result.problems, []);
  assert.match(result.output, saying);
}

/** Runs a spec that is wrong as a whole. */
async function mustHaveProblem(name: string, body: string, problem: RegExp, minutes = 1): Promise<SpecResult> {
  const result = await run(name, body, { SHOAL_TEST_GRACE_MS: "2000" }, minutes);
  assert.ok(result.problems.some((text) => problem.test(text)), JSON.stringify(result.problems) + result.output);
  return result;
}

test("suite passes what passes, and runs what a top-level await registers late", async () => {
  const result = await run(
    "good",
    `test("x", () => {});
     await new Promise((resolve) => setTimeout(resolve, 50));
     test("y", async () => assert.equal(1, 1));`,
  );
  assert.deepEqual(outcomes(result), { x: "passed", y: "passed" });
  assert.deepEqual(result.problems, []);
  assert.equal(result.runtime, runtime);
  assert.match(result.version, /^\d+\.\d+\.\d+/);
});

test("suite runs one part of its tests, and all parts together each test once", async () => {
  const names = Array.from({ length: 7 }, (_, index) => `t${index}`);
  const body = names.map((name) => `test("${name}", () => {});`).join("\n");
  const ran: string[] = [];
  for (let part = 1; part <= 9; part++) {
    const result = await run("parts", body, { SHOAL_PART: `${part}/9` });
    assert.deepEqual(result.problems, []);
    assert.ok(result.tests.length <= 1);
    ran.push(...result.tests.map(({ name }) => name));
  }
  assert.deepEqual(ran.sort(), names);
  for (const parts of [1, 2, 5]) {
    const all = Array.from(
      { length: parts },
      (_, at) => names.filter((_, index) => isInPart("other", index, `${at + 1}/${parts}`)),
    );
    assert.deepEqual(all.flat().sort(), names);
    assert.ok(all.every(({ length }) => Math.abs(length - names.length / parts) < 1));
  }
});

test("suite fails a failing assertion and still runs the next test", async () => {
  const body = `test("x", () => assert.equal(1, 2)); test("y", () => {});`;
  await mustFail("assertion", body, /1 !== 2/);
  assert.equal(outcomes(await run("assertion", body))["y"], "passed");
});

test("suite fails what throws no Error", () => mustFail("string", `test("x", () => { throw "oops"; });`, /oops/));

test("suite fails what throws undefined", () =>
  mustFail("nothing", `test("x", () => Promise.reject(undefined));`, /undefined/));

test("suite fails an assertion whose values uvu cannot print", () =>
  mustFail("bigint", `test("x", () => assert.deepEqual({ a: 1n }, { a: 2n }));`, /1n/));

test("suite fails an error that breaks when it is looked at", () =>
  mustFail(
    "hostile",
    `test("x", () => { throw Object.assign(new Error("bad"), { stack: undefined, cause: { get a() { throw 1; } } }); });`,
    /bad/,
  ));

test("suite fails a test that never settles", () =>
  mustFail("hang", `test("x", () => new Promise(() => {}), { timeoutMs: 100 });`, /hangs: not settled after 100 ms/));

test("suite names the case in which a property hangs", () =>
  mustFail(
    "hang-case",
    `test("x", () => property([fc.constant("case seven")], () => new Promise(() => {})), { timeoutMs: 100 });`,
    /case seven/,
  ));

test("suite fails the test that leaves a rejection unhandled", () =>
  mustFail("rejection", `test("x", () => { void Promise.reject(new Error("late")); });`, /late/));

test("suite fails the test in which a callback throws", () =>
  mustFail(
    "callback",
    `test("x", () => new Promise(() => setTimeout(() => { throw new Error("thrown in a callback"); })));`,
    /thrown in a callback/,
  ));

test("suite fails a property, and its replay command meets the same case at once", async () => {
  const body = `test("x", async () => {
    await property([fc.nat()], (n) => n >= 0);
    await property([fc.nat()], (n) => { assert.ok(n < 1000, "case " + n); });
  });`;
  const env = { SHOAL_SEED: "7" };
  await mustFail("property", body, /counterexample: 1000\n/, env);
  const path = /SHOAL_SEED=7 SHOAL_PATH=([\d/:]+) npm test -- property/.exec((await run("property", body, env)).output);
  assert.ok(path);
  const again = await run("property", body, { ...env, SHOAL_PATH: path[1]! });
  assert.match(again.output, /after 1 cases and 0 shrinks/);
  assert.match(again.output, /counterexample: 1000\n/);
});

test("suite fails a property that returns false", () =>
  mustFail("false", `test("x", () => property([fc.boolean()], () => false));`, /The law returned false/));

test("suite fails a property that never settles on one case", () =>
  mustFail(
    "slow-case",
    `test("x", () => property([fc.boolean()], () => new Promise(() => {}), { caseTimeoutMs: 50 }));`,
    /Case hangs: not settled after 50 ms/,
  ));

test("suite counts what is skipped, with its reason", async () => {
  const result = await run(
    "skipped",
    `test.skip("x", "no such server"); test("y", () => skip("no network"));
     test.on("node", "n", "only Node has it", () => {}); test.on("deno", "d", "only Deno has it", () => {});`,
  );
  const reasons = result.tests.filter(({ outcome }) => outcome === "skipped").map(({ name, reason }) => [name, reason]);
  const other = runtime === "node" ? ["d", "only Deno has it"] : ["n", "only Node has it"];
  assert.deepEqual(reasons, [["x", "no such server"], ["y", "no network"], other]);
  assert.deepEqual(result.problems, []);
});

test("suite runs only the tests that were named", async () => {
  const result = await run("chosen", `test("x 1", () => {}); test("y", () => {});`, { SHOAL_TEST: "x" });
  assert.deepEqual(outcomes(result), { "x 1": "passed" });
});

test("suite fails a spec without tests", () => mustHaveProblem("empty", ``, /No test is registered/));

test("suite fails a spec that throws while it is loaded", () =>
  mustHaveProblem("broken", `test("x", () => {}); throw new Error("not loaded");`, /not loaded/));

test("suite fails a spec that gives two tests one name", () =>
  mustHaveProblem("twice", `test("x", () => {}); test("x", () => {});`, /the name is taken: x/));

test("suite fails a spec that registers a test once the run has begun", async () => {
  // Within the first test, or after it: what fails for it is that test, or the spec.
  const body = `test("x", () => void setTimeout(() => test("y", () => {}), 20));`;
  const { output, problems, tests } = await run("late", body);
  assert.match(output, /the run has begun: y/);
  assert.ok(problems.length > 0 || tests.some(({ outcome }) => outcome === "failed"), output);
});

test("suite fails a spec that ends its process with 0 in a test", () =>
  mustHaveProblem("exit", `test("x", () => process.exit(0)); test("y", () => {});`, /ends before its tests do: in x/));

test("suite fails a spec that is killed", () =>
  mustHaveProblem(
    "killed",
    `test("x", () => process.kill(process.pid, "SIGKILL"));`,
    /died .*SIGKILL, in or after: x/,
  ));

test("suite fails a spec that blocks its thread, and names the test", async () => {
  const body = `test("x", () => { for (;;); });`;
  // On a busy machine it may be ended before it comes to its first test: it is given more, until it does.
  let minutes = 0.03;
  let problems = await problemsOf(minutes);
  while (problems.some((text) => /before its first test/.test(text))) problems = await problemsOf(minutes *= 2);
  assert.deepEqual(problems, [`Spec hangs: ended after ${minutes} minutes, in or after: x`]);

  async function problemsOf(minutes: number): Promise<readonly string[]> {
    return (await run("blocked", body, {}, minutes)).problems;
  }
});

test("suite fails a spec whose process does not end by itself", () =>
  mustHaveProblem("open", `test("x", () => { setInterval(() => {}, 1000); });`, /does not end after its last test/));

test("suite fails a spec that leaves a process behind", () =>
  mustHaveProblem(
    "leftover",
    `import { spawn } from "node:child_process";
     test("x", () => { spawn("sleep", ["60"], { stdio: "ignore" }).unref(); });`,
    /leaves processes behind/,
  ));

test("property draws arrays longer than fast-check's usual ten", async () => {
  let longest = 0;
  await property([fc.array(fc.nat(), { maxLength: 200 })], (values) => {
    longest = Math.max(longest, values.length);
  });
  assert.ok(longest > 10, `longest: ${longest}`);
});

interface Ended {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Runs the test command as `npm test` does, on one spec or with other arguments. */
async function command(body: string | undefined, ...args: readonly string[]): Promise<Ended> {
  const path = join(folder, `command-${args.length}-${Math.random()}.spec.mjs`);
  if (body !== undefined) {
    writeFileSync(path, `import { assert, skip, test } from ${JSON.stringify(suiteUrl)};\n${body}\n`);
  }
  const all = [join(root, "dist/tests/main.js"), ...(body === undefined ? [] : [path]), "--runtime", runtime, ...args];
  const said = await execute(nodePath, all, { env: { ...apart, SHOAL_TEST_STATUS: undefined } });
  return { code: said.code, lines: said.stdout.trimEnd().split("\n") };
}

test("Test command ends with the counts, and with 0 where all passed", async () => {
  const ended = await command(`test("x", () => {}); test.skip("y", "no server");`);
  assert.equal(ended.lines.at(-1), "1 passed, 0 failed, 1 skipped");
  assert.match(ended.lines.at(-2)!, new RegExp(`^${runtime} \\d+\\.\\d+\\.\\d+: 1 passed, 0 failed$`));
  assert.ok(ended.lines.some((line) => /^skipped: .*: y: no server/.test(line)), ended.lines.join("\n"));
  assert.equal(ended.code, 0);
});

test("Test command fails where a test failed, a spec died, or nothing ran", async () => {
  const failed = await command(`test("x", () => assert.equal(1, 2)); test("y", () => {});`);
  assert.equal(failed.lines.at(-1), "1 passed, 1 failed");
  assert.equal(failed.code, 1);
  const died = await command(`test("x", () => {}); test("y", () => process.kill(process.pid, "SIGKILL"));`);
  assert.equal(died.lines.at(-1), "0 passed, 1 failed");
  assert.equal(died.code, 1);
  const nothing = await command(`test.skip("x", "no server");`);
  assert.equal(nothing.lines.at(-1), "0 passed, 0 failed, 1 skipped");
  assert.ok(nothing.lines.includes(`FAIL: no test ran on ${runtime}`));
  assert.equal(nothing.code, 1);
});

test("Test command refuses what it does not understand, and a pattern that no spec matches", async () => {
  assert.equal((await command(undefined, "no-such-spec")).code, 2);
  assert.equal((await command(undefined, "--frobnicate")).code, 2);
  assert.equal((await command(undefined, "--jobs", "0")).code, 2);
  assert.equal((await command(undefined, "--runtime", "bun")).code, 2);
});
