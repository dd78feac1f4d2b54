// A worker ends though whoever led its run is gone, and the store that would have told it so is gone as well.
// needs: redis
import { spawn } from "node:child_process";
import { join } from "node:path";
import { redisServices } from "../services/redis.ts";
import { startRedis } from "../services/server.ts";
import { commandFor } from "../runner.ts";
import { assert, root, runtime, test } from "../suite.ts";

const services = await redisServices();
const title = "worker: one whose leader and store are both gone ends by itself";

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

if ("reason" in services) {
  test.skip(title, services.reason);
} else {
  test(title, async () => {
    const server = await startRedis(services.binary);
    const file = import.meta.url.endsWith(".ts") ? "tests/processes/head.ts" : "dist/tests/processes/head.js";
    const [program, ...args] = commandFor(runtime, join(root, file));
    const head = spawn(program, [...args, `redis://${server.host}:${server.port}?space=orphans`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const worker = await new Promise<number>((resolve, reject) => {
        let said = "";
        head.stdout.setEncoding("utf8").on("data", (text: string) => {
          said += text;
          const [, pid] = /\{"worker":(\d+)\}/.exec(said) ?? [];
          if (pid !== undefined) resolve(Number(pid));
        });
        head.once("exit", (code) => reject(new Error(`It ended with ${code}: ${said}`)));
      });
      assert.ok(isAlive(worker));
      await server.kill();
      head.kill("SIGKILL");
      // The test's own end is the limit.
      while (isAlive(worker)) await new Promise((resolve) => setTimeout(resolve, 100));
    } finally {
      head.kill("SIGKILL");
      await server.stop();
    }
  }, { timeoutMs: 180_000 });
}
