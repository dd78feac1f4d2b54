// `rediss+cluster:`: a cluster whose servers speak TLS to everybody, and to each other. The laws that reach what is said
// over the wire, and what is told where a certificate is not trusted.
// needs: redis
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { openStore } from "../../stores/open.ts";
import { assert, long, seed, skip, test } from "../suite.ts";
import { certificates } from "../services/certificates.ts";
import { startCluster } from "../services/cluster.ts";
import { redisServices } from "../services/redis.ts";
import { opened, refused } from "./subjects.ts";

const services = await redisServices();
const told = ["L1 ", "L5 ", "L7 ", "L13 "];

if ("reason" in services) {
  test.skip("rediss+cluster:", services.reason);
} else {
  test("rediss+cluster: keeps the laws, and trusts nobody that it does not know", async () => {
    const folder = mkdtempSync(join(tmpdir(), "encrypted-"));
    try {
      const made = certificates(folder);
      if ("reason" in made) skip(made.reason);
      const cluster = await startCluster(services.binary, undefined, made);
      try {
        const { host, port } = cluster.servers[0]!;
        const url = `rediss+cluster://${host}:${port}`;
        const subject: Subject = {
          name: "rediss+cluster:",
          edgesBytes: [2 ** 20, 2 ** 21 + 5],
          unbreakable: "tried on `redis: behind a proxy`",
          open: ({ place, ...options }) => openStore(`${url}?space=${place}&ca=${made.ca}`, options),
        };
        const laws = storeLaws().filter(({ name }) => told.some((start) => name.startsWith(start)));
        assert.ok(laws.length >= told.length);
        for (const law of laws) await law.test(subject, { runs: long ? 100 : 2, seed });

        const store = await opened(`${url}?ca=${made.ca}&space=large`);
        const ref = await store.tensors.put({ data: new Uint8Array(9 * 2 ** 20).fill(7) });
        const next = store.logs.read("s", undefined, { waitMs: 60_000 });
        await store.logs.append("s", 1, [Uint8Array.of(1)]);
        assert.equal((await next).length, 1);
        const view = await store.tensors.get(ref);
        assert.ok(view.data[9 * 2 ** 20 - 1] === 7 && view.ref.where === url);
        view.done();
        await store.close();

        await refused(url, "Unauthorized", /is not trusted/);
        await refused(`${url}?ca=${made.otherCa}`, "Unauthorized", /is not trusted .*; name the authority/);
        await refused(`redis+cluster://${host}:${port}?patienceMs=0`, "Unavailable", /rediss|TLS|cannot be reached/);
      } finally {
        await cluster.stop();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, { timeoutMs: 120_000 });
}
