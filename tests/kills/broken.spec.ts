// The kill harness is tested: stores with one promise broken in each of their processes are found out by it.
// minutes: 8
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { kills } from "../../stores/conformance/mod.ts";
import { assert, seed, test } from "../suite.ts";
import { brokenStores } from "./broken.ts";

const triesMax = 16;
const source = import.meta.url;
const opener = new URL(`./broken${source.slice(source.lastIndexOf("."))}`, source).href;

for (const [name, { said }] of Object.entries(brokenStores)) {
  test(`kills finds out a store that ${name}`, async () => {
    const found: string[] = [];
    // Which moment a kill meets is chance: one that nothing shows at is not the last. Each begins on a store of its own,
    // that what the one before left there does not keep it from its work.
    for (let tries = 0; tries < triesMax && !found.some((problem) => said.test(problem)); tries++) {
      const folder = mkdtempSync(join(tmpdir(), "shoal-kills-"));
      try {
        const url = `${pathToFileURL(folder).href}#${encodeURIComponent(name)}`;
        const { problems } = await kills({ url, opener, kills: 4, seed: seed + tries });
        found.push(...problems);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
    assert.ok(
      found.some((problem) => said.test(problem)),
      `seed ${seed}: ${[...new Set(found)].slice(0, 20).join("\n")}`,
    );
  }, { timeoutMs: 120_000 });
}
