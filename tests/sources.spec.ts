// One source tree for every runtime: the program of the design runs from its sources on Deno and on Node 22.18 and
// newer, compiled on Node 20, and prints the same.
// only: node, it starts the other runtimes itself
// minutes: 8
import { join } from "node:path";
import { nodeOf, run, type Said, shown } from "./command.ts";
import { commandFor } from "./runner.ts";
import { assert, root, skip, test } from "./suite.ts";

const timeoutMs = 240_000;
const program = join(root, "tests/programs/embedded.ts");
// The mean of k / p for k from 0 to p − 1 is (p − 1) / 2p; over the periods 2, 4, … 64 that is 0.417969 rounded.
const printed = "6 fields, mean 0.417969\n";

const expectPrinted = (said: Said): void => {
  assert.equal(said.code, 0, shown(said));
  assert.equal(said.stdout, printed, shown(said));
};

test("Program of the design runs compiled on Node 20", async () => {
  const node = await nodeOf(20);
  if ("missing" in node) skip(node.missing);
  expectPrinted(await run(node.path, [join(root, "dist/tests/programs/embedded.js")]));
}, { timeoutMs });

for (const major of [22, 24]) {
  test(`Program of the design runs from its sources on Node ${major}`, async () => {
    const node = await nodeOf(major);
    if ("missing" in node) skip(node.missing);
    expectPrinted(await run(node.path, ["--conditions=source", program]));
  }, { timeoutMs });
}

test("Program of the design runs from its sources on Deno", async () => {
  const [deno, ...args] = commandFor("deno", program);
  expectPrinted(await run(deno, args));
}, { timeoutMs });
