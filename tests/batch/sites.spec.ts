// Two sites, in networks of their own: simulations beside a Redis server, training and inference where it cannot be
// reached. The campaign finds what it finds on one site; what cannot work is told by group, host, store and cure.
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { entry, type Folder, inFolder, recordsOf } from "../cli/stage.ts";
import { run, type Said, shown } from "../command.ts";
import { commandFor } from "../runner.ts";
import { redisBinary } from "../services/binary.ts";
import { type Sites, twoSites } from "../services/sites.ts";
import { assert, root, runtime, skip, test } from "../suite.ts";

const timeoutMs = 240_000;
const shoal = commandFor(runtime, join(root, "runtime/cli/main.ts"));

/** What ssh does, but for its own protocol: a shell of another environment and folder, on the other site. */
const ssh = (words: readonly string[]): string =>
  `#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift 2
cd / && exec ${words.join(" ")} env -i HOME="$HOME" PATH=/usr/bin:/bin sh -c "$*"
`;

/** Few molecules, whose energies are made of their place in the table. */
const space = ["", "O", "N", "F", "C#N"].flatMap((tail, kind) =>
  Array.from(
    { length: 8 },
    (_, length) => `${"C".repeat(length + 1)}${tail}\t${8 + (kind * 37 + length * 11) % 53 / 10}`,
  )
);

const groups = `
[[workers]]
kinds = ["train", "infer"]
launcher = "ssh"
site = "./gpu-machine.toml"
nodes = 2
threads = 0
`;

interface Stage extends Folder {
  readonly sites: Sites;
  /** Runs shoal on the first site. */
  shoalThere(...args: string[]): Promise<Said>;
  urlOf(name: string): string;
}

async function onTwoSites(body: (stage: Stage) => Promise<void>): Promise<void> {
  const redis = redisBinary();
  if ("reason" in redis) skip(redis.reason);
  const sites = await twoSites(redis.path);
  if ("reason" in sites) skip(sites.reason);
  try {
    await inFolder(async (folder) => {
      const { path, write, env } = folder;
      mkdirSync(join(path, "bin"));
      chmodSync(write("bin/ssh", ssh(sites.second.within())), 0o755);
      write("space.tsv", `smiles\tie\n${space.join("\n")}\n`);
      write("gpu-machine.toml", `hosts = "site-b"\nsetup = ["export TOLD=there"]\n`);
      write("two.toml", groups);
      const [program, ...args] = sites.first.within(...shoal);
      const there = { ...env, PATH: `${join(path, "bin")}:${process.env["PATH"] ?? ""}` };
      await body({
        ...folder,
        sites,
        shoalThere: (...words) => run(program, [...args, ...words], { cwd: path, env: there }),
        urlOf: (name) => pathToFileURL(join(path, name)).href,
      });
    });
  } finally {
    await sites.stop();
  }
}

const molecules = ["run", "molecules", "--simulator", "recorded", "--space", "space.tsv", "--seed", "7"];
const sizes = ["--initial", "4", "--batch", "4", "--max", "12", "--threads", "1", "--json", "--store-threshold", "0"];

/** What a campaign found, without what differs from run to run. */
function answerOf({ stdout }: Said): object {
  const { run: _, seconds: __, utilisation: ___, store: ____, ...found } = JSON.parse(stdout);
  return found;
}

test("shoal run molecules on two sites, one of them cut off from Redis, finds what it finds on one", async () => {
  await onTwoSites(async ({ sites, shoal: here, shoalThere, urlOf, path }) => {
    const { host, port } = sites.redis;
    const dial = async (site: "first" | "second", to: string): Promise<Said> => {
      const [program, ...args] = sites[site].within("bash", "-c", `exec 3<>/dev/tcp/${to}`);
      return await run(program, args);
    };
    assert.equal((await dial("first", `${host}/${port}`)).code, 0);
    assert.match((await dial("second", `${host}/${port}`)).stderr, /unreachable/i);
    // The wire is there: nobody listens at its other end.
    assert.match((await dial("second", `${sites.wire}/9`)).stderr, /refused/i);

    const one = await here(...molecules, ...sizes);
    assert.equal(one.code, 0, shown(one));
    const tensors = urlOf("tensors");
    const stores = ["--store", `redis://${host}:${port}`, "--mail-store", urlOf("mail")];
    const kinds = ["--train-store", tensors, "--infer-store", tensors];
    const two = await shoalThere(...molecules, ...sizes, ...stores, ...kinds, "--config", "two.toml", "--name", "two");
    assert.equal(two.code, 0, shown(two));
    assert.deepEqual(answerOf(two), answerOf(one));

    assert.match(two.stderr, /this process takes simulate: 1 process here/);
    assert.match(two.stderr, /gpu-machine takes train, infer: 2 processes by ssh on site-b/);
    assert.match(two.stderr, /mail goes by file:\/\/\S+mail, which all of them must reach/);
    assert.doesNotMatch(two.stderr, /never used/);
    const { store } = JSON.parse(two.stdout) as { store: Record<string, { putBytes: number; getBytes: number }> };
    for (const task of ["simulate", "train", "infer"]) assert.ok(store[task]!.putBytes > 0, JSON.stringify(store));
    const joined = recordsOf(join(path, "runs/two")).filter(({ type }) => type === "NodeJoined");
    const hosts = joined.map(({ node, machine }) => `${String(node)} ${(machine as { host: string }).host}`);
    assert.deepEqual(hosts.sort(), ["n2 site-b", "n3 site-b"]);
  });
}, { timeoutMs });

const tensors = `
import { Actor } from ${JSON.stringify(entry)};
export class Give extends Actor {
  static module = import.meta.url;
  run() { return this.store.put({ data: new Float64Array(8).fill(4) }); }
}
export class Take extends Actor {
  static module = import.meta.url;
  async run(ref) { return (await this.store.get(ref)).data[7] + " " + process.env.TOLD; }
}
export default async function (system) {
  const give = await system.pool(Give, { size: 1, task: "simulate" });
  const take = await system.pool(Take, { size: 1, task: "train" });
  const own = await system.storeOf("train").put({ data: new Float64Array(8).fill(3) });
  const near = await take.ask("run", own);
  const far = await take.ask("run", await give.ask("run")).catch(({ code, message }) => code + ": " + message);
  return { near, far };
}
`;

test(
  "a store that a group needs and cannot reach is told when it joins, another one when something in it is wanted",
  async () => {
    await onTwoSites(async ({ sites, shoalThere, urlOf, write }) => {
      const { host, port } = sites.redis;
      const redis = `redis://${host}:${port}`;
      const away = await shoalThere(...molecules, ...sizes, "--store", redis, "--config", "two.toml");
      assert.equal(away.code, 1, shown(away));
      assert.match(away.stderr, /Cannot start node n[23] of group gpu-machine: a?.*process \d+ on site-b/);
      const needs =
        /Cannot join as n[23]: group gpu-machine on site-b needs the store of mail and those of train, infer/;
      assert.match(away.stderr, needs);
      assert.match(away.stderr, /10\.77\.2\.1:6379 cannot be reached .*--mail-store, --train-store, --infer-store\)/);

      write("give.mjs", tensors);
      const stores = ["--store", redis, "--mail-store", urlOf("mail"), "--train-store", urlOf("tensors")];
      const flags = ["--infer-store", urlOf("tensors"), "--store-threshold", "0", "--threads", "1", "--json"];
      const said = await shoalThere("run", "./give.mjs", ...stores, ...flags, "--config", "two.toml");
      assert.equal(said.code, 0, shown(said));
      const { near, far } = JSON.parse(said.stdout) as { near: string; far: string };
      assert.equal(near, "3 there");
      assert.match(far, /group gpu-machine on site-b cannot open it: .*10\.77\.2\.1:6379 cannot be reached.*name one/);
    });
  },
  { timeoutMs },
);
