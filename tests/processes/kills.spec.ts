// Processes of a run are killed, and stopped for longer than their lease and woken, while durable accounts in them pay
// each other over a real store: nobody's money is lost or made, every call ends, and who comes back late is told.
// minutes: 4
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { long, seed, test } from "../suite.ts";
import { stands } from "./mayhem.ts";

const shared = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
const blows = long ? 200 : 10;
const msMax = 40_000;

/** Where each backend lies, its URL there, and how mail crosses. */
const backends: readonly (readonly [string, string, (folder: string) => string, "auto" | "log"])[] = [
  ["file:", tmpdir(), (folder) => pathToFileURL(folder).href, "auto"],
  ["shm:", shared, (folder) => `shm:?dir=${encodeURIComponent(folder)}`, "log"],
];

for (const [name, above, urlOf, link] of backends) {
  const how = link === "log" ? ", with all mail in its log" : "";
  test(`${name} keeps the money of ${blows} processes that are killed or stopped${how}`, async () => {
    const folder = mkdtempSync(join(above, "shoal-mayhem-"));
    try {
      await stands({ store: urlOf(folder), nodes: 3, blows, seed, leaseMs: 2_000, link, bars: true });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, { timeoutMs: msMax * blows });
}
