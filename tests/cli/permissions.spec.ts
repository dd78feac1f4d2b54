// Deno's permissions: a run gets by with exactly those that the README names for its store, and where one is missing the
// error says what to add.
// only: deno, other runtimes have no permissions
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, type Said } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, root, test } from "../suite.ts";
import { type Folder, inFolder } from "./stage.ts";

const timeoutMs = 120_000;
const [deno, ...flags] = commandFor("deno", join(root, "runtime/cli/main.ts"));

/** The flags that the README names, with this clone, this folder and this index in the places that it leaves open. */
function permissionsOf(store: string, { path }: Folder): string[] {
  const line = readFileSync(join(root, "README.md"), "utf8").split("\n").find((line) =>
    line.startsWith(`| \`${store}`)
  );
  assert.ok(line !== undefined, `the README names no permissions for ${store}`);
  const [, , named = ""] = line.split("|");
  const all = [...named.matchAll(/--allow-[^\s`]+/g)].map(([flag]) => flag);
  assert.ok(all.length >= 4, line);
  return all.map((flag) =>
    flag.replace(/\bCLONE\b/, root).replace(/\bSTATE\b/, join(path, ".state")).replace(/\bSTORE\b/, join(path, "store"))
  );
}

function shoal(permissions: readonly string[], args: readonly string[], { path, env }: Folder): Promise<Said> {
  return run(deno, [...flags.flatMap((flag) => flag === "-A" ? permissions : [flag]), ...args], { cwd: path, env });
}

const waves = [
  "run",
  "waves",
  "--sims",
  "2",
  "--grid",
  "48",
  "--steps",
  "2",
  "--step-seconds",
  "0",
  "--json",
  "--quiet",
];
const stores: readonly [name: string, url: (folder: Folder) => string][] = [
  ["memory:", () => "memory:"],
  ["file:", ({ path }) => `file://${join(path, "store")}`],
  ["shm:", ({ path }) => `shm:?dir=${join(path, "store")}`],
];

for (const [name, url] of stores) {
  test(`shoal run with --store ${name} needs the permissions that are named, and nothing beyond`, async () => {
    await inFolder(async (folder) => {
      mkdirSync(join(folder.path, "store"));
      const permissions = permissionsOf(name, folder);
      const args = [...waves, "--store", url(folder)];
      const said = await shoal(permissions, args, folder);
      assert.equal(said.code, 0, said.stderr);
      assert.equal(said.stderr, "");
      // Each of them is needed: without it the error names it, or a line says what goes without.
      for (const missing of permissions.filter((flag) => !/--allow-(ffi|run)/.test(flag))) {
        const without = await shoal(permissions.filter((flag) => flag !== missing), args, folder);
        const kind = missing.split("=")[0]!;
        assert.equal(without.code, 1, `${missing} is not needed: ${without.stderr}`);
        assert.match(without.stderr, new RegExp(`Cannot go on: Deno was started without .*; add ${kind}`));
        assert.doesNotMatch(without.stderr, /\n\s+at /);
      }
    });
  }, { timeoutMs });
}

test("shoal run without leave to enter the index runs all the same, and says so", async () => {
  const state = mkdtempSync(join(tmpdir(), "state-"));
  await inFolder(async (folder) => {
    const permissions = permissionsOf("memory:", folder).map((flag) =>
      flag.replace(`,${join(folder.path, ".state")}`, "")
    );
    const said = await shoal(permissions, waves.filter((word) => word !== "--quiet"), folder);
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stderr, /the run is not in your index, find it by its path/);
  }, { XDG_STATE_HOME: state });
}, { timeoutMs });
