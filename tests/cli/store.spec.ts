// `shoal store` and `shoal doctor --store` as a user meets them: what a store holds, what is damaged, what goes and what
// stays, and what is said of a place that is none.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { realWorld } from "../../runtime/launch/world.ts";
import { fileStore } from "../../stores/file.ts";
import { endRun } from "../../stores/sweep/ended.ts";
import type { Store } from "../../stores/store.ts";
import type { HeldRun } from "../../stores/sweep.ts";
import { filesBelow } from "../sweep/place.ts";
import { assert, skip, test } from "../suite.ts";
import { inFolder } from "./stage.ts";

const timeoutMs = 120_000;

const opened = (root: string, run: string): Promise<Store> => fileStore({ root, run, environment: realWorld });

/** A folder with a run that has ended, one that was interrupted, and one that is open. */
async function threeRuns(root: string): Promise<Store> {
  for (const run of ["alpha", "beta"]) {
    const store = await opened(root, run);
    await store.tensors.put({ data: new Uint8Array(2_000_000) });
    await store.tensors.put({ data: new Uint8Array(500) });
    await store.logs.append("s", 1, [new Uint8Array(9)]);
    await store.claims.claim("c", 1, "x");
    if (run === "alpha") await endRun(store);
    await store.close();
  }
  const store = await opened(root, "gamma");
  await store.tensors.put({ data: new Uint8Array(10) });
  return store;
}

test(
  "shoal store ls shows each run, its state and who has it open; sweep takes what has ended, and only that",
  () =>
    inFolder(async ({ path, shoal }) => {
      const root = join(path, "held");
      const url = pathToFileURL(root).href;
      const open = await threeRuns(root);
      const listed = await shoal("store", "ls", url);
      assert.equal(listed.code, 0, listed.stderr);
      const lines = listed.stdout.trimEnd().split("\n");
      assert.match(lines[0]!, /^run +state +tensors +bytes +streams +claims +opened by$/);
      assert.match(lines[1]!, /^alpha +ended +2 +2\.00 MB +1 +2 +nobody$/);
      assert.match(lines[2]!, /^beta +interrupted +2 +2\.00 MB +1 +1 +nobody$/);
      assert.match(lines[3]!, new RegExp(`^gamma +live +1 +10 B +0 +0 +process ${process.pid} since .* UTC$`));
      assert.equal(lines.length, 4);
      const json = JSON.parse((await shoal("store", "ls", url, "--json")).stdout) as HeldRun[];
      assert.deepEqual(json.map(({ run, state }) => [run, state]), [
        ["alpha", "ended"],
        ["beta", "interrupted"],
        ["gamma", "live"],
      ]);
      assert.match((await shoal("store", "ls", url, "--run", "beta")).stdout, /^run .*\nbeta .*\n$/);

      const before = filesBelow(root);
      const dry = await shoal("store", "sweep", url, "--dry-run");
      assert.match(
        dry.stdout,
        /^run +2\.00 MB +run alpha +2 tensors and all else +it has ended\nwould free 2\.00 MB\n$/,
      );
      assert.match(
        dry.stderr,
        /run beta was interrupted and keeps 2\.00 MB; to give it up: shoal store sweep URL --run beta/,
      );
      assert.deepEqual(filesBelow(root), before);
      const swept = await shoal("store", "sweep", url, "--json", "--quiet");
      assert.deepEqual([swept.code, swept.stderr], [0, ""]);
      const { bytes, dryRun, orphans } = JSON.parse(swept.stdout);
      assert.deepEqual([bytes, dryRun, orphans.length], [2_000_500, false, 1]);
      assert.match((await shoal("store", "sweep", url)).stdout, /nothing to free: all that is there belongs to a run/);

      const live = await shoal("store", "sweep", url, "--run", "gamma");
      assert.equal(live.code, 1);
      assert.match(live.stderr, new RegExp(`Cannot sweep run gamma: process ${process.pid} .*; stop that first`));
      assert.equal((await shoal("store", "sweep", url, "--run", "beta")).code, 0);
      assert.deepEqual(readdirSync(root), ["gamma"]);
      await open.close();
    }),
  { timeoutMs },
);

test(
  "shoal store verify reads everything, names what is damaged, and ends with 1",
  () =>
    inFolder(async ({ path, shoal }) => {
      const root = join(path, "held");
      const url = pathToFileURL(root).href;
      const store = await opened(root, "r");
      const large = await store.tensors.put({ data: new Uint8Array(2_000_000) });
      const small = await Promise.all(
        [1, 2, 3].map((fill) => store.tensors.put({ data: new Uint8Array(500).fill(fill) })),
      );
      await store.logs.append("stream", 1, [new Uint8Array(100), new Uint8Array(100)]);
      await store.logs.append("stream", 2, [new Uint8Array(100)]);
      await store.claims.claim("claim", 1, "x");
      await store.close();
      const whole = await shoal("store", "verify", url, "--quiet");
      assert.deepEqual([whole.code, whole.stderr], [0, ""]);
      assert.match(whole.stdout, /^4 tensors, 1 stream, 1 claim, 2\.00 MB: all as they were written\n$/);

      const files = filesBelow(root);
      const fileOf = (pattern: RegExp): string => join(root, files.find((name) => pattern.test(name))!);
      const flip = (file: string, at: number): () => void => {
        const good = readFileSync(file);
        const bad = Buffer.from(good);
        bad[at]! ^= 1;
        writeFileSync(file, bad);
        return () => writeFileSync(file, good);
      };
      const segment = fileOf(/segments\/0$/);
      const second = readFileSync(segment).indexOf("shoalT1\n", 100);
      const damages: readonly (readonly [string, number, RegExp])[] = [
        [fileOf(new RegExp(`${large.id}$`)), 1_000_000, new RegExp(`tensor ${large.id} +.*checksum disagree`)],
        [fileOf(new RegExp(`${large.id}$`)), 3, /tensor .* damaged from byte 0 on/],
        [segment, 300, new RegExp(`tensor ${small[0]!.id} `)],
        // What stands behind it would never be told of.
        [segment, second, /tensor .*segments\/0 +damaged from byte \d+ on/],
        [fileOf(/\.log$/), 50, /stream stream /],
        [fileOf(/\.claim$/), 3, /claim claim .*checksum disagree/],
        [fileOf(/claims\/.*name$/), 3, /claim [0-9a-f]{40} .*checksum disagree/],
      ];
      for (const [file, at, says] of damages) {
        const mend = flip(file, at);
        const said = await shoal("store", "verify", url, "--quiet");
        assert.equal(said.code, 1, said.stdout);
        assert.match(said.stdout, says);
        assert.match(said.stdout, /: \d damaged\n$/);
        const { troubles } = JSON.parse((await shoal("store", "verify", url, "--json", "--quiet")).stdout);
        assert.ok(troubles.length >= 1 && troubles[0].run === "r");
        mend();
      }
      assert.equal((await shoal("store", "verify", url)).code, 0);
    }),
  { timeoutMs: 2 * timeoutMs },
);

const wrong: readonly (readonly [args: string, says: RegExp])[] = [
  ["store", /say what, and where: shoal store ls file:/],
  ["store ls", /say what, and where/],
  ["store lss file:///x", /there is no such thing to do; did you mean ls\?/],
  ["store ls FOLDER/gone", /there is no such folder/],
  ["store ls FOLDER/file", /it is no folder/],
  ["store ls flie:///x", /unknown scheme "flie:"; did you mean file:\?/],
  ["store ls FOLDER?fsnc=always", /unknown option of file: "fsnc"; did you mean fsync\?/],
  ["store ls memory:", /memory: ends with its process, and leaves nothing/],
  ["store ls FOLDER --run nope", /holds none of that name/],
  ["store sweep FOLDER --run nope", /Cannot find run nope/],
  ["store sweep FOLDER --dryrun", /did you mean --dry-run\?/],
  ["store ls FOLDER --dry-run", /it changes nothing anyway/],
  ["doctor --store flie:///x", /unknown scheme "flie:"; did you mean file:\?/],
];

for (const [args, says] of wrong) {
  test(`shoal ${args}: exit code 2, and what to write instead`, () =>
    inFolder(async ({ path, shoal }) => {
      writeFileSync(join(path, "file"), "x");
      const said = await shoal(...args.replace("FOLDER", pathToFileURL(path).href).split(" "));
      assert.equal(said.code, 2, said.stderr);
      assert.equal(said.stdout, "");
      assert.match(said.stderr, says);
      assert.doesNotMatch(said.stderr, /\n\s+at /);
    }), { timeoutMs });
}

test(
  "shoal store ls of a folder with other things in it shows none of them",
  () =>
    inFolder(async ({ path, shoal }) => {
      mkdirSync(join(path, "photos"));
      writeFileSync(join(path, "photos/tensors"), "x");
      mkdirSync(join(path, "mine/logs"), { recursive: true });
      writeFileSync(join(path, "mine/logs/today.log"), "x");
      writeFileSync(join(path, "notes.txt"), "x");
      const said = await shoal("store", "ls", pathToFileURL(path).href);
      assert.match(said.stdout, /holds no run\n$/);
      assert.match((await shoal("store", "sweep", pathToFileURL(path).href)).stdout, /nothing to free/);
      assert.equal((await shoal("store", "sweep", pathToFileURL(path).href, "--keep-days", "0")).code, 0);
      for (const file of ["photos/tensors", "mine/logs/today.log", "notes.txt"]) {
        assert.ok(existsSync(join(path, file)));
      }
    }),
  { timeoutMs },
);

test(
  "shoal doctor --store says how the store does, and leaves nothing behind",
  () =>
    inFolder(async ({ path, shoal }) => {
      const root = join(path, "new");
      const said = await shoal("doctor", "--store", pathToFileURL(root).href, "--json");
      const checks = JSON.parse(said.stdout) as { what: string; state: string; found: string; cure?: string }[];
      const of = (what: string) => checks.find((check) => check.what === what);
      for (const what of ["store", "store rights", "store speed", "store space", "store runs"]) {
        assert.ok(of(what), what);
      }
      assert.equal(of("store rights")?.state, "ok");
      assert.match(of("store speed")?.found ?? "", /put .*\/s, get .*\/s in 64\.0 MB/);
      assert.match(of("store runs")?.found ?? "", /holds no run/);
      assert.equal(existsSync(root), false);
      const open = await threeRuns(root);
      const before = filesBelow(root);
      const { stdout } = await shoal("doctor", "--store", pathToFileURL(root).href);
      assert.match(
        stdout,
        /\nwarning +store runs +holds runs: 1 live, 1 interrupted, 1 ended; 2\.00 MB .*\n +→ see shoal store sweep file:.* --dry-run\n/,
      );
      assert.deepEqual(filesBelow(root), before);
      await open.close();
    }),
  { timeoutMs },
);

test(
  "shoal doctor --store of a folder that may not be written is a failure with its cure",
  () =>
    inFolder(async ({ path, shoal }) => {
      if (process.getuid?.() === 0) skip("root may write everywhere");
      mkdirSync(join(path, "shut"));
      chmodSync(join(path, "shut"), 0o500);
      const said = await shoal("doctor", "--store", pathToFileURL(join(path, "shut")).href);
      assert.equal(said.code, 1);
      assert.match(said.stdout, /failure +store .*EACCES.*\n +→ name a folder that you may write/);
    }),
  { timeoutMs },
);

test(
  "shoal doctor --store of a place where no folder can be made is a failure with its cure",
  () =>
    inFolder(async ({ shoal }) => {
      if (!existsSync("/proc/self")) skip("this system has no /proc");
      const said = await shoal("doctor", "--store", "file:///proc/nowhere");
      assert.equal(said.code, 1);
      assert.match(said.stdout, /failure +store +Cannot .*\n +→ name another/);
    }),
  { timeoutMs },
);
