// `module:` from outside the working directory, allowed by whatever configures a launch: for its threads too.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { entry, type Folder, inFolder } from "../cli/stage.ts";
import { run } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, root, runtime, test } from "../suite.ts";

const timeoutMs = 120_000;
const shmModule = pathToFileURL(join(root, runtime === "deno" ? "stores/shm.ts" : "dist/stores/shm.js")).href;

/** A store that another thread finds by its URL alone. */
const store = `import { openShm } from ${JSON.stringify(shmModule)};
export const open = (url, options) => openShm({ ...url, address: "" }, options);
`;
const program = `import { Actor } from ${JSON.stringify(entry)};
export class Maker extends Actor {
  async make(fill) {
    const field = await this.store.allocate("float64", [5_000]);
    field.data.fill(fill);
    return await field.seal();
  }
}
export default async function (system) {
  const maker = await system.spawn(Maker, undefined, { on: "threads" });
  const view = await system.store.get(await maker.ask("make", 7));
  const [first] = view.data;
  view.done();
  return { first };
}
`;

const inFolders = (body: (folder: Folder, url: string, args: readonly string[]) => Promise<void>): Promise<void> =>
  inFolder(async (folder) => {
    mkdirSync(join(folder.path, "outside"));
    const path = join(folder.path, "outside/mine.mjs");
    writeFileSync(path, store);
    mkdirSync(join(folder.path, "inside"));
    const file = folder.write("inside/made.mjs", program);
    const url = `module:${path}?dir=${encodeURIComponent(folder.path)}&capacity=64MB`;
    await body(folder, url, ["run", file, "--store", url, "--threads", "1", "--json"]);
  });

test(
  "shoal run: a store's module outside the working directory is refused, with the cure",
  () =>
    inFolders(async (folder, _, args) => {
      const { ended } = folder.start(args, { cwd: join(folder.path, "inside") });
      const { code, stderr } = await ended;
      assert.equal(code, 2, stderr);
      assert.match(stderr, /it does not lie below the working directory; .*SHOAL_STORE_MODULES=\S+outside\/mine\.mjs/);
    }),
  { timeoutMs },
);

for (const how of ["SHOAL_STORE_MODULES", "shoal.config.toml", "--set"] as const) {
  test(
    `shoal run: a store's module that ${how} allows opens in every thread`,
    () =>
      inFolders(async (folder, _, args) => {
        const outside = join(folder.path, "outside");
        if (how === "shoal.config.toml") folder.write("inside/shoal.config.toml", `storeModules = "${outside}"\n`);
        const { ended } = folder.start(how === "--set" ? [...args, "--set", `storeModules=${outside},.`] : args, {
          cwd: join(folder.path, "inside"),
          env: how === "SHOAL_STORE_MODULES" ? { SHOAL_STORE_MODULES: outside } : {},
        });
        const { code, stdout, stderr } = await ended;
        assert.equal(code, 0, stderr);
        assert.equal(JSON.parse(stdout).first, 7);
      }),
    { timeoutMs },
  );
}

test(
  "shoal doctor and conformance open a store's module that the configuration allows, and doctor no other",
  () =>
    inFolders(async (folder, url) => {
      const cwd = join(folder.path, "inside");
      const doctor = () => folder.start(["doctor", "--store", url, "--json"], { cwd }).ended;
      const refused = await doctor();
      assert.equal(refused.code, 2, refused.stdout);
      assert.match(refused.stderr, /it does not lie below the working directory/);
      folder.write("inside/shoal.config.toml", `storeModules = "${join(folder.path, "outside")}"\n`);
      const { stdout, stderr } = await doctor();
      const checks = JSON.parse(stdout) as { what: string; state: string }[];
      assert.equal(checks.find(({ what }) => what === "store rights")?.state, "ok", stdout + stderr);
      folder.write("inside/shoal.config.toml", `storeModule = "x"\n`);
      const wrong = await folder.start(["conformance", url, "--law", "L7", "--runs", "1"], { cwd }).ended;
      assert.equal(wrong.code, 2, wrong.stdout);
      assert.match(wrong.stderr, /did you mean storeModules\?/);
    }),
  { timeoutMs },
);

test(
  "launch: storeModules says which modules of stores may be loaded, and must be a list of what is there",
  () =>
    inFolders(async (folder, url) => {
      const file = folder.write(
        "inside/own.mjs",
        `import { isShoalError, launch } from ${JSON.stringify(entry)};
const options = { store: ${JSON.stringify(url)}, threads: 0 };
const refused = async (storeModules) => {
  try {
    await (await launch({ ...options, storeModules })).close();
  } catch (error) {
    if (isShoalError(error, "BadInput")) return error.message;
    throw error;
  }
};
console.log(JSON.stringify([await refused(undefined), await refused("outside"), await refused(["../gone"])]));
await (await launch({ ...options, storeModules: ["../outside"] })).close();
console.log("opened");
`,
      );

      const [command, ...first] = commandFor(runtime, "x.mjs").slice(0, -1) as [string, ...string[]];
      const said = await run(command, [...first, file], { cwd: join(folder.path, "inside"), env: folder.env });
      assert.equal(said.code, 0, said.stderr);
      const [messages, opened] = said.stdout.trim().split("\n");
      const [without, text, gone] = JSON.parse(messages!) as string[];
      assert.match(without!, /does not lie below the working directory/);
      assert.match(text!, /storeModules is outside, expected a list of texts/);
      assert.match(gone!, /Cannot load store \.\.\/gone: there is no such file/);
      assert.equal(opened, "opened");
    }),
  { timeoutMs },
);
