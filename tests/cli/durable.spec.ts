// Durable actors of a run whose store ends with its process: the run directory keeps them, and resume finds them as
// they were.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, test } from "../suite.ts";
import { entry, inFolder } from "./stage.ts";

const program = `
import { appendFileSync } from "node:fs";
import { Actor } from ${JSON.stringify(entry)};

export class Counter extends Actor {
  static module = import.meta.url;
  static durable = true;
  count = 0;
  add() { return ++this.count; }
  async keep() { this.ref = await this.store.put({ data: new Float64Array(100_000) }); }
}

export default async function (system) {
  const counter = await system.spawn(Counter, undefined, { name: "counter" });
  const kept = await counter.ask("keep").catch((error) => error.message);
  for (let n = 1; n <= 50; n++) {
    const count = await counter.ask("add");
    appendFileSync("counts", count + "\\n");
    if (count === 20) process.kill(process.pid, "SIGKILL");
  }
  return { kept, found: (await system.find(Counter, "counter")) !== undefined };
}
`;

test(
  "a durable actor of a run in memory is kept in the run directory, and there again after kill -9 and resume",
  async () => {
    await inFolder(async ({ path, shoal, start, write }) => {
      write("count.mjs", program);
      const killed = await start(["run", "./count.mjs", "--name", "counted"]).ended;
      assert.equal(killed.signal, "SIGKILL", killed.stderr);
      const resumed = await shoal("resume", "counted", "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      const { kept, found } = JSON.parse(resumed.stdout) as { kept: string; found: boolean };
      // Its state may be kept there; a tensor that ends with the process may not.
      assert.match(kept, /refers to tensor .* which ends with this process; choose another --store/);
      assert.equal(found, true);
      const counts = readFileSync(join(path, "counts"), "utf8").trim().split("\n").map(Number);
      assert.deepEqual(counts, Array.from({ length: 70 }, (_, index) => index + 1));
      assert.ok(existsSync(join(path, "runs/counted/checkpoints")));
    });
  },
  { timeoutMs: 120_000 },
);
