// Groups of workers: who takes which kind of task, what cannot be is told before anything starts, and what becomes of a
// run whose group never comes, is lost in the middle, or loses the process that leads it.
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkGroupsOf } from "../../runtime/cli/program.ts";
import { schema } from "../../runtime/launch/schema.ts";
import { configure } from "../../runtime/launch/sources.ts";
import { launch } from "../../runtime/mod.ts";
import { entry, inFolder, recordsOf, type Started } from "../cli/stage.ts";
import { shown } from "../command.ts";
import { errorOf } from "../stores/world.ts";
import { Here } from "../processes/actors.ts";
import { assert, test } from "../suite.ts";
import { until } from "./stage.ts";

const timeoutMs = 240_000;

/** Each kind of task in its turn, and those without one; each task says on which node it was. A file holds some up. */
const program = `
import { existsSync, writeFileSync } from "node:fs";
import { Actor } from ${JSON.stringify(entry)};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export class Work extends Actor {
  static module = import.meta.url;
  async run({ number, held }) {
    if (held !== "") writeFileSync("begun-" + number, "");
    while (held !== "" && existsSync(held)) await pause(20);
    const [, node = "main"] = /\\/(n\\d+)\\.[^/]*\\.join$/.exec(process.argv[2] ?? "") ?? [];
    return { node, value: number * number };
  }
}
export const kinds = ["simulate", "train", "infer"];
export const settings = { held: { default: "", about: "a kind whose tasks wait while a file of that name is there" } };
export default async function (system, { held }) {
  const nodes = {};
  let sum = 0;
  for (const task of ["simulate", "train", "infer", undefined]) {
    const pool = await system.pool(Work, { size: 4, ...task === undefined ? {} : { task } });
    const inputs = Array.from({ length: 8 }, (_, number) => ({ number, held: held === task ? held : "" }));
    const done = await pool.map("run", inputs, { name: "work-" + (task ?? "none") });
    nodes[task ?? "none"] = [...new Set(done.map(({ node }) => node))].sort();
    for (const { value } of done) sum += value;
  }
  return { nodes, sum };
}
`;

const groups = `
threads = 1

[[workers]]
kinds = ["train", "infer"]
name = "gpu"
threads = 0

[[workers]]
kinds = ["infer"]
threads = 0
`;

interface Result {
  readonly nodes: { readonly [kind: string]: readonly string[] };
  readonly sum: number;
}

const resultIn = (text: string): Result =>
  JSON.parse(text.split("\n").findLast((line) => line.startsWith('{"run"')) ?? text) as Result;
const sumWanted = 4 * 140;

test(
  "a group takes its kinds and no others, two share one, and the rest stays with the process that leads",
  async () => {
    await inFolder(async ({ shoal, write }) => {
      write("shoal.config.toml", groups);
      write("kinds.mjs", program);
      const said = await shoal("run", "./kinds.mjs", "--json");
      assert.equal(said.code, 0, shown(said));
      const { nodes, sum } = resultIn(said.stdout);
      assert.deepEqual(nodes, { simulate: ["main"], train: ["n2"], infer: ["n2", "n3"], none: ["main"] });
      assert.equal(sum, sumWanted);
      assert.match(said.stderr, /this process takes simulate: 1 process here/);
      assert.match(said.stderr, /gpu takes train, infer: 1 process here\n.*workers\.2 takes infer: 1 process here/);
      assert.match(said.stderr, /mail goes by file:\S+, which all of them must reach/);

      const more = await shoal(
        "run",
        "./kinds.mjs",
        "--json",
        "--set",
        "workers.1.nodes=2",
        "--set",
        "kinds=simulate,infer",
      );
      assert.equal(more.code, 0, shown(more));
      const { train, infer } = resultIn(more.stdout).nodes;
      assert.deepEqual([train, infer], [["n2", "n3"], ["main", "n2", "n3", "n4"]]);
    });
  },
  { timeoutMs },
);

test("shoal config shows groups with the origin of each value; a later file's stand for those before it", async () => {
  await inFolder(async ({ start, write }) => {
    write("shoal.config.toml", groups);
    const env = { SHOAL_WORKERS__2__WORKER_COMMAND: "node there.js" };
    const said = await start(["config", "--set", "workers.1.nodes=3"], { env }).ended;
    assert.equal(said.code, 0, shown(said));
    for (
      const line of [
        /^workers\.1\.kinds +train,infer +shoal\.config\.toml$/m,
        /^workers\.1\.nodes +3 +--set$/m,
        /^workers\.2\.kinds +infer +shoal\.config\.toml$/m,
        /^workers\.2\.workerCommand +node there\.js +SHOAL_WORKERS__2__WORKER_COMMAND$/m,
      ]
    ) assert.match(said.stdout, line);
    write("other.json", JSON.stringify({ workers: [{ kinds: "simulate" }] }));
    const other = await start(["config", "--config", "other.json"]).ended;
    assert.match(other.stdout, /^workers\.1\.kinds +simulate +other\.json$/m);
    assert.doesNotMatch(other.stdout, /workers\.2|workers\.1\.name/);
    const { properties } = JSON.parse((await start(["config", "schema"]).ended).stdout) as {
      properties: { workers: { items: { properties: object; required: string[] } } };
    };
    assert.deepEqual(properties.workers.items.required, ["kinds"]);
    assert.ok("launcher" in properties.workers.items.properties);
  });
}, { timeoutMs });

/** What a file says that cannot be. */
const wrong: readonly (readonly [toml: string, says: RegExp])[] = [
  [
    '[[workers]]\nkinds = ["train"]\nlauncer = "ssh"',
    /no key workers\.1\.launcer; did you mean workers\.1\.launcher\?/,
  ],
  ['[[workers]]\nkinds = ["trian"]', /workers\.1\.kinds is \["trian"\], "trian" is none of .*did you mean train\?/],
  ['[[workers]]\nkinds = ["train", "train"]', /one stands there twice/],
  ["[[workers]]\nkinds = []", /expected some of simulate, train, infer/],
  [
    "[[workers]]\nnodes = 2",
    /workers\.1: it has no kinds of task, only workers\.1\.nodes \(two\.toml\); write kinds =/,
  ],
  ['workers = "gpu"', /workers is "gpu", expected a list of groups, as in \[\[workers\]\]/],
  ['[[workers]]\nkinds = ["train"]\nnodes = 0', /workers\.1\.nodes is 0, expected a whole number from 1/],
  [
    '[[workers]]\nkinds = ["train"]\nname = "a"\n[[workers]]\nkinds = ["infer"]\nname = "a"',
    /two groups .* are a; give/,
  ],
  ['[[workers]]\nkinds = ["train"]\nname = "a b"', /workers\.1\.name is "a b", expected letters/],
  [
    'kinds = ["simulate"]\n[[workers]]\nkinds = ["train"]',
    /nobody takes infer tasks \(this process takes simulate; workers\.1 takes train\); add "infer" to the kinds of one/,
  ],
];

test("groups that cannot be, and kinds that nobody takes, are refused by what is wrong with them", async () => {
  await inFolder(async ({ write, path }) => {
    const kinds = ["simulate", "train", "infer"] as const;
    const configured = async (environment: { readonly [name: string]: string } = {}): Promise<void> => {
      const sources = { folder: path, found: false, environment, files: ["two.toml"], flags: [], sets: [] };
      checkGroupsOf({ typed: "./kinds.mjs", kinds }, await configure(sources, { schema, programs: {} }));
    };
    for (const [toml, says] of wrong) {
      write("two.toml", toml);
      assert.match((await errorOf("BadInput", () => configured())).message, says, toml);
    }
    write("two.toml", '[[workers]]\nkinds = ["train"]\n');
    await configured();
    const slip = await errorOf("BadInput", () => configured({ SHOAL_WORKERS__1__LAUNCHR: "ssh" }));
    assert.match(slip.message, /there is no key workers\.1\.launchr; did you mean workers\.1\.launcher\?/);
  });
});

/** What only who would start them knows. */
const unstartable: readonly (readonly [toml: string, says: RegExp])[] = [
  ['[[workers]]\nkinds = ["train"]\nlauncher = "ssh"', /group workers\.1 by ssh: it knows no hosts; write hosts =/],
  ['[[workers]]\nkinds = ["train"]\nlauncher = "slurm"', /group workers\.1 by slurm: this is no job; send the run by/],
  ['[[workers]]\nkinds = ["train"]\nsite = "nowhere"', /Cannot find site nowhere/],
  ['kinds = ["simulate"]\n[[workers]]\nkinds = ["train"]', /nobody takes infer tasks/],
];

test("groups that cannot be started, and a program that asks for no kind, leave no run behind", async () => {
  await inFolder(async ({ shoal, write, path }) => {
    write("kinds.mjs", program);
    for (const [toml, says] of unstartable) {
      write("two.toml", toml);
      const said = await shoal("run", "./kinds.mjs", "--config", "two.toml");
      assert.equal(said.code, 2, `${toml}\n${shown(said)}`);
      assert.match(said.stderr, says);
    }
    write("asks.mjs", program.replace('"infer"];', '"inver"];'));
    const asks = await shoal("run", "./asks.mjs");
    assert.equal(asks.code, 2, shown(asks));
    assert.match(asks.stderr, /its kinds name inver; did you mean infer\?/);
    const runs = join(path, "runs");
    assert.deepEqual(existsSync(runs) ? readdirSync(runs) : [], []);
  });
}, { timeoutMs });

test(
  "launch takes groups of this machine; a pool that nobody takes, and a kind that is none, are refused",
  async () => {
    const options = { workers: [{ kinds: ["train"], threads: 0 }], kinds: ["simulate"], threads: 1 } as const;
    const system = await launch({ ...options, record: () => {} });
    try {
      const pool = await system.pool(Here, { size: 2, task: "train" });
      assert.equal(pool.size, 2);
      const nobody = await system.pool(Here, { size: 1, task: "infer" }).catch((error: Error) => error.message);
      assert.match(String(nobody), /Cannot make a pool of Here: no group of workers takes infer tasks; add "infer"/);
      const inver = system.pool(Here, { size: 1, task: "inver" as "infer" });
      assert.match(await inver.then(() => "", ({ message }: Error) => message), /task is inver; did you mean infer\?/);
    } finally {
      await system.close();
    }
    const away = await launch({ workers: [{ kinds: ["train"], hosts: "n1" }] }).catch((error: Error) => error.message);
    assert.match(String(away), /group workers\.1 is not on this machine; shoal run starts such groups/);
  },
  { timeoutMs },
);

const pidOf = (directory: string, node: string): number =>
  Number(recordsOf(directory).findLast((one) => one.type === "NodeJoined" && one["node"] === node)?.["pid"]);

test("a group that never comes fails the run, by its name, with what was run there and what that said", async () => {
  await inFolder(async ({ path, start, write }) => {
    write("kinds.mjs", program);
    mkdirSync(join(path, "bin"));
    chmodSync(write("bin/ssh", '#!/bin/sh\necho "Permission denied (publickey)." >&2\nexit 255\n'), 0o755);
    write("two.toml", '[[workers]]\nkinds = ["train"]\nname = "far"\nhosts = "gpu[1-2]"\n');
    const env = { PATH: `${join(path, "bin")}:${process.env["PATH"]}` };
    const refused = await start(["run", "./kinds.mjs", "--config", "two.toml"], { env }).ended;
    assert.equal(refused.code, 1, shown(refused));
    assert.match(refused.stderr, /Cannot start node n[23] of group far: .* on gpu[12] ended with exit code 255/);
    assert.match(refused.stderr, /it was run as \S*ssh [^]*Permission denied \(publickey\)/);

    const command = `workerCommand = "sh ${write("silent.sh", "exec sleep 600\n")}"`;
    write("two.toml", `limits.joinTimeoutMs = 1500\n[[workers]]\nkinds = ["train"]\nname = "far"\n${command}\n`);
    const late = await start(["run", "./kinds.mjs", "--config", "two.toml"]).ended;
    assert.equal(late.code, 1, shown(late));
    assert.match(late.stderr, /node n2 of group far: .*did not join within 1500 ms/);
  });
}, { timeoutMs });

/** The tasks of a kind that were held up go on once a part of the run was lost. */
async function disturbed(
  lose: (running: Started, directory: string) => Promise<void>,
  follow: readonly string[] | undefined,
): Promise<void> {
  await inFolder(async ({ path, start, shoal, write }) => {
    write("shoal.config.toml", groups);
    write("kinds.mjs", program);
    write("train", "");
    const directory = join(path, "runs/one");
    const running = start(["run", "./kinds.mjs", "--json", "--name", "one", "--held", "train"]);
    const begun = (): boolean => readdirSync(path).filter((name) => name.startsWith("begun-")).length >= 4;
    await until("tasks of training are under way", begun, () => "");
    await lose(running, directory);
    rmSync(join(path, "train"));
    const first = await running.ended;
    const last = follow === undefined ? first : await shoal(...follow);
    assert.equal(last.code, 0, shown(last));
    const { nodes, sum } = resultIn(last.stdout);
    assert.equal(sum, sumWanted);
    assert.deepEqual(nodes["train"], ["n2"]);
  });
}

test("a group that is lost in the middle comes again, and its tasks with it", async () => {
  await disturbed(async (running, directory) => {
    const before = pidOf(directory, "n2");
    process.kill(before, "SIGKILL");
    await running.says(/Node n2 is lost: .*another process of group gpu takes its place/);
    await until("another one has joined", () => pidOf(directory, "n2") !== before, () => "");
  }, undefined);
}, { timeoutMs });

test("a run with groups whose leading process is killed goes on with the same groups", async () => {
  await disturbed(async (running) => {
    process.kill(running.child.pid!, "SIGKILL");
    await running.ended;
  }, ["resume", "one", "--json"]);
}, { timeoutMs });
