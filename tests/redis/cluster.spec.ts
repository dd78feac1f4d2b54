// Every law of stores on a real Redis Cluster of three; a server of it that dies and comes back; one that is not whole.
// needs: redis
// minutes: 6
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { openStore } from "../../stores/open.ts";
import { slotOf } from "../../stores/redis/cluster.ts";
import { testLaws } from "../stores/lawful.ts";
import { assert, test } from "../suite.ts";
import { startCluster } from "../services/cluster.ts";
import { redisServices } from "../services/redis.ts";
import { clear, opened, refused } from "./subjects.ts";

const services = await redisServices();

if ("reason" in services) {
  test.skip("redis+cluster: every law", services.reason);
} else {
  const { servers, stop } = await startCluster(services.binary);
  const [first] = servers;
  const urlOf = (space: string): string => `redis+cluster://${first!.host}:${first!.port}?space=${space}`;
  const subject: Subject = {
    name: "redis+cluster:",
    bounded: true,
    edgesBytes: [2 ** 20, 2 ** 21 + 5],
    unbreakable: "tried on `redis: behind a proxy`",
    open({ place, capacity, ...options }) {
      const bounds = capacity && `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
      return openStore(`${urlOf(place)}${bounds ?? ""}`, options);
    },
    remove: (place) => clear(servers, place),
  };

  test("slotOf knows the slots of the specification", () => {
    assert.equal(slotOf("123456789"), 0x31c3);
    assert.equal(slotOf("{user1000}.following"), slotOf("{user1000}.followers"));
    assert.equal(slotOf("foo{}{bar}"), slotOf("foo{}{bar}"));
    assert.equal(slotOf("foo{bar}{zap}"), slotOf("bar"));
  });

  testLaws("redis/cluster", [...storeLaws(), ...deliveryLaws()], subject, { usually: 2, long: 1_000 });

  test("redis+cluster: spreads tensors over all servers, and finds them again when one was away", async () => {
    const store = await opened(urlOf("spread"));
    const data = new Uint8Array(12 * 2 ** 20).fill(3);
    const ref = await store.tensors.put({ data });
    await store.claims.claim("n", 1, "x");
    await servers[1]!.kill();
    await servers[1]!.start();
    // It kept nothing: what was there is told as lost, and what was not stands.
    const error = await store.tensors.get(ref).then(() => undefined, (error: unknown) => error);
    assert.match(String(error), /Lost|lost|not in its store/);
    await store.tensors.put({ data });
    await store.close();
  });

  test("redis+cluster: refuses a cluster without all slots, and a server that is no cluster", async () => {
    const partial = await startCluster(services.binary, 10_000);
    try {
      const { host, port } = partial.servers[0]!;
      await refused(`redis+cluster://${host}:${port}`, "Unavailable", /no server for slot 10000; run redis-cli/);
      await refused(`redis://${host}:${port}`, "BadInput", /part of a cluster; write redis\+cluster:/);
    } finally {
      await partial.stop();
    }
    const { host, port } = services.single;
    await refused(`redis+cluster://${host}:${port}`, "BadInput", /is no cluster; write redis:/);
  });

  test("redis+cluster: leaves nothing running", stop);
}
