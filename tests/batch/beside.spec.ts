// Runs of one user on one node at once: of the same program, from the same folder, without names of their own. No port,
// file, segment of memory or name of one is the other's.
// minutes: 2
import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { inFolder } from "../cli/stage.ts";
import { shown } from "../command.ts";
import { redisBinary } from "../services/binary.ts";
import { assert, skip, test } from "../suite.ts";
import { program, resultIn, undisturbed } from "./stage.ts";

const timeoutMs = 240_000;
const runs = ["run", "./squares.mjs", "--nodes", "2", "--threads", "1", "--tasks", "8", "--json"];

test("three runs of one program from one folder at once never meet", async () => {
  await inFolder(async (folder) => {
    const { path, write, start } = folder;
    write("squares.mjs", program);
    const sum = await undisturbed(folder, "--tasks", "8");
    const [memory, temporary] = ["memory", "tmp"].map((name) => join(path, name)) as [string, string];
    for (const made of [memory, temporary]) mkdirSync(made);
    const flags = [...runs, "--store", `shm:?dir=${memory}`, "--store-threshold", "0"];
    const all = await Promise.all([1, 2, 3].map(() => start(flags, { env: { TMPDIR: temporary } }).ended));
    for (const said of all) {
      assert.equal(said.code, 0, shown(said));
      assert.equal(resultIn(said.stdout).sum, sum);
    }
    assert.equal(new Set(all.map(({ stdout }) => (JSON.parse(stdout) as { run: string }).run)).size, 3);
    assert.equal(readdirSync(join(path, "runs")).length, 4);
    // Each has taken away what was its own: its memory, and the folder of its sockets.
    const left = readdirSync(memory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    assert.deepEqual(left.map(({ name }) => name), []);
    assert.deepEqual(readdirSync(temporary).filter((name) => name.startsWith("shoal-")), []);
  });
}, { timeoutMs });

test("two runs at once with servers of their own have each its own port, and neither's are left", async () => {
  const redis = redisBinary();
  if ("reason" in redis) skip(redis.reason);
  await inFolder(async (folder) => {
    const { write, start } = folder;
    write("squares.mjs", program);
    const sum = await undisturbed(folder, "--tasks", "8");
    const env = redis.path.includes("/") ? { PATH: `${dirname(redis.path)}:${process.env["PATH"]}` } : {};
    const all = await Promise.all([1, 2].map(() => start([...runs, "--store", "redis:auto"], { env }).ended));
    const ports = all.map((said) => {
      assert.equal(said.code, 0, shown(said));
      assert.equal(resultIn(said.stdout).sum, sum);
      return /redis:auto is redis-server .*, on \S+:(\d+)$/m.exec(said.stderr)?.[1] ?? shown(said);
    });
    assert.equal(new Set(ports).size, 2, ports.join());
  });
}, { timeoutMs });
