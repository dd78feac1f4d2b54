// Processes that write, read and sweep on one store are killed, and stopped and woken, at random points.
// minutes: 12
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { kills } from "../../stores/conformance/mod.ts";
import { isShoalError } from "../../stores/error.ts";
import { assert, long, seed, test } from "../suite.ts";

const shared = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Where each backend lies, and its URL there. */
const backends: readonly (readonly [string, string, (folder: string) => string])[] = [
  ["file:", tmpdir(), (folder) => pathToFileURL(folder).href],
  ["shm:", shared, (folder) => `shm:?dir=${encodeURIComponent(folder)}`],
];
/** Much more than stands at any time, and less than all that are killed have ever held. */
const bounded = [...backends, [
  "shm: with a capacity",
  shared,
  (folder: string) => `shm:?dir=${encodeURIComponent(folder)}&capacity=128MiB`,
]] as const;

const wanted = long ? 200 : 10;
const pairWanted = long ? 50 : 3;
/** For each kill: what is read and counted at each grows with all that were before. */
const msMax = long ? 30_000 : 12_000;

for (const [name, above, urlOf] of bounded) {
  test(`${name} stands ${wanted} kills of writers, readers, sweepers and zombies`, async () => {
    const folder = mkdtempSync(join(above, "shoal-kills-"));
    try {
      const { killed, counts, problems } = await kills({ url: urlOf(folder), kills: wanted, seed });
      assert.deepEqual(problems, [], `seed ${seed}`);
      const { writers, readers, sweepers, zombies } = killed;
      assert.equal(writers + readers + sweepers + zombies, wanted);
      assert.ok(Math.min(writers, readers, sweepers, zombies) > 0, JSON.stringify(killed));
      // Nothing is proven of what was never tried.
      for (const [what, count] of Object.entries(counts)) {
        if (what !== "swept") assert.ok(count > wanted / 4, `${what}: ${count}`);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, { timeoutMs: msMax * wanted });
}

for (const [name, above, urlOf] of backends) {
  test(`${name} keeps two runs at one place apart while the processes of both are killed`, async () => {
    const folder = mkdtempSync(join(above, "shoal-kills-"));
    try {
      const options = { url: urlOf(folder), kills: pairWanted };
      const reports = await Promise.all(
        ["a", "a.b"].map((run, index) => kills({ ...options, run, seed: seed + index })),
      );
      for (const { problems, counts } of reports) {
        assert.deepEqual(problems, [], `seed ${seed}`);
        assert.ok(counts.puts > 0 && counts.sweeps > 0);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, { timeoutMs: msMax * Math.max(10, 2 * pairWanted) });
}

test("memory: ends with its process, and kills says so", async () => {
  await assert.rejects(kills({ url: "memory:" }), (error) => {
    assert.ok(isShoalError(error, "BadInput"));
    assert.match(error.message, /^Cannot kill processes on memory:: it is shared by threads?, .*; kill the threads/);
    return true;
  });
});
