// A million schedules of a three-node system, sixty operations each, without a violation. Minutes, so behind
// `npm run test:long`; what is short of it is in the other specs.
// minutes: 1
import { assert, long, seed, test } from "../suite.ts";
import { demand } from "./schedules.ts";

const schedules = 1_000_000;
const parts = 20;

if (long) {
  test("Delivery keeps every law in a million schedules of three nodes", async () => {
    const began = performance.now();
    const counts = new Map<string, number>();
    for (let part = 0; part < parts; part++) {
      const count = schedules / parts;
      demand({ seed: seed + part * count, count, length: 60, nodes: 3, counts });
      const minutes = (performance.now() - began) / 60_000;
      const done = (part + 1) * count;
      console.log(`  ${done} schedules, ${Math.round(done / minutes)} a minute`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok((counts.get("zombie") ?? 0) > 0 && (counts.get("kill inside a handler") ?? 0) > 0);
  }, { timeoutMs: 55 * 60_000 });
} else {
  test.skip("Delivery keeps every law in a million schedules of three nodes", "it takes minutes: npm run test:long");
}
