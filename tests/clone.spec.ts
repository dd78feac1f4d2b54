// The set-up of a clone: it installs and compiles what is missing or stale, says so, says nothing when all is fresh,
// and fails with a sentence that helps. Each test works on a copy of the committed and the new files.
// only: node, the set-up is a script for Node whatever the program runs on
// minutes: 8
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Environment, npm, run, type Said, shown } from "./command.ts";
import { assert, root, test } from "./suite.ts";

const timeoutMs = 240_000;

/** A copy of the repository as a clone would have it, and as small as set-up allows: one source instead of all. */
async function copyOf(kind: "all" | "small"): Promise<string> {
  const listed = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root });
  assert.equal(listed.code, 0, shown(listed));
  const folder = mkdtempSync(join(tmpdir(), "clone-"));
  for (const path of listed.stdout.trim().split("\n")) {
    const isSmall = !/^(stores|runtime|actors|benchmarks|tests)\//.test(path);
    if ((kind === "small" && !isSmall) || !existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(root, path), join(folder, path));
  }
  if (kind === "small") {
    for (
      const [path, text] of [["runtime/mod.ts", "export const one: number = 1;\n"], ["runtime/gone.ts", "export {};\n"]]
    ) {
      mkdirSync(dirname(join(folder, path!)), { recursive: true });
      writeFileSync(join(folder, path!), text!);
    }
    writeFileSync(join(folder, "runtime/table.json"), "{}\n");
  }
  return folder;
}

/** A small copy that need not install: it has the packages of this clone. */
async function smallCopy(): Promise<string> {
  const folder = await copyOf("small");
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

const setUp = (folder: string, args: readonly string[] = [], env: Environment = {}): Promise<Said> =>
  run(process.execPath, [join(folder, "bin/setup.mjs"), ...args], { cwd: tmpdir(), env });
const built = (folder: string, path: string): boolean => existsSync(join(folder, "dist", path));

const quiet = (said: Said): void => {
  assert.equal(said.code, 0, shown(said));
  assert.equal(said.stdout + said.stderr, "");
};
const expectSteps = (said: Said, ...steps: readonly RegExp[]): void => {
  assert.equal(said.code, 0, shown(said));
  const lines = said.stderr.trimEnd().split("\n");
  assert.equal(lines.length, steps.length, shown(said));
  for (const [index, step] of steps.entries()) assert.match(lines[index]!, step);
  assert.equal(said.stdout, "");
};
const installs = [/^setup: installing .*npm ci/, /^setup: installed in /];
const compiles = [/^setup: compiling .*tsc/, /^setup: compiled in /];

test("Set-up installs and compiles a fresh clone, in production mode too, and then has nothing to do", async () => {
  const folder = await copyOf("all");
  expectSteps(
    await setUp(folder, [], { NODE_ENV: "production", npm_config_omit: "dev" }),
    ...installs,
    ...compiles,
  );
  assert.ok(built(folder, "tests/suite.js"));
  quiet(await setUp(folder));
  const packed = await npm(["pack", "--dry-run", "--json"], folder);
  assert.equal(packed.code, 0, shown(packed));
  assert.match(packed.stdout, /"dist\/runtime\/mod\.js"/);
}, { timeoutMs });

test(
  "Set-up leaves alone what npm install by hand brought, and completes an install without dev dependencies",
  async () => {
    const folder = await copyOf("small");
    const half = await npm(["install", "--omit=dev", "--ignore-scripts"], folder);
    assert.equal(half.code, 0, shown(half));
    expectSteps(await setUp(folder), ...installs, ...compiles);
    rmSync(join(folder, "node_modules/.shoal-setup"));
    const whole = await npm(["install", "--ignore-scripts"], folder);
    assert.equal(whole.code, 0, shown(whole));
    quiet(await setUp(folder));
  },
  { timeoutMs },
);

test("Set-up installs again when the lockfile changed", async () => {
  const folder = await copyOf("small");
  expectSteps(await setUp(folder), ...installs, ...compiles);
  const path = join(folder, "package-lock.json");
  const lock = JSON.parse(readFileSync(path, "utf8")) as {
    packages: Record<string, { devDependencies?: Record<string, string> }>;
  };
  delete lock.packages["node_modules/nact"];
  delete lock.packages[""]!.devDependencies!["nact"];
  writeFileSync(path, JSON.stringify(lock, null, 2));
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    devDependencies: Record<string, string>;
  };
  delete manifest.devDependencies["nact"];
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest, null, 2));
  // What is there is more than enough, which the account of npm shows: no need to install.
  expectSteps(await setUp(folder), ...compiles);
  lock.packages["node_modules/uvu"] = { ...lock.packages["node_modules/uvu"], version: "0.5.5" } as object;
  writeFileSync(path, JSON.stringify(lock, null, 2));
  const said = await setUp(folder);
  assert.equal(said.code, 1, shown(said));
  assert.match(said.stderr, /installing[^]*Cannot install: npm ci ended with \d+/);
}, { timeoutMs });

test("Set-up compiles what changed, and removes what is gone", async () => {
  const folder = await smallCopy();
  expectSteps(await setUp(folder), ...compiles);
  for (const path of ["runtime/mod.js", "runtime/mod.d.ts", "runtime/gone.js", "runtime/table.json"]) {
    assert.ok(built(folder, path), path);
  }
  quiet(await setUp(folder));
  writeFileSync(join(folder, "runtime/mod.ts"), "export const two: number = 2;\n");
  rmSync(join(folder, "runtime/gone.ts"));
  rmSync(join(folder, "runtime/table.json"));
  expectSteps(await setUp(folder), ...compiles);
  assert.match(readFileSync(join(folder, "dist/runtime/mod.js"), "utf8"), /two/);
  for (const path of ["runtime/gone.js", "runtime/gone.d.ts", "runtime/table.json"]) {
    assert.ok(!built(folder, path), path);
  }
  quiet(await setUp(folder));
  rmSync(join(folder, "dist"), { recursive: true });
  expectSteps(await setUp(folder), ...compiles);
  utimesSync(join(folder, "runtime/mod.ts"), 0, 0);
  expectSteps(await setUp(folder), ...compiles);
  expectSteps(await setUp(folder, ["--force"]), ...compiles);
}, { timeoutMs });

test("Set-up shows what the compiler says and fails, or goes on where told to", async () => {
  const folder = await smallCopy();
  writeFileSync(join(folder, "runtime/mod.ts"), `export const one: number = "1";\n`);
  for (const _ of [1, 2]) {
    const said = await setUp(folder);
    assert.equal(said.code, 1);
    assert.match(said.stderr, /^runtime\/mod\.ts\(1,14\): error TS2322[^]*^setup: Cannot compile/m);
  }
  const going = await setUp(folder, ["--keep-going"]);
  assert.equal(going.code, 0, shown(going));
  assert.match(going.stderr, /TS2322/);
  assert.ok(built(folder, "runtime/mod.js"));
}, { timeoutMs });

test("Set-up started several times at once compiles once", async () => {
  const folder = await smallCopy();
  const all = await Promise.all([1, 2, 3, 4].map(() => setUp(folder)));
  for (const said of all) assert.equal(said.code, 0, shown(said));
  assert.equal(all.filter(({ stderr }) => /compiling/.test(stderr)).length, 1);
  assert.ok(built(folder, "runtime/mod.js"));
  assert.ok(!existsSync(join(folder, ".setup.lock")));
}, { timeoutMs });

test("Set-up takes over from one that was killed", async () => {
  const folder = await smallCopy();
  const dead = await run(process.execPath, ["-p", "`${process.pid} ${os.hostname()} ${Date.now()}`"]);
  writeFileSync(join(folder, ".setup.lock"), dead.stdout.trim());
  const all = await Promise.all([1, 2, 3].map(() => setUp(folder)));
  for (const said of all) assert.equal(said.code, 0, shown(said));
  assert.equal(all.filter(({ stderr }) => /compiling/.test(stderr)).length, 1);
  assert.ok(!existsSync(join(folder, ".setup.lock")));
}, { timeoutMs });

test("Set-up says so when the registry cannot be reached", async () => {
  const folder = await copyOf("small");
  // Nothing listens on the port of discard, and an empty cache knows nothing.
  const said = await setUp(folder, [], {
    npm_config_registry: "http://127.0.0.1:9/",
    npm_config_cache: join(folder, "cache"),
    npm_config_fetch_retries: "0",
  });
  assert.equal(said.code, 1);
  assert.match(said.stderr, /Cannot install: npm ci ended with \d+: the package registry cannot be reached/);
}, { timeoutMs });

test("Set-up says so when there is no npm", async () => {
  const folder = await copyOf("small");
  const said = await setUp(folder, [], { PATH: folder, npm_execpath: undefined });
  assert.equal(said.code, 1);
  assert.match(said.stderr, /Cannot install: npm is not on the PATH/);
}, { timeoutMs });

test("Set-up installs where the home folder cannot be written", async () => {
  const folder = await copyOf("small");
  // A file where npm would make its cache: not even root can write below it.
  writeFileSync(join(folder, "home"), "");
  const said = await setUp(folder, [], { HOME: join(folder, "home"), npm_config_cache: undefined });
  expectSteps(said, ...installs, ...compiles);
}, { timeoutMs });

const oldNode = `data:text/javascript,${
  encodeURIComponent(`Object.defineProperty(process, "versions", { value: { ...process.versions, node: "18.20.4" } });`)
}`;

test("Command refuses a Node older than 20 in one line", async () => {
  const said = await run(process.execPath, ["--import", oldNode, join(root, "bin/shoal.mjs"), "--help"]);
  assert.equal(said.code, 1);
  assert.equal(said.stderr, "shoal: Cannot start: Node 18.20.4 is older than 20\n");
});

test("Command sets up a clone before it runs", async () => {
  const folder = await smallCopy();
  mkdirSync(join(folder, "runtime/cli"));
  writeFileSync(
    join(folder, "runtime/cli/main.ts"),
    `console.log("ran", process.argv.slice(2).join(" "));\nexport {};\n`,
  );
  const shoal = join(folder, "bin/shoal.mjs");
  const first = await run(shoal, ["run", "waves"], { cwd: tmpdir() });
  assert.equal(first.stdout, "ran run waves\n", shown(first));
  expectSteps({ ...first, stdout: "" }, ...compiles);
  const second = await run(shoal, [], { cwd: tmpdir() });
  assert.equal(second.stderr, "");
  writeFileSync(join(folder, "runtime/mod.ts"), `export const one: number = "1";\n`);
  const broken = await run(shoal, [], { cwd: tmpdir() });
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /TS2322[^]*setup: Cannot compile/);
}, { timeoutMs });
