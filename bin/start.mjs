// What `shoal` does once the runtime is known to be new enough: set up a clone, then load the command line.
import { existsSync } from "node:fs";

const here = (path) => new URL(path, import.meta.url);
const isClone = existsSync(here("../tsconfig.json")) && existsSync(here("../runtime/mod.ts"));

if (isClone && process.versions.deno !== undefined) {
  console.error("shoal: in a clone on Deno: deno run -A --conditions=source runtime/cli/main.ts");
  process.exit(2);
}
if (isClone) {
  const { setUp, SetUpError } = await import("./setup.mjs");
  try {
    setUp();
  } catch (error) {
    if (!(error instanceof SetUpError)) throw error;
    error.show();
    process.exit(1);
  }
}
await import("../dist/runtime/cli/main.js");
