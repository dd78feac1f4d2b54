// The package as users get it: packed, installed into an empty project, its types resolved, a small program run on
// every runtime that it is for.
// only: node, it installs the package with npm and starts the other runtimes itself
// minutes: 8
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeOf, npm, run, type Said, shown } from "./command.ts";
import { denoPath } from "./runner.ts";
import { assert, root, skip, test } from "./suite.ts";

const timeoutMs = 240_000;
const scratch = mkdtempSync(join(tmpdir(), "pack-"));

/** Ten lines: an actor is spawned, told and asked. Its class says where it lives, as one outside a program must. */
const actor = `import { Actor } from "shoal";
export class Counter extends Actor {
  static module = import.meta.url;
  total = 0;
  async add(amount) {
    return this.total += amount;
  }
}
`;
const program = `import { launch } from "shoal";
import { Counter } from "./counter.js";
const system = await launch({ store: "memory:" });
const counter = await system.spawn(Counter);
await counter.tell("add", 40);
console.log("total", await counter.ask("add", 2));
await system.close();
`;
const typedActor = actor.replace("add(amount)", "add(amount: number): Promise<number>");

interface Packed {
  readonly tarball: string;
  readonly files: readonly string[];
}

let packed: Promise<Packed> | undefined;

function pack(): Promise<Packed> {
  return packed ??= (async () => {
    const said = await npm(["pack", "--json", "--ignore-scripts", "--pack-destination", scratch], root);
    assert.equal(said.code, 0, shown(said));
    const [result] = JSON.parse(said.stdout) as { filename: string; files: { path: string }[] }[];
    return { tarball: join(scratch, result!.filename), files: result!.files.map(({ path }) => path) };
  })();
}

let installed: Promise<string> | undefined;

/** An empty project with the package in it, installed without running anybody's scripts. */
function project(): Promise<string> {
  return installed ??= (async () => {
    const { tarball } = await pack();
    const folder = join(scratch, "project");
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), `{ "name": "empty", "private": true, "type": "module" }\n`);
    const said = await npm(["install", "--ignore-scripts", tarball], folder);
    assert.equal(said.code, 0, shown(said));
    writeFileSync(join(folder, "counter.js"), actor);
    writeFileSync(join(folder, "program.js"), program);
    return folder;
  })();
}

test("Package holds what its exports name, with types, and nothing of the tests", async () => {
  const { files } = await pack();
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, string | Record<string, string>>;
    imports?: Record<string, unknown>;
  };
  for (const entry of Object.values(manifest.exports)) {
    if (typeof entry === "string") continue;
    for (const path of [entry["types"], entry["default"]]) assert.ok(files.includes(path!.slice(2)), path);
  }
  for (const path of JSON.stringify(manifest.imports ?? {}).matchAll(/"\.\/(dist\/[^"]+)"/g)) {
    assert.ok(files.includes(path[1]!), path[1]);
  }
  for (const path of ["package.json", "README.md", "LICENSE", "bin/shoal.mjs"]) assert.ok(files.includes(path), path);
  const scripts = files.filter((path) => path.endsWith(".js"));
  assert.notEqual(scripts.length, 0);
  for (const path of scripts) assert.ok(files.includes(path.replace(/\.js$/, ".d.ts")), `no types: ${path}`);
  const foreign = files.filter((path) =>
    !/^(package\.json|README\.md|LICENSE|stores\/redis\/shoal\.acl|(bin|dist\/(stores|runtime|actors|benchmarks))\/.+)$/
      .test(path)
  );
  assert.deepEqual(foreign, []);
}, { timeoutMs });

test("Package installs its command, executable, and without a set-up of its own", async () => {
  const folder = await project();
  const said = await run(join(folder, "node_modules/.bin/shoal"), ["--help"], { cwd: folder });
  assert.equal(said.code, 0, shown(said));
  assert.doesNotMatch(said.stderr, /setup:/);
}, { timeoutMs });

const expectTotal = (said: Said): void => {
  assert.equal(said.code, 0, shown(said));
  assert.equal(said.stdout, "total 42\n", shown(said));
};

for (const major of [20, 22, 24]) {
  test(`Package runs on Node ${major}`, async () => {
    const node = await nodeOf(major);
    if ("missing" in node) skip(node.missing);
    expectTotal(await run(node.path, ["program.js"], { cwd: await project() }));
  }, { timeoutMs });
}

test("Package runs on Deno", async () => {
  const args = ["run", "-A", "--no-lock", "--no-prompt", "--node-modules-dir=manual", "program.js"];
  expectTotal(await run(denoPath() ?? "deno", args, { cwd: await project() }));
}, { timeoutMs });

/** Compiles a file in the empty project, with the compiler of the repository and its declarations for Node. */
async function compile(text: string, name: string, options: object): Promise<Said> {
  const folder = await project();
  mkdirSync(join(folder, name));
  const types = join(folder, "node_modules", "@types");
  mkdirSync(types, { recursive: true });
  for (const [at, from] of [["@types/node", "@types/node"], ["undici-types", "undici-types"]] as const) {
    try {
      symlinkSync(join(root, "node_modules", from), join(folder, "node_modules", at));
    } catch {
      // Another test was first.
    }
  }
  writeFileSync(join(folder, name, "counter.ts"), typedActor);
  writeFileSync(join(folder, name, "program.ts"), text);
  const compilerOptions = { strict: true, target: "es2022", types: ["node"], noEmit: true, ...options };
  writeFileSync(join(folder, name, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["."] }));
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  return await run(process.execPath, [tsc, "--pretty", "false", "--project", name], { cwd: folder });
}

const settings = {
  nodenext: { module: "nodenext", moduleResolution: "nodenext", skipLibCheck: false },
  bundler: { module: "esnext", moduleResolution: "bundler", skipLibCheck: false },
};

for (const [name, options] of Object.entries(settings)) {
  test(`Package has types under ${name}, which take the right message and reject a wrong one`, async () => {
    const right = await compile(program, `right-${name}`, options);
    assert.equal(right.code, 0, shown(right));
    const wrong = await compile(program.replace(`ask("add", 2)`, `ask("add", "2")`), `wrong-${name}`, options);
    assert.match(wrong.stdout, /^wrong-\w+\/program\.ts\(6,\d+\): error TS/, shown(wrong));
  }, { timeoutMs });
}
