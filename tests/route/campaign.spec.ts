// A campaign whose kinds of tasks have stores of their own finds the same as with one store, and uses each of them.
// minutes: 2
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { inFolder } from "../cli/stage.ts";
import { assert, test } from "../suite.ts";

const args = [
  "run",
  "molecules",
  "--simulator",
  "recorded",
  "--seed",
  "7",
  "--initial",
  "8",
  "--max",
  "16",
  "--threads",
  "1",
  "--json",
];

test(
  "shoal run molecules: a store for each kind of task, the same answer, and bytes in all of them",
  () =>
    inFolder(async ({ shoal, path }) => {
      const at = (name: string): string => pathToFileURL(join(path, name)).href;
      const stores = [
        "--simulate-store",
        at("simulate"),
        "--train-store",
        "memory:?verify=always",
        "--infer-store",
        at("infer"),
      ];
      const answers: string[] = [];
      for (const more of [["--store-threshold", "0"], [...stores, "--store-threshold", "0"]]) {
        const said = await shoal(...args, ...more);
        assert.equal(said.code, 0, said.stderr);
        assert.doesNotMatch(said.stderr, /never used/);
        const { simulated, bestSimulated, bestPredicted, meanRelativeError, store } = JSON.parse(said.stdout);
        answers.push(JSON.stringify([simulated, bestSimulated, bestPredicted, meanRelativeError]));
        for (const task of ["simulate", "train", "infer"]) {
          assert.ok(store[task].putBytes > 0 && store[task].getBytes > 0, `${task}: ${JSON.stringify(store)}`);
        }
      }
      assert.equal(answers[1], answers[0]);
    }),
  { timeoutMs: 300_000 },
);

test("shoal run: a store of a kind of task that cannot be is told before anything runs", () =>
  inFolder(async ({ shoal }) => {
    const said = await shoal(...args, "--train-store", "fil:///x");
    assert.notEqual(said.code, 0);
    assert.match(said.stderr, /unknown scheme "fil:"; did you mean file:/);
    const flag = await shoal(...args, "--tran-store", "memory:");
    assert.equal(flag.code, 2);
    assert.match(flag.stderr, /did you mean --train-store\?/);
  }));
