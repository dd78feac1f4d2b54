// A directory of names under several processes: each adds to one number by compare-and-set, some are killed in the
// middle, and the number is what they made it; whoever watches sees it grow.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { realWorld } from "../../runtime/launch/world.ts";
import { directory } from "../../stores/directory.ts";
import { openStore } from "../../stores/open.ts";
import { commandFor } from "../runner.ts";
import { assert, long, runtime, test } from "../suite.ts";

const path = fileURLToPath(new URL(`./child${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url));

/** Adds in another process; ended after so many additions where that is said. Answers how many were acknowledged. */
async function adding(url: string, count: number, killedAt: number = Infinity): Promise<number> {
  const [program, ...first] = commandFor(runtime, path);
  const child = spawn(program, [...first, url, `${count}`], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve, reject) => child.on("close", resolve).on("error", reject));
  let added = 0;
  for await (const _ of createInterface({ input: child.stdout })) {
    added += 1;
    if (added === killedAt) child.kill("SIGKILL");
  }
  await ended;
  return added;
}

const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const places: Readonly<Record<string, (folder: string) => string>> = {
  "file:": (folder) => pathToFileURL(folder).href,
  "shm:": (folder) => `shm:?dir=${encodeURIComponent(folder)}`,
};

for (const [name, urlOf] of Object.entries(places)) {
  test(`Names on ${name} lose no addition of several processes, and make none up when some are killed`, async () => {
    const folder = mkdtempSync(join(base, "shoal-names-"));
    mkdirSync(join(folder, "place"));
    const url = urlOf(join(folder, "place"));
    const store = await openStore(url, { run: "r", environment: realWorld, strict: true, thresholdBytes: 0 });
    try {
      const names = directory<number>(store, { environment: realWorld, directory: "../sums" });
      const seen: number[] = [];
      // Ends with the value that is set when all have added.
      const watching = (async () => {
        for await (const one of names.watch("a/..")) {
          if (one?.value === -1) return;
          seen.push(one?.value ?? 0);
        }
      })();
      watching.catch(() => {});
      const count = long ? 200 : 30;
      const added = await Promise.all([
        adding(url, count),
        adding(url, count),
        adding(url, count, 10),
        adding(url, count, 20),
      ]);
      const acknowledged = added.reduce((sum, one) => sum + one, 0);
      const sum = (await names.get("a/.."))?.value ?? 0;
      // Of each that was killed, one may have happened and was not told. No other is made twice: who is overtaken
      // before his claim has answered finds out that it stood.
      assert.ok(sum >= acknowledged && sum <= acknowledged + 2, `${sum} of ${acknowledged}`);
      assert.equal((await names.get("a/.."))?.version, sum);
      await names.set("a/..", -1);
      await watching;
      assert.deepEqual(seen, [...new Set(seen)].toSorted((a, b) => a - b));
      const others = directory(store, { environment: realWorld, directory: "../sum" });
      assert.deepEqual(await others.list(), []);
      assert.deepEqual(readdirSync(folder), ["place"], "a name is no path");
    } finally {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }, { timeoutMs: 60_000 * (long ? 5 : 1) });
}
