// What `redis:` leaves behind is listed, verified and swept: what nobody owns, and only that.
// needs: redis
import { endRun, openPlace } from "../../stores/open.ts";
import { isShoalError } from "../../stores/error.ts";
import { storeChecks } from "../../runtime/cli/reach.ts";
import type { Orphan } from "../../stores/sweep.ts";
import { assert, runtime, test } from "../suite.ts";
import { toServer } from "../services/cluster.ts";
import { redisServices } from "../services/redis.ts";
import { environment, opened } from "./subjects.ts";

const services = await redisServices();

async function all<T>(found: AsyncIterable<T>): Promise<T[]> {
  const some: T[] = [];
  for await (const one of found) some.push(one);
  return some;
}

if ("reason" in services) {
  test.skip("redis: sweeps", services.reason);
} else {
  const { shards } = services;
  const url = `redis://${
    shards.map(({ host, port }) => `${host}:${port}`).join()
  }?space=sweep-${process.pid}-${runtime}`;
  const place = await openPlace(url, { environment });
  const kinds = (orphans: readonly Orphan[]): string[] => orphans.map(({ run, kind }) => `${run} ${kind}`);
  const keysLeft = async (run: string): Promise<number> => {
    let count = 0;
    for (const shard of shards) {
      const connection = await toServer(shard);
      const keys = await connection.call("KEYS", `sweep-${process.pid}-${runtime}:${run}:*`);
      count += (keys as readonly unknown[]).length;
      connection.end("done");
    }
    return count;
  };

  test("openPlace of redis: lists runs, who has them open, and what they hold", async () => {
    const one = await opened(url, "one");
    await one.tensors.put({ data: new Uint8Array(3 * 2 ** 20) });
    await one.logs.append("s", 1, [Uint8Array.of(1)]);
    await one.claims.claim("n", 1, "x");
    const [live] = await all(place.runs());
    assert.equal(live?.state, "live");
    assert.deepEqual([live.run, live.tensors, live.bytes, live.streams, live.claims], ["one", 1, 3 * 2 ** 20, 1, 1]);
    assert.deepEqual(live.owners.map(({ pid }) => pid), [process.pid]);
    await one.close();
    assert.equal((await all(place.runs()))[0]?.state, "interrupted");
  });

  test("sweep of redis: takes ended runs whole, given up ones too, and never one that is used", async () => {
    const two = await opened(url, "two");
    await two.tensors.put({ data: new Uint8Array(2 ** 21) });
    await endRun(two);
    // It has ended, and is still used.
    assert.deepEqual(kinds(await all(place.sweep())), []);
    await assert.rejects(
      all(place.sweep({ run: "two" })),
      (error) => isShoalError(error, "Conflict") && /process \d+ on .* uses it since/.test(error.message),
    );
    await assert.rejects(all(place.sweep({ run: "tow" })), /did you mean two\?/);
    await two.close();
    assert.deepEqual(kinds(await all(place.sweep({ dryRun: true }))), ["two run"]);
    assert.ok(await keysLeft("two") > 0);
    assert.deepEqual(kinds(await all(place.sweep())), ["two run"]);
    assert.equal(await keysLeft("two"), 0);
    assert.equal((await all(place.runs())).map(({ run }) => run).join(), "one");
    assert.deepEqual(kinds(await all(place.sweep({ run: "one" }))), ["one run"]);
    assert.equal(await keysLeft("one"), 0);
  });

  test("sweep of redis: finishes what a sweep left that was cut off, and nobody opens that meanwhile", async () => {
    const three = await opened(url, "three");
    await three.claims.claim("n", 1, "x");
    await three.close();
    for (const shard of shards) {
      const connection = await toServer(shard);
      await connection.call("SET", `sweep-${process.pid}-${runtime}:three:going`, "1");
      connection.end("done");
    }
    await assert.rejects(
      opened(url, "three"),
      (error) =>
        isShoalError(error, "Conflict") &&
        /is being swept; wait for that, or run shoal store sweep/.test(error.message),
    );
    assert.deepEqual(kinds(await all(place.sweep())), ["three remains"]);
    const again = await opened(url, "three");
    assert.equal(await again.claims.claimed("n"), undefined);
    await again.close();
    await all(place.sweep({ run: "three" }));
  });

  test("storeChecks of redis: tries all parts of the store, and leaves nothing there", async () => {
    const checks = await storeChecks(url);
    assert.deepEqual(checks.map(({ what, state }) => [what, state === "failure"]), [
      ["store", false],
      ["store rights", false],
      ["store speed", false],
    ]);
    assert.match(checks[0]!.found, /opens; for every node that sees it, survives: process/);
    assert.deepEqual((await all(place.runs())).filter(({ run }) => run.startsWith("doctor")), []);
    assert.equal(await keysLeft("doctor-*"), 0);
  });

  test("sweep of redis: takes what a dead maker left half made, and verify finds what was changed", async () => {
    const four = await opened(url, "four");
    const ref = await four.tensors.put({ data: new Uint8Array(2 ** 21 + 7).fill(1) });
    const other = await four.tensors.put({ data: new Uint8Array(2 ** 21 + 7).fill(1) });
    await four.logs.append("s", 1, []);
    await four.close();
    assert.deepEqual((await all(place.verify())).map(({ kind, trouble }) => [kind, trouble]), [
      ["tensor", undefined],
      ["tensor", undefined],
      ["stream", undefined],
    ]);
    const prefix = `sweep-${process.pid}-${runtime}:four:`;
    for (const shard of shards) {
      const connection = await toServer(shard);
      // Its manifest goes, as if it had never come; and a part of the other is changed.
      await connection.call("UNLINK", `${prefix}t:${ref.id}`);
      if (await connection.call("EXISTS", `${prefix}c:${other.id}:2`) === 1) {
        await connection.call("SETRANGE", `${prefix}c:${other.id}:2`, 3, "x");
      }
      connection.end("done");
    }
    const troubles = (await all(place.verify({ run: "four" }))).flatMap(({ name, trouble }) =>
      trouble ? [[name, trouble]] : []
    );
    assert.deepEqual(troubles, [[other.id, "its part 2 was changed"]]);
    const swept = await all(place.sweep());
    assert.deepEqual(swept.map(({ kind, what, bytes }) => [kind, what, bytes]), [
      ["half-made", `tensor ${ref.id}`, 2 ** 21 + 7],
    ]);
    await all(place.sweep({ run: "four" }));
    assert.equal(await keysLeft("four"), 0);
  });
}
