// The tasks of `threads` in piscina.

import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { serveTasks } from "./tasks.ts";

const filename = fileURLToPath(new URL("./echo.js", import.meta.url));

await serveTasks("piscina", (threads) => {
  const pool = new Piscina({ filename, minThreads: threads, maxThreads: threads });
  return { run: (n) => pool.run(n), close: () => pool.destroy() };
});
