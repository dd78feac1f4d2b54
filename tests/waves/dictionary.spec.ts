// The first example: a dictionary that two processes share, each with a key of its own.
import { join } from "node:path";
import { inFolder } from "../cli/stage.ts";
import { assert, root, runtime, test } from "../suite.ts";

const loads = runtime === "deno" || !/^v(1\d|20\.[0-5])\./.test(process.version);
const what = "examples/dictionary.ts: what one process has put, the next one finds by its key";

if (!loads) test.skip(what, "this Node does not load TypeScript");
else {
  test(what, () =>
    inFolder(async ({ shoal, path }) => {
      const program = join(root, "examples/dictionary.ts");
      const at = `file://${join(path, "shared")}`;
      const found: object[] = [];
      for (const who of ["anna", "a/.."]) {
        const said = await shoal("run", program, "--at", at, "--who", who, "--json", "--quiet");
        assert.equal(said.code, 0, said.stderr);
        const { run: _, seed: __, ...keys } = JSON.parse(said.stdout);
        found.push(keys);
      }
      assert.deepEqual(found, [
        { "fields/anna": 4 },
        { "fields/a/..": 4, "fields/anna": 4 },
      ]);
    }), { timeoutMs: 120_000 });
}
