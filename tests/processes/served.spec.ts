// Processes of a run that meet on a Redis are killed, and stopped for longer than their lease and woken, while durable
// accounts in them pay each other, with all mail in its streams.
// needs: redis
// minutes: 3
import { assert, long, seed, test } from "../suite.ts";
import { redisServices } from "../services/redis.ts";
import { mayhem } from "./mayhem.ts";

const services = await redisServices();
const blows = long ? 200 : 6;
const msMax = 40_000;

if ("reason" in services) {
  test.skip("redis: keeps the money of processes that are killed or stopped", services.reason);
} else {
  const { host, port } = services.single;
  test(
    `redis: keeps the money of ${blows} processes that are killed or stopped, with all mail in its streams`,
    async () => {
      const store = `redis://${host}:${port}?space=mayhem-${seed}-${process.pid}`;
      const done = await mayhem({ store, nodes: 3, blows, seed, leaseMs: 2_000, link: "log" });
      assert.deepEqual(done.problems, [], `seed ${seed}`);
      assert.equal(done.kills + done.stops, blows);
      // Nothing is proven of what was never tried.
      assert.ok(done.calls.done > 0, JSON.stringify(done));
      assert.equal(done.fenced, done.stops);
    },
    { timeoutMs: msMax * blows },
  );
}
