// What classes are called between threads and nodes: the same name from sources and from what was compiled of them,
// and nothing is loaded that was not allowed.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { catalogue } from "../../runtime/nodes/catalogue.ts";
import type { ActorClass } from "../../runtime/system.ts";
import { errorOf } from "../stores/world.ts";
import { assert, test } from "../suite.ts";
import { Worker } from "./actors.ts";

const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const runtimeModule = new URL(`../../runtime/mod${ending}`, import.meta.url).href;

/** A module with one class of actors, that says when it is loaded. */
const moduleOf = (name: string, more = ""): string =>
  `import { Actor } from ${JSON.stringify(runtimeModule)};
   globalThis.loaded = [...(globalThis.loaded ?? []), import.meta.url];
   export class ${name} extends Actor { ${more} }
   export class Plain {}
   export const number = 5;
  `;

const loaded = (): readonly string[] => (globalThis as { loaded?: string[] }).loaded ?? [];

async function inFolder(
  files: { readonly [path: string]: string },
  body: (at: (path: string) => string, url: (path: string) => string) => Promise<void>,
): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "shoal-classes-")));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const at = (path: string): string => join(folder, path);
    await body(at, (path) => pathToFileURL(at(path)).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The class that a module exports, as a thread that loaded it before has it. */
async function exported(url: string, name: string): Promise<ActorClass> {
  return (await import(url) as { [name: string]: ActorClass })[name]!;
}

test("catalogue: a class of a program in no package is named by the path below the program's folder", () =>
  inFolder({ "mine.mjs": moduleOf("Wave") }, async (_, url) => {
    const classes = catalogue({ program: url("mine.mjs") });
    const Wave = await exported(url("mine.mjs"), "Wave");
    assert.equal(classes.nameOf(Wave), "program/mine#Wave");
    assert.equal(await classes.classOf("program/mine#Wave"), Wave);
  }));

test("catalogue: sources and what was compiled of them have the same names, and each finds its own", () =>
  inFolder({
    "package.json": `{ "name": "@me/campaign" }`,
    "waves.mjs": moduleOf("Wave"),
    "dist/waves.mjs": moduleOf("Wave"),
    "parts/other.mjs": moduleOf("Other", "static module = import.meta.url;"),
    "dist/parts/other.mjs": moduleOf("Other", "static module = import.meta.url;"),
  }, async (_, url) => {
    for (const folder of ["", "dist/"]) {
      const classes = catalogue({ program: url(`${folder}waves.mjs`) });
      const Wave = await exported(url(`${folder}waves.mjs`), "Wave");
      const Other = await exported(url(`${folder}parts/other.mjs`), "Other");
      assert.equal(classes.nameOf(Wave), "@me/campaign/waves#Wave");
      assert.equal(classes.nameOf(Other), "@me/campaign/parts/other#Other");
      assert.equal(await classes.classOf("@me/campaign/waves#Wave"), Wave);
      assert.equal(await classes.classOf("@me/campaign/parts/other#Other"), Other);
    }
  }));

test("catalogue: where a module is does not pass on to subclasses elsewhere", () =>
  inFolder({ "mine.mjs": moduleOf("Wave", "static module = import.meta.url;") }, async (_, url) => {
    const Wave = await exported(url("mine.mjs"), "Wave");
    class Sub extends Wave {}
    await errorOf("BadInput", () => catalogue({}).nameOf(Sub));
    assert.equal(catalogue({ program: import.meta.url }).nameOf(Sub), "shoal/tests/threads/classes.spec#Sub");
  }));

test("catalogue: a package is found in or above the program, and only where it is allowed", () =>
  inFolder({
    "node_modules/waves-of-others/package.json": `{ "name": "waves-of-others" }`,
    "node_modules/waves-of-others/dist/deep.js": moduleOf("Deep"),
    "node_modules/waves-of-others/package.js": "",
    "campaign/mine.mjs": moduleOf("Wave"),
  }, async (at, url) => {
    writeFileSync(at("node_modules/waves-of-others/package.json"), `{ "name": "waves-of-others", "type": "module" }`);
    const program = url("campaign/mine.mjs");
    const name = "waves-of-others/deep#Deep";
    const before = loaded().length;
    const refused = await errorOf("BadInput", () => catalogue({ program }).classOf(name));
    assert.match(refused.message, /not on the allow-list; add waves-of-others to allow, which has program, shoal/);
    assert.equal(loaded().length, before);
    const Deep = await catalogue({ program, allow: ["waves-of-others"] }).classOf(name);
    assert.equal(Deep.name, "Deep");
    for (const allow of [["waves-of"], ["waves-of-others/dee"], ["waves-of-others/deep#Dee"], ["shoal"], []]) {
      await errorOf("BadInput", () => catalogue({ program, allow }).classOf(name));
    }
    for (const allow of [["waves-of-others/deep"], [name]]) {
      assert.equal(await catalogue({ program, allow }).classOf(name), Deep);
    }
    const missing = await errorOf("BadInput", () => catalogue({ program, allow: ["nobody"] }).classOf("nobody/a#B"));
    assert.match(missing.message, /there is no package nobody/);
  }));

test("catalogue: no name leads out of its root, into a package of another name, or through a link", () =>
  inFolder({
    "campaign/mine.mjs": moduleOf("Wave"),
    "campaign/node_modules/evil/index.mjs": moduleOf("Evil"),
    "campaign/.hidden/secret.mjs": moduleOf("Evil"),
    "outside.mjs": moduleOf("Evil"),
  }, async (at, url) => {
    symlinkSync(at("outside.mjs"), at("campaign/link.mjs"));
    const before = loaded().length;
    const names = [
      "program/../outside#Evil",
      "program/./mine#Evil",
      "program//mine#Evil",
      "program/node_modules/evil/index#Evil",
      "program/.hidden/secret#Evil",
      "program/link#Evil",
      "program/C:\\outside#Evil",
      "program/%2e%2e/outside#Evil",
      `program${at("outside")}#Evil`,
      "program/mine",
      "#Evil",
      "program/mine#",
      "program/nowhere#Wave",
      "",
    ];
    for (const name of names) {
      await errorOf("BadInput", () => catalogue({ program: url("campaign/mine.mjs") }).classOf(name));
    }
    assert.equal(loaded().length, before, "none of them was loaded");
  }));

test("catalogue: what is exported under a name must be a class of actors, and the nearest one is named", () =>
  inFolder({ "mine.mjs": moduleOf("Wave"), "broken.mjs": "export const = 5;" }, async (_, url) => {
    const classes = catalogue({ program: url("mine.mjs") });
    const near = await errorOf("BadInput", () => classes.classOf("program/mine#Wawe"));
    assert.match(near.message, /mine\.mjs does not export it; did you mean Wave\?/);
    for (const name of ["Plain", "number", "toString", "__proto__", "default"]) {
      await errorOf("BadInput", () => classes.classOf(`program/mine#${name}`));
    }
    const broken = await errorOf("BadInput", () => classes.classOf("program/broken#Wave"));
    assert.match(broken.message, /Cannot load .*broken\.mjs/);
    await errorOf("BadInput", () => classes.nameOf(class extends Worker {}));
    await errorOf("BadInput", () => {
      class Lost extends Worker {
        static override readonly module: string = "https://example.org/lost.js";
      }
      return classes.nameOf(Lost);
    });
  }));
