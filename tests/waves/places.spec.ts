// Where those go who learn while others simulate: in threads apart where there are enough, and together where not.
import { launch } from "../../runtime/mod.ts";
import { apart, placesOf } from "../../actors/waves/places.ts";
import { Wave } from "../../actors/waves/wave.ts";
import { assert, test } from "../suite.ts";

for (
  const [threads, busy, expected] of [[3, 1, [1, 2]], [3, 2, [2, 1]], [2, 2, undefined], [0, 1, undefined]] as const
) {
  test(`places: ${busy} who compute without a pause, on ${threads} threads`, async () => {
    const system = await launch({ store: "memory:", threads });
    try {
      const places = await placesOf(system);
      const found = await apart(system, places, busy);
      if (expected === undefined) {
        assert.deepEqual(found, { busy: places.pool, others: places.pool });
        return;
      }
      const [own = [], others = []] = [found.busy.nodes, found.others.nodes];
      assert.deepEqual([own.length, others.length], expected);
      assert.equal(new Set([...own, ...others]).size, threads);
      const pool = await system.pool(Wave, { ...found.others, size: 2 });
      const [ref] = await pool.map("run", [{ period: 40, grid: 4, steps: 1 }]);
      assert.deepEqual(ref!.shape, [1, 2, 4, 4]);
    } finally {
      await system.close();
    }
  }, { timeoutMs: 60_000 });
}
