// Programs that the compiler must reject, each at the marked line, and programs that it must accept as they are. In
// tests/types/wrong/ a line that ends with `// rejected: REASON`, or follows such a comment, must have an error.
// only: node, the compiler is one program whatever starts it
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { run, shown } from "./command.ts";
import { assert, root, test } from "./suite.ts";

const mark = /\/\/ rejected: \S+/;

/** The lines, from 1, at which the compiler must find an error. */
function markedLines(text: string): number[] {
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    if (!mark.test(line)) return [];
    if (!/^\s*\/\//.test(line)) return [index + 1];
    const next = lines.findIndex((other, at) => at > index && other.trim() !== "" && !/^\s*\/\//.test(other));
    return [next + 1];
  });
}

/** What tsc says about a project: errors as `path:line` with their text, paths relative to the project. */
async function errorsOf(project: string): Promise<Map<string, string>> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const said = await run(process.execPath, [tsc, "--pretty", "false", "--project", project], { cwd: project });
  const found = new Map<string, string>();
  for (const [line, path = "", number] of said.stdout.matchAll(/^(.+?)\((\d+),\d+\): error TS\d+:.*$/gm)) {
    const key = `${relative(project, join(project, path)).replaceAll("\\", "/")}:${number}`;
    found.set(key, found.get(key) ?? line);
  }
  if (said.code !== 0 && found.size === 0) throw new Error(`Cannot run tsc: ${shown(said)}`);
  return found;
}

/** What is not as the marks say, in a folder with `right/` and `wrong/`. */
async function disagreements(project: string): Promise<string[]> {
  const errors = await errorsOf(project);
  const wanted = new Set<string>();
  for (const name of readdirSync(join(project, "wrong")).filter((file) => file.endsWith(".ts"))) {
    const lines = markedLines(readFileSync(join(project, "wrong", name), "utf8"));
    if (lines.length === 0) wanted.add(`wrong/${name}: marks no line`);
    for (const line of lines) wanted.add(`wrong/${name}:${line}`);
  }
  return [
    ...[...wanted].filter((place) => !errors.has(place)).map((place) => `${place}: must be rejected, and is not`),
    ...[...errors].filter(([place]) => !wanted.has(place)).map(([, text]) => `must be accepted, and is not: ${text}`),
  ].sort();
}

function projectOf(files: Readonly<Record<string, string>>): string {
  const project = mkdtempSync(join(tmpdir(), "types-"));
  cpSync(join(root, "tests/types/tsconfig.json"), join(project, "tsconfig.json"));
  cpSync(join(root, "tests/types/equal.ts"), join(project, "equal.ts"));
  const own = readFileSync(join(project, "tsconfig.json"), "utf8").replace(
    "../../tsconfig.json",
    join(root, "tsconfig.json"),
  );
  writeFileSync(join(project, "tsconfig.json"), own.replace(`"../.."`, `"/"`));
  writeFileSync(join(project, "package.json"), `{ "type": "module" }`);
  symlinkSync(join(root, "node_modules"), join(project, "node_modules"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  }
  return project;
}

const wrong = `export const one: number = "1"; // rejected: a string
// rejected: a boolean
// that is no number

export const two: number = true;
`;
const right = `import { type Equal, expectType } from "../equal.ts";
const one = [1] as const;
expectType<Equal<typeof one, readonly [1]>>();
`;

test("Fixtures of types agree where each marked line is rejected and no other", async () => {
  assert.deepEqual(await disagreements(projectOf({ "wrong/a.ts": wrong, "right/a.ts": right })), []);
}, { timeoutMs: 60_000 });

test("Fixtures of types disagree where a mark is wrong, missing or idle", async () => {
  const project = projectOf({
    "wrong/idle.ts": `export const one: number = 1; // rejected: nothing is wrong with it\n`,
    "wrong/unmarked.ts": `${wrong}export const three: number = "3";\n`,
    "wrong/none.ts": `export const one: number = 1;\n`,
    "right/wide.ts": right.replace("readonly [1]", "readonly number[]"),
    "right/any.ts": right.replace("[1] as const", "JSON.parse(``)"),
  });
  const found = await disagreements(project);
  assert.equal(found.length, 5, found.join("\n"));
  for (
    const place of ["wrong/idle.ts:1", "wrong/unmarked.ts(6", "wrong/none.ts", "right/wide.ts(3", "right/any.ts(3"]
  ) {
    assert.ok(found.some((line) => line.includes(place)), `${place} is not in ${found.join("\n")}`);
  }
}, { timeoutMs: 60_000 });

test("Types reject every wrong program at its marked lines, and accept every right one", async () => {
  const folder = join(root, "tests/types");
  assert.notEqual(readdirSync(join(folder, "right")).length, 0);
  assert.deepEqual(await disagreements(folder), []);
}, { timeoutMs: 120_000 });
