// Molecules and waves on real Redis servers, as shards: the same answers as in memory, after a kill too, and two runs side
// by side.
// needs: redis
// minutes: 4
import { campaignsOn } from "../campaigns/elsewhere.ts";
import { redisServices } from "../services/redis.ts";
import { runtime, test } from "../suite.ts";

const services = await redisServices();
let places = 0;

if ("reason" in services) {
  test.skip("redis: campaigns", services.reason);
} else {
  const servers = services.shards.map(({ host, port }) => `${host}:${port}`).join();
  campaignsOn("redis:", () => `redis://${servers}?space=campaigns-${process.pid}-${runtime}-${places++}`);
}
