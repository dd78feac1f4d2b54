// What goes wrong around a job, and what is said: each is a clear error with its cure, before the job waits where that
// can be, and by name of the node where it cannot.
// minutes: 6
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { inFolder } from "../cli/stage.ts";
import { run, shown } from "../command.ts";
import { commandFor } from "../runner.ts";
import { redisBinary } from "../services/binary.ts";
import { assert, root, runtime, skip, test } from "../suite.ts";
import { atSite } from "./job.ts";
import { cargoOf } from "../../runtime/launch/batch/cargo.ts";
import { program } from "./stage.ts";

const timeoutMs = 240_000;
const quick = ["--ms", "1"];

test("where there is no scheduler, submit and doctor say so and what to do, and nothing is left", async () => {
  await atSite("", async ({ start, path, write }) => {
    write("squares.mjs", program);
    mkdirSync(join(path, "empty"));
    const env = { PATH: join(path, "empty") };
    const none = await start(["submit", "./squares.mjs", "--name", "none"], { env }).ended;
    assert.equal(none.code, 2, shown(none));
    assert.match(
      none.stderr,
      /there is no scheduler here, neither sbatch nor qsub is on the PATH; name one with --launch/,
    );
    const named = await start(["submit", "./squares.mjs", "--name", "none", "--launcher", "slurm"], { env }).ended;
    assert.equal(named.code, 1, shown(named));
    assert.match(named.stderr, /there is no sbatch on the PATH; load the scheduler's module, or work on a login node/);
    const doctor = await start(["doctor", "--launcher", "slurm"], { env }).ended;
    assert.equal(doctor.code, 1, shown(doctor));
    assert.match(doctor.stdout, /failure +scheduler +sbatch, .* not on the PATH\n.*→ load the scheduler's module/);
    assert.equal(existsSync(join(path, "runs/none")), false);
  });
}, { timeoutMs });

// Its Date is a minute ahead, as that of a node whose clock is.
const late = `const now = Date.now.bind(Date);
Date.now = () => now() + 60_000;
`;
const preload = runtime === "node"
  ? `[ "$host" = p1 ] || export NODE_OPTIONS="--import=\${0%/bin/mpiexec}/late.mjs"`
  : `if [ "$host" = p2 ]; then
  words=()
  for word in "$@"; do words+=("$word"); [ "$word" != run ] || words+=("--preload=\${0%/bin/mpiexec}/late.mjs"); done
  set -- "\${words[@]}"
fi`;

test("a node whose clock is a minute off does not join, and is named with what to do", async () => {
  await atSite(preload, async ({ send, work, write }) => {
    write("late.mjs", late);
    write("squares.mjs", program);
    const { script } = await send("late", "./squares.mjs", ...quick);
    const said = await work(script);
    assert.equal(said.code, 1, shown(said));
    assert.match(shown(said), /its clock is (59|60|61) s ahead; set the clocks of all hosts/);
  });
}, { timeoutMs });

test("a run directory that a node does not see is named, with the host and what to do", async () => {
  const hidden = `[ "$host" = p1 ] ||
  set -- unshare --mount sh -c 'mount -t tmpfs none "$0" && exec "$@"' "\${0%/bin/mpiexec}/runs" "$@"`;
  await atSite(hidden, async ({ send, work, write, path }) => {
    const script = 'mount -t tmpfs none "$0"';
    const possible = await run("unshare", ["--mount", "sh", "-c", script, join(path, "bin")]);
    if (possible.code !== 0) skip(`a folder cannot be hidden from one process here: ${possible.stderr.trim()}`);
    write("squares.mjs", program);
    const sent = await send("apart", "./squares.mjs", ...quick);
    const said = await work(sent.script);
    assert.equal(said.code, 1, shown(said));
    const text = shown(said);
    assert.match(text, /Cannot start node n2: process \d+ on p2 ended with exit code 127 before it had joined/);
    assert.match(text, /p2 does not see .*runs\/apart.*: name a folder that all nodes share with --runs/);
  });
}, { timeoutMs });

test("a network that a site names and a node does not have is named before a server listens", async () => {
  const redis = redisBinary();
  if ("reason" in redis) skip(redis.reason);
  await atSite("", async ({ send, work, write }) => {
    write("squares.mjs", program);
    const { script } = await send("network", "./squares.mjs", ...quick, "--store", "redis:auto");
    const said = await work(script);
    assert.notEqual(said.code, 0);
    assert.match(
      shown(said),
      /Cannot listen on hsn7: .* has no such network; there are lo.*: write interface = "…" into the site's file/,
    );
  }, 'interface = "hsn7"\n');
}, { timeoutMs });

test("what cannot be packed says why, and is sent to run from where it lies", async () => {
  await atSite("", async ({ send, write }) => {
    write("squares.mjs", program);
    const { script, said } = await send("plain", "./squares.mjs");
    assert.match(said.stderr, /not packed: .*squares\.mjs names file:.* by its full path, .* loads its modules from/);
    assert.equal(readFileSync(script, "utf8").includes("/tmp/shoal-pack-"), false);
    const not = await send("not", "./squares.mjs", "--no-pack");
    assert.doesNotMatch(not.said.stderr, /packed/);
  });
}, { timeoutMs });

test("cargoOf tells what a node would not find, or find twice, and takes a whole project along", async () => {
  await inFolder(async ({ path, write }) => {
    const runs = join(path, "project/out");
    for (const name of ["project/sub", "project/out/one", "project/node_modules"]) {
      mkdirSync(join(path, name), { recursive: true });
    }
    for (const name of ["far.mjs", "project/sub/a.tsv", "project/out/one/run.json", "project/near.mjs"]) {
      write(name, "");
    }
    const cargo = (text: string): ReturnType<typeof cargoOf> => cargoOf(write("project/program.mjs", text), runs);
    const reasonOf = (text: string): string => {
      const found = cargo(text);
      return "reason" in found ? found.reason : "none";
    };
    assert.match(
      reasonOf('import "../far.mjs";'),
      /program\.mjs names \.\.\/far\.mjs elsewhere: a package\.json above/,
    );
    assert.match(reasonOf('new URL("sub/a.tsv", import.meta.url);'), /names sub\/a\.tsv elsewhere/);
    assert.match(reasonOf('const x = await import("/far.mjs")'), /names \/far\.mjs by its full path/);
    write("project/near.mjs", 'export { x } from "../far.mjs";');
    assert.match(reasonOf('import { x } from "./near.mjs";'), /near\.mjs names \.\.\/far\.mjs elsewhere/);
    const text = 'import "node:fs";\nimport "shoal";\nimport "./near.mjs";\nnew URL("./sub/a.tsv", import.meta.url);\n';
    write("project/near.mjs", 'export const path = "/far.mjs";\n');
    write("project/package.json", '{ "dependencies": { "kept": "*", "linked": "*" } }');
    symlinkSync(path, join(path, "project/node_modules/linked"));
    assert.match(reasonOf(text), /node_modules\/linked is a link, as pnpm and npm link make them/);
    rmSync(join(path, "project/node_modules/linked"));
    mkdirSync(join(path, "project/node_modules/other"));
    assert.match(reasonOf('import "other";'), /names other which no package\.json of its project names/);
    const whole = cargo(`${text}import "npm:chalk";`);
    assert.ok(!("reason" in whole) && whole.isFetched, JSON.stringify(whole));
    const own = whole.parts.filter((part) => part.startsWith(path)).map((part) => relative(path, part));
    assert.deepEqual(own.sort(), ["near.mjs", "package.json", "program.mjs", "sub"].map((name) => `project/${name}`));
    const heavy = openSync(join(path, "project/heavy"), "w");
    ftruncateSync(heavy, 2 ** 30);
    closeSync(heavy);
    assert.match(reasonOf(text), /its folder holds more than 512 MiB in 50000 files: .*project\/heavy is in it/);
  });
});

test(
  "a run directory without room is said when a job is sent: what is packed stays away, or nothing is sent",
  async () => {
    await atSite("", async ({ env, path, write }) => {
      const runs = join(path, "runs");
      mkdirSync(runs);
      const mount = 'mount -t tmpfs -o size=64k none "$0"';
      const possible = await run("unshare", ["--mount", "sh", "-c", mount, runs]);
      if (possible.code !== 0) skip(`a small disk cannot be mounted here: ${possible.stderr.trim()}`);
      write("squares.mjs", program);
      const script =
        `${mount} && "$@" waves --name one && head -c 100000 /dev/zero >"$0/fill"; exec "$@" waves --name two`;
      const shoal = [...commandFor(runtime, join(root, "runtime/cli/main.ts")), "submit", "--site", "./site.toml"];
      const said = await run("unshare", ["--mount", "sh", "-c", script, runs, ...shoal], { cwd: path, env });
      assert.equal(said.code, 1, shown(said));
      assert.match(said.stderr, /not packed: Cannot pack shoal: tar ended with 2: .*No space left on device/);
      assert.match(said.stderr, /sent job 1\.login to pbs .* for one/);
      assert.match(said.stderr, /Cannot .*the disk or quota of .*two is full \(ENOSPC\); free some space/);
    });
  },
  { timeoutMs },
);

test("a node that cannot unpack what was packed runs from where it lies", async () => {
  await atSite("", async ({ send, work }) => {
    const waves = ["waves", "--sims", "2", "--grid", "16", "--step-seconds", "0", "--kernels", "3", "--seed", "5"];
    const { script } = await send("full", ...waves, "--json");
    const [local = ""] = /\/tmp\/shoal-pack-full-[0-9a-f]+/.exec(readFileSync(script, "utf8")) ?? [];
    // Something is in its place there.
    writeFileSync(local, "");
    const said = await work(script).finally(() => rmSync(local));
    const text = shown(said);
    assert.match(text, /cannot unpack .*pack\.tgz into \/tmp\/shoal-pack-full-.* It runs from where it lies/);
    assert.equal(said.code, 0, text);
    assert.match(text, /"checksum":/);
  });
}, { timeoutMs });
