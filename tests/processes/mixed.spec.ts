// One system of both runtimes: whoever leads runs on one, from sources or from what was compiled of them, and its
// worker on the other, in the other form.
import { join } from "node:path";
import { launch, type RunRecord } from "../../runtime/mod.ts";
import { commandFor } from "../runner.ts";
import { assert, root, runtime, test } from "../suite.ts";
import { Here } from "./actors.ts";

const other = runtime === "node" ? "deno" : "node";
// On Deno this process is no Node: the one on the PATH is, from which the tests were started.
const command = other === "deno"
  ? commandFor("deno", join(root, "runtime/launch/worker.ts"))
  : ["node", join(root, "dist/runtime/launch/worker.js")];

test(`launch: a worker may run on ${other} while ${runtime} leads`, async () => {
  const joined: string[] = [];
  const system = await launch({
    nodes: 2,
    threads: 0,
    workerCommand: command,
    record(one: RunRecord) {
      if (one.type === "NodeJoined") joined.push(one.machine.runtime);
    },
  });
  try {
    assert.equal(joined.length, 1);
    assert.ok(joined[0]!.startsWith(other), joined[0]);
    const far = await system.spawn(Here, undefined, { node: "n2", name: "far" });
    const near = await system.spawn(Here);
    const { runtime: there, pid } = await far.ask("where");
    assert.equal(there, other);
    assert.equal(await far.ask("ask", near), process.pid);
    assert.equal(await near.ask("ask", far), pid);
    assert.deepEqual(await far.ask("echo", [1n, -0, NaN, new Float64Array([0.1, -0])]), [
      1n,
      -0,
      NaN,
      new Float64Array([0.1, -0]),
    ]);
    const pool = await system.pool(Here, { size: 4 });
    const where = await pool.map("where", [...Array(8)].map(() => undefined) as never);
    assert.deepEqual(new Set(where.map((one) => one.runtime)), new Set(["node", "deno"]));
  } finally {
    await system.close();
  }
}, { timeoutMs: 120_000 });
