// The tasks of `threads` in tinypool.

import { fileURLToPath } from "node:url";
import { Tinypool } from "tinypool";
import { serveTasks } from "./tasks.ts";

const filename = fileURLToPath(new URL("./echo.js", import.meta.url));

await serveTasks("tinypool", (threads) => {
  const pool = new Tinypool({ filename, minThreads: threads, maxThreads: threads });
  return { run: (n) => pool.run(n), close: () => pool.destroy() };
});
