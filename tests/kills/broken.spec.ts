// The kill harness is tested: stores with one promise broken in each of their processes are found out by it.
// minutes: 4
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { kills } from "../../stores/conformance/mod.ts";
import { assert, seed, test } from "../suite.ts";
import { brokenStores } from "./broken.ts";

const triesMax = 8;
const source = import.meta.url;
const opener = new URL(`./broken${source.slice(source.lastIndexOf("."))}`, source).href;

for (const [name, { said }] of Object.entries(brokenStores)) {
  test(`kills finds out a store that ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "shoal-kills-"));
    try {
      const url = `${pathToFileURL(folder).href}#${encodeURIComponent(name)}`;
      const found: string[] = [];
      // Which moment a kill meets is chance: one that nothing shows at is not the last.
      for (let tries = 0; tries < triesMax && !found.some((problem) => said.test(problem)); tries++) {
        const { problems } = await kills({ url, opener, kills: 4, seed: seed + tries });
        found.push(...problems);
      }
      assert.ok(found.some((problem) => said.test(problem)), `seed ${seed}: ${found.join("\n")}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, { timeoutMs: 60_000 });
}
