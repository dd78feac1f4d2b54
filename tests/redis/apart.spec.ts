// Two runs on one Redis, on shards and on a cluster, one of them hostile in its names.
// needs: redis
import { startCluster, toServer } from "../services/cluster.ts";
import { type Place, redisServices } from "../services/redis.ts";
import { runtime, test } from "../suite.ts";
import { apart } from "../stores/apart.ts";
import { opened } from "./subjects.ts";

const services = await redisServices();
const space = `apart-${process.pid}-${runtime}`;

/** All keys of the space, as they are on the servers, and parts of them. */
async function keys(places: readonly Place[]): Promise<string[]> {
  const found: string[] = [];
  for (const place of places) {
    const connection = await toServer(place);
    const [, some] = await connection.call("SCAN", "0", "MATCH", `${space}:*`, "COUNT", 100_000) as [Buffer, Buffer[]];
    found.push(...some.map(String));
    connection.end("done");
  }
  return found.flatMap((key) => [key, key.slice(key.indexOf(":") + 1), key.slice(key.lastIndexOf(":"))]);
}

if ("reason" in services) {
  test.skip("redis: two runs, one hostile", services.reason);
} else {
  const { single, shards, binary } = services;
  for (const [name, places] of [["one server", [single]], ["shards", shards]] as const) {
    test(`redis: on ${name}, a run that is hostile in its names meets no other`, () => {
      const at = places.map(({ host, port }) => `${host}:${port}`).join();
      return apart((run) => opened(`redis://${at}?space=${space}`, run), () => keys(places));
    });
  }
  test("redis+cluster: a run that is hostile in its names meets no other", async () => {
    const { servers, stop } = await startCluster(binary);
    try {
      const { host, port } = servers[0]!;
      await apart((run) => opened(`redis+cluster://${host}:${port}?space=${space}`, run), () => keys(servers));
    } finally {
      await stop();
    }
  });
}
