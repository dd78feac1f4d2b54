// `module:`: a store of one's own, from a file that may be loaded, and what is said of one that may not or is no store.
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { allowStoreModules, openStore } from "../../stores/open.ts";
import { storeLaws } from "../../stores/conformance/mod.ts";
import { isShoalError, type ShoalError } from "../../stores/error.ts";
import { errorOf, openOptions, world } from "../stores/world.ts";
import { assert, root, runtime, test } from "../suite.ts";

const source = (path: string): string =>
  pathToFileURL(join(root, runtime === "deno" ? `${path}.ts` : `dist/${path}.js`)).href;

/** A store of one's own that is another one under a different name, and takes an option. */
const good = `import { memoryStore } from ${JSON.stringify(source("stores/memory"))};
import { readOptions, sizeOption } from ${JSON.stringify(source("stores/open"))};
export function open(url, { run, environment, strict }) {
  const { room = 1e9 } = readOptions(url, { room: sizeOption });
  return memoryStore({ run, environment, strict, url: url.redacted, capacityBytes: room });
}
`;

/** In a folder of its own, which is the working directory meanwhile. */
async function inFolder(call: (folder: string) => Promise<void>): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "shoal-module-")));
  const before = process.cwd();
  process.chdir(folder);
  try {
    await call(folder);
  } finally {
    process.chdir(before);
    rmSync(folder, { recursive: true, force: true });
  }
}

const refused = (url: string): Promise<ShoalError> => errorOf("BadInput", () => openStore(url, openOptions(world())));

test("module: opens a store of one's own, with its options, and small tensors stay in their references", () =>
  inFolder(async () => {
    writeFileSync("mine.mjs", good);
    const environment = world();
    const store = await openStore("module:./mine.mjs?room=64kB", openOptions(environment, { thresholdBytes: 100 }));
    assert.equal(store.url, "module:./mine.mjs?room=64kB");
    const small = await store.tensors.put({ data: new Uint8Array(10) });
    assert.equal(small.where, "inline:");
    const large = await store.tensors.put({ data: new Uint8Array(200).fill(1) });
    assert.equal((await store.tensors.get(large)).data[199], 1);
    await errorOf("TooLarge", () => store.tensors.allocate("uint8", [100_000]));
    await store.close();
    assert.match(
      (await refused("module:./mine.mjs?rom=1")).message,
      /unknown option of module: "rom"; did you mean room/,
    );
  }));

test("module: keeps the laws when the store behind it does", () =>
  inFolder(async () => {
    writeFileSync("mine.mjs", good);
    const subject = {
      name: "module:",
      open: (options: Parameters<typeof openStore>[1]) => openStore("module:./mine.mjs", options),
    };
    for (const law of storeLaws()) await law.test(subject, { runs: 3 });
  }));

test("module: in TypeScript is loaded where the runtime loads it, and refused with the cure where not", () =>
  inFolder(async () => {
    writeFileSync("mine.ts", good.replace("url, {", "url: any, {").replace("strict }", "strict }: any"));
    try {
      const store = await openStore("module:./mine.ts", openOptions(world()));
      await store.close();
    } catch (error) {
      assert.equal(runtime, "node");
      assert.ok(isShoalError(error, "BadInput"), String(error));
      assert.match(error.message, /does not load TypeScript; take Node 22\.18 or newer, or Deno/);
    }
  }));

test("module: loads only what lies below the working directory, or is on the list", () =>
  inFolder(async (folder) => {
    mkdirSync("inside");
    mkdirSync("outside");
    writeFileSync("outside/mine.mjs", good);
    symlinkSync(join(folder, "outside/mine.mjs"), "inside/linked.mjs");
    process.chdir("inside");
    const outside = [`module:${folder}/outside/mine.mjs`, "module:../outside/mine.mjs", "module:./linked.mjs"];
    for (const url of outside) {
      const { message } = await refused(url);
      assert.match(message, /does not lie below the working directory; .*SHOAL_STORE_MODULES=\/.*outside\/mine\.mjs, /);
    }
    allowStoreModules(pathToFileURL(join(folder, "outside")));
    for (const url of outside) await (await openStore(url, openOptions(world()))).close();
    process.chdir("..");
    await (await openStore("module:./outside/mine.mjs", openOptions(world()))).close();
    assert.throws(() => allowStoreModules("./gone"), (error) => isShoalError(error, "BadInput"));
  }));

const wrong: Readonly<Record<string, readonly [text: string, says: RegExp]>> = {
  "exports no open": ["export const opne = () => {};\n", /exports no function open; did you mean opne\?; write export/],
  "exports nothing": ["", /it exports nothing; write export function open\(url, options\)/],
  "exports an open that is no function": ["export const open = 1;\n", /exports no function open/],
  "cannot be read": ["export function {", /Cannot load store \.\/bad\.mjs: /],
  "throws when it is loaded": ["throw new Error('my bug');\n", /Cannot load store \.\/bad\.mjs: my bug/],
  "opens nothing": ["export const open = () => undefined;\n", /no store: it lacks tensors\.allocate, .* and \d+ more/],
  "opens half a store": [
    good.replace("return memoryStore(", "const { claims: _, close: __, ...half } = memoryStore(").replace(
      "room });",
      "room }); return { ...half, statistics() {}, claims: { claim() {}, claimed() {} }, close() {} };",
    ),
    /no store: it lacks claims\.claims$/,
  ],
  "opens another run": [good.replace("({ run, environment", "({ run: 'other', environment"), /and opened run other/],
};

for (const [name, [text, says]] of Object.entries(wrong)) {
  test(`module: that ${name} is BadInput, and says what to write`, () =>
    inFolder(async () => {
      writeFileSync("bad.mjs", text);
      assert.match((await refused("module:./bad.mjs")).message, says);
    }));
}

test("module: whose open fails is Unavailable with what it said, or the error that it chose", () =>
  inFolder(async () => {
    writeFileSync("bad.mjs", "export const open = () => { throw new Error('no route to host'); };\n");
    const error = await errorOf("Unavailable", () => openStore("module:./bad.mjs?x=1", openOptions(world())));
    assert.match(error.message, /module:\.\/bad\.mjs\?x=1: its module says: no route to host/);
    const chosen = `import { ShoalError } from ${JSON.stringify(source("stores/error"))};
export const open = () => { throw new ShoalError("Unauthorized", "wrong key"); };\n`;
    writeFileSync("chosen.mjs", chosen);
    await errorOf("Unauthorized", () => openStore("module:./chosen.mjs", openOptions(world())));
  }));

test("module: refuses what names no file of this machine, and a file that anybody may write", () =>
  inFolder(async () => {
    for (const address of ["", "mine", "shoal", "//host/mine.mjs", "https://host/mine.mjs", "data:text/javascript,1"]) {
      assert.match((await refused(`module:${address}`)).message, /a file is wanted, as in module:\.\/mine\.ts/);
    }
    assert.match((await refused("module:./gone.mjs")).message, /there is no such file/);
    assert.match((await refused("module:./mine.json")).message, /ends in \.js, \.mjs, \.ts or \.mts/);
    assert.match((await refused("module:./%zz.mjs")).message, /not percent-encoded/);
    writeFileSync("a b%.mjs", good);
    await (await openStore("module:./a%20b%25.mjs", openOptions(world()))).close();
    chmodSync("a b%.mjs", 0o666);
    assert.match((await refused("module:./a%20b%25.mjs")).message, /anybody may write to it; chmod o-w/);
    assert.match((await refused("modul:./x.mjs")).message, /did you mean module:\?/);
  }));
