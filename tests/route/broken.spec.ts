// The laws catch routes that are broken, each by the law that it names; and the good one by none of these.
import { storeLaws } from "../../stores/conformance/mod.ts";
import { keptSubject } from "../broken/kept.ts";
import { assert, long, test } from "../suite.ts";
import { brokenRoutes, routeBreaking } from "./broken.ts";

const runsMax = 200;
const seeds = long ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : [1];

const lawOf = (name: string) => {
  const law = storeLaws().find((one) => one.name === name);
  assert.ok(law !== undefined, `no law is called ${name}`);
  return law;
};

for (const { name, law: lawName, change } of brokenRoutes) {
  test(`Laws catch a route that ${name}`, async () => {
    const law = lawOf(lawName);
    for (const seed of seeds) {
      const subject = keptSubject(name, routeBreaking(change));
      const { failure } = await law.run(subject, { runs: runsMax, seed, shrink: false });
      assert.ok(failure !== undefined, `survives ${runsMax} cases of ${lawName}, seed ${seed}`);
      assert.ok(failure.path !== "", `caught by what did not happen: ${failure.message}`);
    }
  }, { timeoutMs: 60_000 * (long ? 5 : 1) });
}

test("Laws do not catch the route that nothing was changed in", async () => {
  for (const lawName of new Set(brokenRoutes.map(({ law }) => law))) {
    // Its two parts hold as much as each of them may, and so twice the capacity together.
    if (lawName === "L6 room") continue;
    await lawOf(lawName).test(keptSubject("a good route", routeBreaking(() => ({}))), { runs: 40, seed: 1 });
  }
}, { timeoutMs: 60_000 });
