// The command as a user meets it: what it prints where, with which exit code, and what it says of what is wrong.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { run, type Said } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, root, runtime, test } from "../suite.ts";

const timeoutMs = 120_000;
const [command, ...first] = commandFor(runtime, join(root, "runtime/cli/main.ts"));
const shoal = (...args: string[]): Promise<Said> => run(command, [...first, ...args]);

/** What a program outside the package imports. */
const entry = pathToFileURL(join(root, runtime === "deno" ? "runtime/mod.ts" : "dist/runtime/mod.js")).href;

async function withProgram(text: string, body: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-cli-"));
  try {
    const path = join(folder, "mine.mjs");
    writeFileSync(path, text);
    await body(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("shoal run waves ends with one object on stdout, and says the rest on stderr", async () => {
  const said = await shoal("run", "waves", "--sims", "3", "--grid=32", "--steps", "2", "--seed", "7", "--json");
  assert.equal(said.code, 0, said.stderr);
  const { run: name, ...result } = JSON.parse(said.stdout);
  assert.match(name, /^\d{8}-\d{6}-/);
  const { program, seed, sims, grid, samples, bytes, checksum } = result;
  assert.deepEqual({ program, seed, sims, grid, samples, bytes }, {
    program: "waves",
    seed: 7,
    sims: 3,
    grid: 32,
    samples: 6,
    bytes: 3 * 2 * 2 * 32 * 32 * 8,
  });
  // The same on every runtime, in strict mode or not: it is written down here.
  assert.equal(checksum, "14aecc6fc739aaa1b46e2353116bf94b84bb88ce9af702145d12bb5746a6ebf2");
  assert.match(said.stderr, /simulated 3 waves/);
}, { timeoutMs });

test("shoal run waves --quiet says nothing", async () => {
  const said = await shoal("run", "waves", "--sims", "1", "--grid", "8", "--quiet", "--strict");
  assert.deepEqual([said.code, said.stdout, said.stderr], [0, "", ""]);
}, { timeoutMs });

const wrong: readonly [args: string, says: RegExp][] = [
  ["rnu waves", /Cannot rnu: there is no such verb; did you mean run\?/],
  ["run", /no program named; built in are waves/],
  ["run wavez", /did you mean waves\?/],
  ["run ./nowhere.mjs", /no such program or file/],
  ["run waves --simz 3", /did you mean --sims\?/],
  ["run waves --sims abc", /expected a whole number/],
  ["run waves --sims", /--sims: it needs a value/],
  ["run waves --json=yes", /it takes no value/],
  ["run waves --sims 0", /--sims 0: expected at least 1/],
  ["run waves more", /one program at a time/],
  ["run waves --store memry:", /did you mean memory:\?/],
  ["run waves --store memory:?capcity=1GB", /did you mean capacity\?/],
];

for (const [args, says] of wrong) {
  test(`shoal ${args}: exit code 2, and what to write instead`, async () => {
    const said = await shoal(...args.split(" "));
    assert.equal(said.code, 2, said.stderr);
    assert.equal(said.stdout, "");
    assert.match(said.stderr, says);
    assert.doesNotMatch(said.stderr, /\n\s+at /, "a stack tells the user nothing");
  }, { timeoutMs });
}

test("shoal --help, run --help and run waves --help are results", async () => {
  for (const args of [["--help"], ["run", "--help"], ["run", "waves", "--help"]]) {
    const said = await shoal(...args);
    assert.equal(said.code, 0);
    assert.match(said.stdout, /Example: shoal run waves/);
    assert.equal(said.stderr, "");
  }
  assert.match((await shoal("--version")).stdout, /^shoal \d+\.\d+\.\d+ \((node|deno) \d+/);
}, { timeoutMs });

test("shoal run of a program without a default export names the cure", async () => {
  await withProgram("export const x = 1;\n", async (path) => {
    const said = await shoal("run", path);
    assert.equal(said.code, 2);
    assert.match(said.stderr, /it has no default export; write export default/);
  });
}, { timeoutMs });

test("shoal run of a module that launches is refused by its name", async () => {
  const text = `import { launch } from ${JSON.stringify(entry)};\nawait launch();\nexport default async () => {};\n`;
  await withProgram(text, async (path) => {
    const said = await shoal("run", path);
    assert.equal(said.code, 2);
    assert.match(said.stderr, /Cannot launch inside .*mine\.mjs/);
  });
}, { timeoutMs });

test("shoal run of a program that throws shows where; also where a handler did", async () => {
  await withProgram("export default async () => { throw new Error('my bug'); };\n", async (path) => {
    const said = await shoal("run", path);
    assert.equal(said.code, 1);
    assert.match(said.stderr, /shoal: my bug\n[^]*mine\.mjs:1/);
  });
  const text = `import { Actor } from ${JSON.stringify(entry)};
class Bad extends Actor { boom() { throw new Error("bad handler"); } }
export default async (system) => { await (await system.spawn(Bad)).ask("boom"); };
`;
  await withProgram(text, async (path) => {
    const said = await shoal("run", path);
    assert.equal(said.code, 1);
    assert.match(said.stderr, /its handler threw: Error: bad handler[^]*mine\.mjs:2/);
  });
}, { timeoutMs });

test("shoal run ends in order on ctrl-C, with 130", async () => {
  const text = `import { Actor } from ${JSON.stringify(entry)};
class Last extends Actor { stopping() { console.log("stopping ran"); } }
export default async (system) => {
  await system.spawn(Last);
  console.log("ready");
  await new Promise(() => setTimeout(() => {}, 600_000));
};
`;
  await withProgram(text, async (path) => {
    const child = spawn(command, [...first, "run", path], { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (text.includes("ready")) child.kill("SIGINT");
    });
    const [code, signal] = await new Promise<unknown[]>((resolve) => child.on("close", (...end) => resolve(end)));
    // Deno as the parent takes an exit with 130 for an end by the signal of that number.
    assert.equal(signal === "SIGINT" ? 130 : code, 130);
    assert.match(said, /stopping ran/);
  });
}, { timeoutMs });
