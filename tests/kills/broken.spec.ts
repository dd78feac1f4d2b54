// The kill harness is tested: stores with one promise broken in each of their processes are found out by it.
// minutes: 4
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { kills } from "../../stores/conformance/mod.ts";
import { assert, seed, test } from "../suite.ts";
import { brokenStores } from "./broken.ts";

const source = import.meta.url;
const opener = new URL(`./broken${source.slice(source.lastIndexOf("."))}`, source).href;

for (const [name, { said }] of Object.entries(brokenStores)) {
  test(`kills finds out a store that ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "shoal-kills-"));
    try {
      const url = `${pathToFileURL(folder).href}#${encodeURIComponent(name)}`;
      const { problems } = await kills({ url, opener, kills: 4, seed });
      assert.ok(problems.some((problem) => said.test(problem)), `seed ${seed}: ${problems.join("\n")}`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, { timeoutMs: 60_000 });
}
