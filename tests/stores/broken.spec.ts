// The laws are tested: each broken store is caught by the law that it names, and the good one by none of them.
// minutes: 4
import { storeLaws } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { keptSubject } from "../broken/kept.ts";
import { brokenStores } from "../broken/stores.ts";
import { assert, long, test } from "../suite.ts";

const runsMax = 200;
const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

for (const { name, law: lawName, breaking, outside } of brokenStores) {
  test(`Laws catch a store that ${name}`, async () => {
    const law = storeLaws().find(({ name }) => name === lawName);
    assert.ok(law !== undefined, `no law is called ${lawName}`);
    for (const seed of seeds) {
      const { failure, runs } = await law.run(keptSubject(name, breaking, outside), {
        runs: runsMax,
        seed,
        shrink: false,
      });
      assert.ok(failure !== undefined, `survives ${runsMax} cases of ${lawName}, seed ${seed}`);
      assert.ok(failure.path !== "", `caught by what did not happen: ${failure.message}`);
      if (process.env["SHOAL_SHOW"] === "1") console.log(`\n${name} | ${lawName} | ${runs} | ${failure.message}`);
    }
  }, { timeoutMs: 60_000 * (long ? 5 : 1) });
}

const unfitForDelivery = [
  "reorders a log",
  "loses the middle of a log",
  "accepts two epochs",
  "lets a claim be held twice",
  "forgets on reopen",
];

for (const name of unfitForDelivery) {
  test(`Delivery shows a store that ${name}`, async () => {
    const { breaking, outside } = brokenStores.find((one) => one.name === name)!;
    for (const law of deliveryLaws()) {
      for (const seed of seeds.slice(0, long ? 10 : 2)) {
        const subject = keptSubject(name, breaking, outside);
        const { failure, runs } = await law.run(subject, { runs: runsMax, seed, shrink: false });
        assert.ok(failure !== undefined && failure.path !== "", `survives ${runs} cases, seed ${seed}`);
        assert.match(failure.message, /^L\d+ /);
      }
    }
  }, { timeoutMs: 60_000 });
}

test("A failure shows the smallest case, and its seed and path bring it back", async () => {
  const { breaking } = brokenStores.find(({ name }) => name === "loses the middle of a log")!;
  const law = storeLaws().find(({ name }) => name === "L1 logs stand in a row")!;
  const subject = keptSubject("broken", breaking);
  const { failure } = await law.run(subject, { seed: 1, replay: (seed, path) => `again ${seed} ${path}` });
  assert.ok(failure !== undefined);
  assert.equal(failure.replay, `again 1 ${failure.path}`);
  const steps = failure.case.match(/"kind"/g) ?? [];
  assert.ok(steps.length <= 4, failure.case);
  const again = await law.run(subject, { seed: failure.seed, path: failure.path });
  assert.equal(again.failure?.message, failure.message);
  assert.equal(again.failure?.case, failure.case);
  await assert.rejects(law.test(subject, { seed: 1 }), (error: Error) => {
    assert.match(error.message, /L1 logs stand in a row is broken by broken after \d+ cases: /);
    assert.match(error.message, /\n {4}law: .*\n {4}case: .*\n {4}replay: /s);
    return true;
  });
});
