// Processes of a run that meet on a Redis are killed, and stopped for longer than their lease and woken, and the server is
// killed and cut off, while durable accounts in them pay each other, with all mail in its streams.
// needs: redis
// minutes: 3
import { faultProxy } from "../../stores/conformance/mod.ts";
import { redisServices } from "../services/redis.ts";
import { startRedis } from "../services/server.ts";
import { long, seed, test } from "../suite.ts";
import { stands } from "./mayhem.ts";
import { outages } from "./outages.ts";

const services = await redisServices();
const blows = long ? 200 : 10;
const msMax = 40_000;
const title = `redis: keeps the money of ${blows} blows to its processes, the server and the way to it`;

if ("reason" in services) {
  test.skip(title, services.reason);
} else {
  test(title, async () => {
    const settings = [["appendonly", "yes"], ["appendfsync", "always"]] as const;
    const server = await startRedis(services.binary, { settings });
    const proxy = await faultProxy(server);
    try {
      const store = `redis://${proxy.host}:${proxy.port}?space=mayhem`;
      const troubles = outages(server, proxy, seed);
      await stands({ store, nodes: 3, blows, seed, leaseMs: 2_000, link: "log", troubles });
    } finally {
      await proxy.close();
      await server.stop();
    }
  }, { timeoutMs: msMax * blows });
}
