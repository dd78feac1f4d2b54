// The command as a user meets it: what it prints where, with which exit code, and what it says of what is wrong.
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, test } from "../suite.ts";
import { entry, inFolder } from "./stage.ts";

const timeoutMs = 120_000;

test("shoal run waves ends with one object on stdout, and says the rest on stderr", async () => {
  await inFolder(async ({ shoal, path }) => {
    const args = ["--sims", "3", "--grid=32", "--steps", "2", "--step-seconds", "0", "--seed", "7", "--json"];
    const said = await shoal("run", "waves", ...args, "--name", "first");
    assert.equal(said.code, 0, said.stderr);
    const result = JSON.parse(said.stdout);
    const { launchSeconds, totalSeconds, simulate, train, read, forecast, ...rest } = result;
    assert.deepEqual(rest, {
      run: "first",
      program: "waves",
      seed: 7,
      sims: 3,
      grid: 32,
      samples: 6,
      bytes: 3 * 2 * 2 * 32 * 32 * 8,
      // The label of the published tables: GiB of inputs alone.
      label: 3 * 2 * 32 * 32 * 8 / 2 ** 30,
      nodes: 1,
      store: "memory:",
      transport: "store",
      online: false,
      // Nothing was emulated that it could be above.
      overheadSeconds: null,
      // The same on every runtime, in strict mode or not: it is written down here.
      checksum: "2575f2e84578d0c2",
    });
    const spent = [launchSeconds, totalSeconds, simulate.seconds, simulate.computeSeconds, train.seconds, read.seconds];
    for (const seconds of spent) assert.ok(seconds >= 0, JSON.stringify(result));
    const [{ kernel, samples, loss }] = train.models;
    assert.deepEqual([kernel, samples, forecast.kernel, forecast.error.length], [3, 6, 3, 2]);
    assert.ok(loss > 0 && train.backend !== "", JSON.stringify(result));
    for (const { mean, sum, max } of [simulate.put, train.get, read.get]) {
      assert.ok(mean <= max && max <= sum, JSON.stringify(result));
    }
    assert.match(
      said.stderr,
      /3 waves of 2 steps on a grid of 32 × 32: 6 samples, 0.1 MB, with 2 workers\n[^]*simulated 3 waves/,
    );
    assert.ok(existsSync(join(path, "runs/first/run.json")));
  });
}, { timeoutMs });

test("shoal run waves --quiet says nothing", async () => {
  await inFolder(async ({ shoal }) => {
    const said = await shoal(
      "run",
      "waves",
      "--sims",
      "1",
      "--grid",
      "8",
      "--step-seconds",
      "0",
      "--quiet",
      "--strict",
    );
    assert.deepEqual([said.code, said.stdout, said.stderr], [0, "", ""]);
  });
}, { timeoutMs });

const wrong: readonly [args: string, says: RegExp][] = [
  ["rnu waves", /Cannot start shoal rnu: there is no such verb; did you mean run\?/],
  ["run", /no program named; built in are .*molecules.*waves/],
  ["run wavez", /did you mean waves\?/],
  ["run ./nowhere.mjs", /no such program or file/],
  ["run waves --simz 3", /did you mean --sims\?/],
  ["run waves --sims abc", /expected a whole number/],
  ["run waves --sims", /--sims: it needs a value/],
  ["run waves --json=yes", /it takes no value/],
  ["run waves --sims 0", /Cannot read --sims 0: expected a whole number from 1/],
  ["run waves --step-seconds -1", /expected a number from 0/],
  ["run waves more", /more is too much; usage: shoal run PROGRAM/],
  ["run waves --name ../x", /Cannot name a run "..\/x": expected letters/],
  ["run waves -s 3", /Cannot read -s: there is no such flag; did you mean --/],
  ["run waves --set store", /write it as key=value/],
  ["run waves --set stroe=memory:", /there is no key stroe; did you mean store\?/],
  ["run waves --set seed=x", /seed is "x", expected a whole number from 0/],
  ["run waves --set limits.stopTimeout=1", /did you mean limits.stopTimeoutMs\?/],
  ["run waves --set limits.foo=1", /there is no key limits.foo; shoal config schema lists all keys/],
  ["run waves --set stopTimeoutMs=1", /there is no key stopTimeoutMs; did you mean limits.stopTimeoutMs\?/],
  ["run waves --config nowhere.toml", /Cannot read nowhere.toml: there is no such file/],
  ["resume", /no run named; shoal list shows them/],
  ["resume nothing", /no run is called so; shoal list shows the runs/],
  ["resume ./nothing", /there is no run directory there/],
  ["logs", /Cannot start shoal logs: no run named; shoal list shows them/],
  ["stop nothing", /no run is called so/],
  ["logs nothing --level loud", /it is not one of its values/],
  ["list more", /more is too much/],
  ["config shw", /expected show or schema/],
  ["init", /no folder named; write shoal init my-campaign/],
  ["run waves --store memry:", /did you mean memory:\?/],
  ["run waves --store memory:?capcity=1GB", /did you mean capacity\?/],
];

for (const [args, says] of wrong) {
  test(`shoal ${args}: exit code 2, and what to write instead`, async () => {
    await inFolder(async ({ shoal, path }) => {
      const said = await shoal(...args.split(" "));
      assert.equal(said.code, 2, said.stderr);
      assert.equal(said.stdout, "");
      assert.match(said.stderr, says);
      assert.doesNotMatch(said.stderr, /\n\s+at /, "a stack tells the user nothing");
      // But for a store whose URL is read only when it is opened, nothing has been made.
      if (!args.includes("--store")) assert.ok(!existsSync(join(path, "runs")));
    });
  }, { timeoutMs });
}

test("shoal --help and the help of every verb are results, each with an example", async () => {
  await inFolder(async ({ shoal }) => {
    const { stdout } = await shoal("--help");
    const verbs = [...stdout.matchAll(/^ {2}shoal (\w+)/gm)].map(([, verb]) => verb!);
    for (const verb of ["run", "resume", "stop", "status", "list", "logs", "init", "config", "doctor"]) {
      assert.ok(verbs.includes(verb), `${verb} is not in help`);
    }
    const helps = [["--help"], ["help", "run"], ["run", "waves", "--help"], ...verbs.map((verb) => [verb, "--help"])];
    for (const args of helps) {
      const said = await shoal(...args);
      assert.deepEqual([said.code, said.stderr], [0, ""], args.join(" "));
      assert.match(said.stdout, /Example: shoal /, args.join(" "));
    }
    assert.match((await shoal("run", "waves", "--help")).stdout, /--sims N +simulations \(32\)/);
    assert.match((await shoal("--version")).stdout, /^shoal \d+\.\d+\.\d+ \((node|deno) \d+/);
  });
}, { timeoutMs });

test("shoal run of a program without a default export names the cure", async () => {
  await inFolder(async ({ shoal, write }) => {
    const said = await shoal("run", write("mine.mjs", "export const x = 1;\n"));
    assert.equal(said.code, 2);
    assert.match(said.stderr, /it has no default export; write export default/);
  });
}, { timeoutMs });

const wrongSettings: readonly [settings: string, says: RegExp][] = [
  ["{ depth: { about: 'x' } }", /settings.depth has no default/],
  ["{ depth: { default: 1 } }", /settings.depth has no about/],
  ["{ depth: { default: {}, about: 'x' } }", /has a default that is no text, number or boolean/],
  ["{ Depth: { default: 1, about: 'x' } }", /settings.Depth is no flag's name/],
  ["{ seed: { default: 1, about: 'x' } }", /its setting seed is a flag of every run/],
];

test("shoal run of a program with settings that mean nothing says which", async () => {
  for (const [settings, says] of wrongSettings) {
    await inFolder(async ({ shoal, write }) => {
      const text = `export const settings = ${settings};\nexport default async () => {};\n`;
      const said = await shoal("run", write("mine.mjs", text));
      assert.equal(said.code, 2, said.stderr);
      assert.match(said.stderr, says);
    });
  }
}, { timeoutMs });

test("shoal run of a module that launches is refused by its name", async () => {
  await inFolder(async ({ shoal, write }) => {
    const text = `import { launch } from ${JSON.stringify(entry)};\nawait launch();\nexport default async () => {};\n`;
    const said = await shoal("run", write("mine.mjs", text));
    assert.equal(said.code, 2);
    assert.match(said.stderr, /Cannot launch inside .*mine\.mjs/);
  });
}, { timeoutMs });

test("shoal run of a program that throws shows where; also where a handler did", async () => {
  await inFolder(async ({ shoal, write }) => {
    const said = await shoal("run", write("mine.mjs", "export default async () => { throw new Error('my bug'); };\n"));
    assert.equal(said.code, 1);
    assert.match(said.stderr, /shoal: my bug\n[^]*mine\.mjs:1/);
    assert.match(said.stderr, /the run failed; after a cure: shoal resume /);
  });
  await inFolder(async ({ shoal, write }) => {
    const text = `import { Actor } from ${JSON.stringify(entry)};
class Bad extends Actor { boom() { throw new Error("bad handler"); } }
export default async (system) => { await (await system.spawn(Bad)).ask("boom"); };
`;
    const said = await shoal("run", write("mine.mjs", text));
    assert.equal(said.code, 1);
    assert.match(said.stderr, /its handler threw: Error: bad handler[^]*mine\.mjs:2/);
  });
}, { timeoutMs });

test("shoal doctor finds what a run needs, as lines and as a list", async () => {
  await inFolder(async ({ shoal }) => {
    const said = await shoal("doctor");
    assert.equal(said.code, 0, said.stdout + said.stderr);
    assert.match(said.stdout, /^ok +shoal +\d/m);
    const checks = JSON.parse((await shoal("doctor", "--json")).stdout) as { what: string; state: string }[];
    assert.deepEqual(checks.filter(({ state }) => state === "failure"), []);
    assert.ok(checks.some(({ what }) => what === "threads"));
  });
}, { timeoutMs });

test("shoal doctor says whether there are the programs that compute energies, and how to get them", async () => {
  await inFolder(async ({ path, start }) => {
    const lineOf = async (PATH: string): Promise<unknown> => {
      const { stdout, stderr } = await start(["doctor", "--json"], { env: { PATH } }).ended;
      const checks = JSON.parse(stdout) as { what: string; state: string }[];
      return checks.find(({ what }) => what === "chemistry") ?? stderr;
    };
    assert.deepEqual(await lineOf("/nowhere"), {
      what: "chemistry",
      state: "warning",
      found: "no xtb, and no obabel on the PATH: molecules looks energies up that earlier runs recorded",
      cure: "to compute them: apt-get install xtb openbabel, or conda-forge",
    });
    for (const name of ["xtb", "obabel"]) writeFileSync(join(path, name), "#!/bin/sh\n", { mode: 0o755 });
    assert.deepEqual(await lineOf(path), {
      what: "chemistry",
      state: "ok",
      found: `${join(path, "xtb")} and ${join(path, "obabel")}: molecules computes energies`,
    });
  });
}, { timeoutMs });

test("shoal doctor says whether there is a native backend, and what keeps it from bringing one in", async () => {
  await inFolder(async ({ path, start }) => {
    const env = { PATH: "/nowhere", XDG_CACHE_HOME: path };
    const { stdout } = await start(["doctor"], { env }).ended;
    assert.match(stdout, /^warning +tensorflow +no native backend.*\n +→ shoal doctor --fix tensorflow builds it$/m);
    const { code, stderr } = await start(["doctor", "--fix", "tensorflow"], { env }).ended;
    assert.equal(code, 1);
    assert.match(
      stderr,
      /Cannot bring in TensorFlow's native backend: .*there is no (npm|python3) on the PATH.*; what/,
    );
    assert.deepEqual(readdirSync(join(path, "shoal")), []);
  });
}, { timeoutMs });

test("shoal doctor ends with 1 and a cure where a run could not be recorded", async () => {
  await inFolder(async ({ shoal, write }) => {
    const said = await shoal("doctor", "--runs", join(write("file", ""), "runs"));
    assert.equal(said.code, 1);
    assert.match(
      said.stdout,
      /^failure +run directories +.*cannot be written.*\n +→ name another folder with --runs$/m,
    );
  });
}, { timeoutMs });

test("shoal config into a pipe that is closed early ends without a word", async () => {
  await inFolder(async ({ start }) => {
    const { child, ended } = start(["config", "schema"]);
    child.stdout?.destroy();
    const { code, stderr } = await ended;
    assert.deepEqual([code, stderr], [0, ""]);
  });
}, { timeoutMs });
