// The four steps by which stores/README.md adds a store, each done as it stands there.
// minutes: 4
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, shown } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, root, runtime, test } from "../suite.ts";

const timeoutMs = 120_000;
const readme = readFileSync(join(root, "stores/README.md"), "utf8");

/** The block whose fence ends with a title. */
function block(title: string, kind: string): string {
  const found = [...readme.matchAll(/^```(\w+) ([^\n]*)\n([^]*?)^```$/gm)]
    .find(([, language, name]) => name === title && language === kind);
  assert.ok(found !== undefined, `stores/README.md has no block ${kind} ${title}`);
  return found[3]!;
}

/** A folder inside the package, so that files there import `shoal` as users do; git and npm ignore it. */
async function inPackage(call: (folder: string) => Promise<void>): Promise<void> {
  mkdirSync(join(root, "dist"), { recursive: true });
  const folder = mkdtempSync(join(root, "dist", ".steps-"));
  try {
    writeFileSync(join(folder, "mine.mjs"), block("step 1: mine.mjs", "js"));
    await call(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [command, ...first] = commandFor(runtime, join(root, "runtime/cli/main.ts"));
/** The same runtime, on a file that is what it is. */
const [program, ...before] = commandFor(runtime, "x.mjs").slice(0, -1) as [string, ...string[]];

test(
  "stores/README: the store of step 1 keeps the laws, by the command of step 2, which prints what stands there",
  () =>
    inPackage(async (folder) => {
      const words = block("step 2", "sh").trim().split(" ");
      assert.equal(words[0], "shoal");
      const said = await run(command, [...first, ...words.slice(1)], { cwd: folder });
      assert.equal(said.code, 0, shown(said));
      const lines = said.stdout.trimEnd().split("\n");
      const [start, , middle, end] = block("step 2", "text").trimEnd().split("\n");
      const fits = (line: string, pattern: string): boolean =>
        pattern.split("…").every((part) => line.includes(part.trim()));
      assert.ok(fits(lines[0]!, start!), lines[0]);
      assert.ok(lines.some((line) => fits(line, middle!)), said.stdout);
      assert.ok(fits(lines.at(-1)!, end!), lines.at(-1));
      assert.match(readFileSync(join(folder, "notes.txt"), "utf8"), /^put \S+ \d+\n/);
    }),
  { timeoutMs },
);

test(
  "stores/README: the test of step 3 passes, and fails where the store is broken",
  () =>
    inPackage(async (folder) => {
      const laws = join(folder, "laws.mjs");
      writeFileSync(laws, block("step 3: laws.mjs", "js"));
      const said = await run(program, [...before, laws], { cwd: folder });
      assert.equal(said.code, 0, shown(said));
      assert.match(said.stdout, /all laws are kept/);
      const mine = readFileSync(join(folder, "mine.mjs"), "utf8");
      writeFileSync(join(folder, "mine.mjs"), mine.replace("await tensors.release(ref);", ""));
      const broken = await run(program, [...before, laws], { cwd: folder });
      assert.notEqual(broken.code, 0);
      assert.match(broken.stderr, /is broken by mine after \d+ cases/);
    }),
  { timeoutMs },
);

test("stores/README: what breaks around a store is used as it stands there", () =>
  inPackage(async (folder) => {
    const faults = join(folder, "faults.mjs");
    writeFileSync(faults, block("further: faults.mjs", "js"));
    const said = await run(program, [...before, faults], { cwd: folder });
    assert.equal(said.code, 0, shown(said));
    assert.deepEqual(said.stdout.trim().split("\n"), [
      "4 were killed, and 0 problems found",
      "answered: one",
      "struck: true",
    ]);
  }), { timeoutMs });

test("stores/README: with the line of step 4 it is one of the built-in stores", () =>
  inPackage(async (folder) => {
    const isSource = runtime === "deno";
    const ending = isSource ? "ts" : "js";
    cpSync(join(root, isSource ? "stores" : "dist/stores"), join(folder, "stores"), { recursive: true });
    const line = block("step 4: open.ts", "ts");
    const own = isSource ? line : line.replace(": Promise<Opener>", "").replace(".ts", ".js");
    const path = join(folder, `stores/open.${ending}`);
    const table = readFileSync(path, "utf8");
    const changed = table.replace(/^.*\["memory", async/m, (found) => `${own}${found}`);
    assert.notEqual(changed, table);
    writeFileSync(path, changed);
    const mine = readFileSync(join(folder, "mine.mjs"), "utf8").replace("shoal/stores", `./open.${ending}`);
    writeFileSync(join(folder, `stores/mine.${ending}`), isSource ? `// @ts-nocheck\n${mine}` : mine);
    writeFileSync(
      join(folder, "program.mjs"),
      `import { openStore } from "./stores/open.${ending}";
const environment = { now: () => performance.now(), after: () => () => {}, token: () => "0123456789abcdef" };
const options = { run: "r", environment, strict: true, thresholdBytes: 0 };
const store = await openStore("mine:?inner=memory:", options);
await store.tensors.put({ data: new Uint8Array(3) });
console.log(store.url);
await store.close();
await openStore("mine:?iner=memory:", options).catch((error) => console.log(error.message));
await openStore("mien:", options).catch((error) => console.log(error.message));
`,
    );
    const said = await run(program, [...before, join(folder, "program.mjs")], { cwd: folder });
    assert.equal(said.code, 0, shown(said));
    const [url, option, scheme] = said.stdout.split("\n");
    assert.equal(url, "mine:?inner=memory:");
    assert.match(option!, /unknown option of mine: "iner"; did you mean inner\?/);
    assert.match(scheme!, /unknown scheme "mien:"; did you mean mine:\?/);
  }), { timeoutMs });

test("stores/README: what it names is there", () => {
  const named = [...readme.matchAll(/`((?:[a-z]+\/)*[a-z]+\.ts)`/g)].map(([, path]) => path!);
  assert.ok(named.length > 8);
  for (const path of named) {
    if (path === "mine.ts") continue;
    const at = path.startsWith("tests/") ? path : `stores/${path}`;
    assert.doesNotThrow(() => readFileSync(join(root, at)), path);
  }
});
