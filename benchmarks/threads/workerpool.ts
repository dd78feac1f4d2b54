// The tasks of `threads` in workerpool.

import { fileURLToPath } from "node:url";
import workerpool from "workerpool";
import { serveTasks } from "./tasks.ts";

const script = fileURLToPath(new URL("./offered.js", import.meta.url));

await serveTasks("workerpool", (threads) => {
  const pool = workerpool.pool(script, { minWorkers: threads, maxWorkers: threads, workerType: "thread" });
  return {
    run: async (n) => await pool.exec("echo", [n]) as number,
    async close() {
      await pool.terminate();
    },
  };
});
