// Molecules and waves on real Redis servers, as shards: the same answers as in memory, after a kill too, and two runs side
// by side.
// needs: redis
// minutes: 4
import { campaignsOn } from "../campaigns/elsewhere.ts";
import { standsKills } from "../campaigns/killed.ts";
import { redisServices } from "../services/redis.ts";
import { startRedis } from "../services/server.ts";
import { long, runtime, test } from "../suite.ts";

const services = await redisServices();
let places = 0;

if ("reason" in services) {
  test.skip("redis: campaigns", services.reason);
} else {
  const servers = services.shards.map(({ host, port }) => `${host}:${port}`).join();
  campaignsOn("redis:", () => `redis://${servers}?space=campaigns-${process.pid}-${runtime}-${places++}`);

  if (long) {
    // One of its own, that nobody else misses; it ends with this process.
    const { host, port, kill, start } = await startRedis(services.binary, {
      settings: [["appendonly", "yes"], ["appendfsync", "always"]],
    });
    standsKills({
      title: "its Redis server",
      kills: 20,
      args: () => ["--store", `redis://${host}:${port}?space=kills-${places++}`, "--store-threshold", "0"],
      async kill() {
        await kill();
        await start();
      },
    });
  }
}
