// A memory that is full: what finds no place is refused or waits, as configured, and no process ends of it.
// minutes: 3
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { commandFor } from "../runner.ts";
import { assert, runtime, skip, test } from "../suite.ts";
import { inMemory, ways } from "./place.ts";

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function run(program: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => output += text);
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ code: null, output: error.message }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

/** Runs a program in a place where a folder is a memory of 64 MB; it is gone with the program. */
const inSmallMemory = (dir: string, command: readonly string[]): Promise<Ended> => {
  const script = `mount -t tmpfs -o size=64m,mode=700 none "$0" && exec "$@"`;
  return run("unshare", ["--mount", "sh", "-c", script, dir, ...command]);
};

for (const way of ways) {
  test(
    `shm store: a full memory refuses or lets wait, and all goes on when there is space (map ${way})`,
    () =>
      inMemory(async (dir) => {
        const possible = await inSmallMemory(dir, ["true"]);
        if (possible.code !== 0) skip(`a small memory cannot be mounted here: ${possible.output.trim()}`);
        const path = fileURLToPath(
          new URL(`./full${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url),
        );
        const { code, output } = await inSmallMemory(dir, [...commandFor(runtime, path), dir, way]);
        assert.equal(output.trim(), "all went on");
        assert.equal(code, 0);
      }),
    { timeoutMs: 60_000 },
  );
}
