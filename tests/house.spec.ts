// The house in order: layers, names and habits (rules.ts), format, lint and types. Each check is shown to be able to
// fail, on files that break it.
// only: node, it reads files and runs tools, which are the same whatever runs them
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run, type Said, shown } from "./command.ts";
import { rules } from "./rules.ts";
import { denoPath } from "./runner.ts";
import { assert, root, test } from "./suite.ts";

const skipped = /^(node_modules|dist|runs|\..*)$/;

function filesBelow(folder: string, prefix = ""): [string, string][] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry): [string, string][] => {
    const path = prefix + entry.name;
    if (entry.isDirectory()) {
      if (skipped.test(entry.name) || path === "tests/types" || path === "tests/fixtures") return [];
      return filesBelow(join(folder, entry.name), `${path}/`);
    }
    if (!/\.(ts|mjs|json|md|sh|toml)$/.test(entry.name)) return [];
    return [[path, readFileSync(join(folder, entry.name), "utf8")]];
  });
}

const head = "// What it is for.\n";
const lock = `{"packages":{"node_modules/x":{"version":"1.0.0"}}}`;
const manifest = (parts: object): string => JSON.stringify({ name: "shoal", ...parts });
const entry = (name: string): object => ({
  source: `./${name}.ts`,
  types: `./dist/${name}.d.ts`,
  default: `./dist/${name}.js`,
});

/** A house that keeps every rule, and at least stretches each. */
const good: Record<string, string> = {
  "package.json": manifest({
    dependencies: { ioredis: "5" },
    exports: { ".": entry("runtime/mod"), "./package.json": "./package.json" },
  }),
  "package-lock.json": lock,
  "stores/store.ts": `${head}export interface Store {}\n// import { x } from "../runtime/mod.ts"\n`,
  "stores/open.ts": `${head}import type { Store } from "./store.ts";\nimport redis from "ioredis";\n`,
  "runtime/mod.ts": `${head}export * from "./system.ts";\nexport type { Store } from "../stores/store.ts";\n`,
  "runtime/system.ts":
    `${head}import { open } from "../stores/open.ts";\nimport { id } from "#platform";\nimport "node:fs";\n`,
  "runtime/scheduler.ts":
    `${head}export const s = (clock: { now(): number }): number => clock.now(); // not Date.now\n`,
  "runtime/delivery/core.ts": `${head}import type { Store } from "../../stores/store.ts";\nimport "./state.ts";\n`,
  "runtime/delivery/state.ts": `${head}import { type Store, type Other } from "../../stores/store.ts";\n`,
  "runtime/platform/deno.ts": `${head}export const name: string = "Deno" in globalThis ? "deno" : "";\n`,
  "runtime/cli/main.ts": `${head}import "../mod.ts";\nawait import("shoal/actors");\n`,
  "actors/mod.ts": `${head}import { x } from "../runtime/mod.ts";\nimport type { Store } from "../stores/store.ts";\n`,
  "benchmarks/main.ts": `${head}import { launch } from "shoal";\nimport { open } from "shoal/stores";\n`,
  "tests/x.spec.ts": `${head}import redis from "ioredis";\nimport { x } from "../runtime/system.ts";\n`,
};

/** For each rule, changes to that house which must break it. */
const bad: Readonly<Record<string, readonly Record<string, string>[]>> = {
  "rooms know only the rooms they may": [
    { "stores/bad.ts": `${head}import type { System } from "../runtime/system.ts";\n` },
    { "runtime/bad.ts": `${head}import { memory } from "../stores/memory.ts";\n`, "stores/memory.ts": head },
    { "runtime/bad.ts": `${head}const a = 1; \nconst x = await import("../actors/mod.ts");\n` },
    { "runtime/bad.ts": `${head}import "./cli/main.ts";\n` },
    { "runtime/bad.ts": `${head}import { launch } from "shoal";\n` },
    { "actors/bad.ts": `${head}export { System } from "../runtime/system.ts";\n` },
    { "actors/bad.ts": `${head}import {\n  open,\n} from "../stores/open.ts";\n` },
    { "actors/bad.ts": `${head}import { x } from "#platform";\n` },
    { "benchmarks/bad.ts": `${head}import { launch } from "../runtime/mod.ts";\n` },
  ],
  "imports name files that exist": [{ "runtime/bad.ts": `${head}import "./gone.ts";\n` }],
  "a third-party library is imported by exactly one file": [
    { "stores/redis.ts": `${head}import type { Redis } from "ioredis";\n` },
    { "runtime/bad.ts": `${head}const a = await import("ioredis/built/x.js");\n` },
  ],
  "what the sources import is a declared dependency": [
    { "runtime/bad.ts": `${head}import { wrap } from "comlink";\n` },
    { "runtime/bad.ts": `${head}import { wrap } from "@scope/name/deep";\n` },
  ],
  "built-ins are imported as node:": [
    { "runtime/bad.ts": `${head}import { join } from "path";\n` },
    { "runtime/bad.ts": `${head}import { join } from "npm:path";\n` },
  ],
  "no two files import each other in a circle": [
    { "runtime/a.ts": `${head}import "./b.ts";\n`, "runtime/b.ts": `${head}import type { A } from "./a.ts";\n` },
    { "runtime/a.ts": `${head}export { a } from "./a.ts";\n` },
    {
      "runtime/a.ts": `${head}import "./b.ts";\n`,
      "runtime/b.ts": `${head}import "./c.ts";\n`,
      "runtime/c.ts": `${head}await import("./a.ts");\n`,
    },
  ],
  "delivery knows nothing but types from outside": [
    { "runtime/delivery/bad.ts": `${head}import { open } from "../../stores/open.ts";\n` },
    { "runtime/delivery/bad.ts": `${head}import { type A, b } from "../../stores/store.ts";\n` },
    { "runtime/delivery/bad.ts": `${head}import fs from "node:fs";\n` },
    { "runtime/delivery/bad.ts": `${head}export * from "../system.ts";\n` },
  ],
  "no any and no way around the types": [
    { "runtime/bad.ts": `${head}export function f(x: any): void {}\n` },
    { "runtime/bad.ts": `${head}export const x: Array<any> = [];\n` },
    { "runtime/bad.ts": `${head}export const x = y as any;\n` },
    { "runtime/bad.ts": `${head}export const x = y as unknown as Z;\n` },
    { "runtime/bad.ts": `${head}export type F = (...all: any[]) => void;\n` },
  ],
  "no compiler error is ignored": [
    { "runtime/bad.ts": `${head}// @ts-ignore: because\nexport const x = 1;\n` },
    { "stores/bad.ts": `${head}export const x = 1; // @ts-expect-error\n` },
  ],
  "a runtime is told apart in runtime/platform only": [
    { "runtime/bad.ts": `${head}export const x = "Deno" in globalThis;\n` },
    { "stores/bad.ts": `${head}export const x = globalThis.Deno;\n` },
    { "actors/bad.ts": `${head}export const x = typeof Deno === "undefined";\n` },
    { "runtime/bad.ts": `${head}export const isDeno = process.versions["deno"] !== undefined;\n` },
  ],
  "clock, randomness and timers are parameters": [
    { "runtime/scheduler.ts": `${head}export const t = Date.now();\n` },
    { "runtime/mailbox.ts": `${head}export const t = Math.random();\n` },
    { "runtime/supervision.ts": `${head}setTimeout(() => {}, 1);\n` },
    { "runtime/delivery/core.ts": `${head}export const t = performance.now();\n` },
    { "runtime/delivery/core.ts": `${head}import type { x } from "node:timers";\n` },
  ],
  "no using declarations": [{ "runtime/bad.ts": `${head}{\n  await using system = await launch();\n}\n` }],
  "files have 300 lines at most": [
    { "runtime/bad.ts": head + "export {};\n".repeat(300) },
    { "runtime/bad.ts": `${head}// long: one table\n` + "export {};\n".repeat(400) },
  ],
  "names say what a thing is": [
    { "runtime/utils.ts": head },
    { "runtime/Mailbox.ts": head },
    { "runtime/helpers/x.ts": head },
    { "runtime/bad.ts": `${head}export class BaseStore {}\n` },
    { "runtime/bad.ts": `${head}export interface PoolManager {}\n` },
    { "runtime/bad.ts": `${head}export class StoreImpl {}\n` },
  ],
  "files open with what they are for": [
    { "runtime/bad.ts": `export {};\n` },
    { "runtime/bad.ts": `// A\n// B\n// C\n// D\n// E\nexport {};\n` },
  ],
  "package.json exports the sources and their outputs": [
    { "package.json": manifest({ exports: { ".": entry("runtime/gone") } }) },
    { "package.json": manifest({ imports: { "#platform": { default: "./dist/runtime/platform/node.js" } } }) },
    { "package.json": manifest({ exports: { ".": { ...entry("runtime/mod"), default: "./dist/runtime/other.js" } } }) },
    {
      "package.json": manifest({
        exports: { ".": { default: "./dist/runtime/mod.js", source: "./runtime/mod.ts", types: "" } },
      }),
    },
  ],
  "the lockfile records no download addresses": [
    { "package-lock.json": `{\n"resolved": "https://host.example/x.tgz"\n}` },
  ],
  "no path of one machine is written down": [{ "runtime/bad.ts": `${head}export const x = "${"/home"}/me/x";\n` }],
};

const files = new Map(filesBelow(root));

test("Rules read a house: they see its files", () => {
  for (const path of ["package.json", "package-lock.json", "stores/store.ts", "runtime/mod.ts", "tests/suite.ts"]) {
    assert.ok(files.has(path), path);
  }
});

for (const [sentence, rule] of Object.entries(rules)) {
  test(`House: ${sentence}`, () => {
    assert.deepEqual(rule(new Map(Object.entries(good))), [], "The good house breaks the rule");
    const cases = bad[sentence] ?? [];
    assert.notEqual(cases.length, 0, "No bad house for this rule");
    for (const change of cases) {
      const house = new Map(Object.entries({ ...good, ...change }));
      assert.notEqual(rule(house).length, 0, `The rule lets through: ${JSON.stringify(change)}`);
    }
    assert.deepEqual(rule(files), []);
  });
}

const oxlint = (folder: string): Promise<Said> =>
  run(process.execPath, [join(root, "node_modules/oxlint/bin/oxlint"), "--type-aware"], { cwd: folder });
const format = (folder: string): Promise<Said> => run(denoPath() ?? "deno", ["fmt", "--check"], { cwd: folder });
const tsc = (folder: string): Promise<Said> =>
  run(process.execPath, [
    join(root, "node_modules/typescript/bin/tsc"),
    ..."--noEmit --incremental false --pretty false --project".split(" "),
    folder,
  ]);

/** A project with this house's settings and one file of its own. */
function projectOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "house-"));
  for (const name of ["tsconfig.json", "deno.json", ".oxlintrc.json", "package.json"]) {
    writeFileSync(join(folder, name), readFileSync(join(root, name)));
  }
  const path = join(folder, "runtime/bad.ts");
  mkdirSync(dirname(path));
  writeFileSync(path, text);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

const formatted = `// A file.\nexport const one: number = 1;\n`;

test("House: deno fmt finds nothing to change", async () => {
  const clean = await format(projectOf(formatted));
  assert.equal(clean.code, 0, shown(clean));
  const dirty = await format(projectOf(formatted.replace(" = 1;", "=1")));
  assert.notEqual(dirty.code, 0);
  assert.match(shown(dirty), /bad\.ts/);
  const own = await format(root);
  assert.equal(own.code, 0, shown(own));
}, { timeoutMs: 120_000 });

test("House: oxlint finds nothing, and finds a floating promise", async () => {
  const clean = await oxlint(projectOf(formatted));
  assert.equal(clean.code, 0, shown(clean));
  const floating = `// A file.\nasync function f(): Promise<void> {}\nexport function g(): void {\n  f();\n}\n`;
  const dirty = await oxlint(projectOf(floating));
  assert.notEqual(dirty.code, 0);
  assert.match(shown(dirty), /no-floating-promises/);
  const own = await oxlint(root);
  assert.equal(own.code, 0, shown(own));
}, { timeoutMs: 120_000 });

test("House: tsc finds nothing, and finds a wrong type", async () => {
  const clean = await tsc(projectOf(formatted));
  assert.equal(clean.code, 0, shown(clean));
  const dirty = await tsc(projectOf(formatted.replace("= 1", `= "1"`)));
  assert.match(shown(dirty), /bad\.ts\(2,14\): error TS2322/);
  const enums = await tsc(projectOf(`// A file.\nexport enum One {\n  two,\n}\n`));
  assert.match(shown(enums), /erasableSyntaxOnly/);
  const own = await tsc(root);
  assert.equal(own.code, 0, shown(own));
}, { timeoutMs: 120_000 });
