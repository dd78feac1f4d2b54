// What `kafka:` leaves behind is listed, verified and swept: what nobody owns, and only that; the topics with the last.
// needs: kafka
import { storeChecks } from "../../runtime/cli/reach.ts";
import { environment } from "../../stores/conformance/kills/opener.ts";
import { client as clientOf } from "../../stores/kafka/client.ts";
import { packed } from "../../stores/kafka/record.ts";
import { deleteRecords, ending } from "../../stores/kafka/requests.ts";
import { sender } from "../../stores/kafka/sender.ts";
import { endRun, isShoalError, openPlace, openStore, type Store } from "../../stores/open.ts";
import type { Orphan } from "../../stores/sweep.ts";
import { host } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { assert, test } from "../suite.ts";
import { prefix } from "./subjects.ts";

const service = await kafkaService();

async function all<T>(found: AsyncIterable<T>): Promise<T[]> {
  const some: T[] = [];
  for await (const one of found) some.push(one);
  return some;
}

const kinds = (orphans: readonly Orphan[]): string[] => orphans.map(({ run, kind, why }) => `${run} ${kind}: ${why}`);

if ("reason" in service) {
  test.skip("kafka: sweeps", service.reason);
} else {
  const { plain: port } = service;
  const urlOf = (name: string): string => `kafka://${host}:${port}/${prefix}-${name}`;
  const opened = (url: string, run: string): Promise<Store> =>
    openStore(`${url}?partitions=2`, { run, environment, strict: true, thresholdBytes: 0 });
  const clientHere = () =>
    clientOf({ servers: [{ host, port }], connectMs: 5_000, requestMs: 20_000, patienceMs: 20_000, clientId: "test" });
  const placeOf = (url: string) => openPlace(url, { environment });

  test(
    "openPlace of kafka: lists runs, who has them open and what they hold; where nothing is, it makes nothing",
    async () => {
      const url = urlOf("listed");
      const place = await placeOf(url);
      assert.deepEqual(await all(place.runs()), []);
      const one = await opened(url, "one");
      // Of another part of the same topics: not looked at from here.
      const aside = await opened(`${url}/aside`, "one");
      const ref = await one.tensors.put({ data: new Uint8Array(3 * 2 ** 20) });
      await one.tensors.release(await one.tensors.put({ data: new Uint8Array(5) }));
      await one.logs.append("s", 1, [Uint8Array.of(1)]);
      await one.claims.claim("n", 1, "x");
      await one.claims.claim("n", 2, "y");
      const [live, ...others] = await all(place.runs());
      assert.deepEqual(others, []);
      assert.equal(live?.state, "live");
      assert.deepEqual([live.run, live.tensors, live.bytes, live.streams, live.claims], ["one", 1, ref.bytes, 1, 1]);
      assert.deepEqual(live.owners.map(({ pid }) => pid), [process.pid]);
      await one.close();
      const [left] = await all(place.runs());
      assert.deepEqual([left?.state, left?.owners.length], ["interrupted", 0]);
      assert.deepEqual((await all(place.verify())).map(({ kind, trouble }) => [kind, trouble]), [
        ["tensor", undefined],
        ["stream", undefined],
        ["claim", undefined],
      ]);
      await aside.close();
      // The topics go with the last run that they hold, and this is not the last.
      assert.deepEqual(kinds(await all(place.sweep({ run: "one" }))), ["one run: it is given up"]);
      const client = clientHere();
      assert.equal((await client.topics([`${prefix}-listed.logs`]))[0]?.error, 0);
      assert.deepEqual(kinds(await all((await placeOf(`${url}/aside`)).sweep({ run: "one" }))), [
        "one run: it is given up",
      ]);
      assert.notEqual((await client.topics([`${prefix}-listed.logs`]))[0]?.error, 0);
      client.close();
    },
    { timeoutMs: 120_000 },
  );

  test("sweep of kafka: takes ended runs whole, given up ones too, and never what is used", async () => {
    const url = urlOf("swept");
    const place = await placeOf(url);
    const stays = await opened(url, "stays");
    const kept = await stays.tensors.put({ data: new Uint8Array(2 ** 21).fill(7) });
    await stays.logs.append("s", 1, [Uint8Array.of(7)]);
    const two = await opened(url, "two");
    const ref = await two.tensors.put({ data: new Uint8Array(2 ** 21) });
    await two.logs.append("s", 1, [Uint8Array.of(1), Uint8Array.of(2)]);
    await two.claims.claim("n", 5, "x");
    await endRun(two);
    // It has ended, and is still used.
    assert.deepEqual(kinds(await all(place.sweep())), []);
    await assert.rejects(
      all(place.sweep({ run: "two" })),
      (error) => isShoalError(error, "Conflict") && /process \d+ on .* uses it since/.test(error.message),
    );
    await assert.rejects(all(place.sweep({ run: "tow" })), /did you mean two\?/);
    await two.close();
    assert.deepEqual(kinds(await all(place.sweep({ dryRun: true }))), ["two run: it has ended"]);
    assert.equal((await all(place.runs())).length, 2);
    assert.deepEqual(kinds(await all(place.sweep())), ["two run: it has ended"]);
    assert.deepEqual((await all(place.runs())).map(({ run }) => run), ["stays"]);
    // Who has it open sees nothing of that.
    const tensor = await stays.tensors.get(kept);
    assert.deepEqual([tensor.data[0], tensor.data.length], [7, 2 ** 21]);
    tensor.done();
    assert.equal((await stays.logs.read("s", undefined)).length, 1);
    // The name begins anew: no claim, no tensor and no frame of before.
    const again = await opened(url, "two");
    assert.equal(await again.claims.claimed("n"), undefined);
    await assert.rejects(again.tensors.get(ref), (error) => isShoalError(error, "Missing"));
    assert.deepEqual(await again.logs.read("s", { epoch: 1, sequence: 2 }), []);
    assert.equal((await again.claims.claim("n", 1, "y")).held, true);
    await again.close();
    await stays.close();
    for (const run of ["two", "stays"]) assert.equal((await all(place.sweep({ run }))).length, 1);
    assert.deepEqual(await all(place.runs()), []);
  }, { timeoutMs: 120_000 });

  test("sweep of kafka: finishes what a sweep left that was cut off, and nobody opens that meanwhile", async () => {
    const url = urlOf("cut");
    const place = await placeOf(url);
    const three = await opened(url, "three");
    await three.claims.claim("n", 1, "x");
    await three.close();
    const client = clientHere();
    const mark = packed("/three\ngoing", { k: "going", at: Date.now() });
    await sender({ client, topic: `${prefix}-cut.control`, partition: 0, batchBytesMax: 2 ** 20 }).send([mark]);
    await assert.rejects(
      opened(url, "three"),
      (error) =>
        isShoalError(error, "Conflict") &&
        /is being swept; wait for that, or run shoal store sweep/.test(error.message),
    );
    assert.deepEqual(kinds(await all(place.sweep())), ["three remains: a sweep was cut off"]);
    assert.deepEqual(await all(place.runs()), []);
    client.close();
  }, { timeoutMs: 120_000 });

  test("verify of kafka: finds chunks that are gone", async () => {
    const url = urlOf("torn");
    const place = await placeOf(url);
    const four = await opened(url, "four");
    const ref = await four.tensors.put({ data: new Uint8Array(2 ** 21 + 7).fill(1) });
    await four.close();
    const client = clientHere();
    const topic = `${prefix}-torn.chunks`;
    for (const partition of [0, 1]) {
      const end = await client.leading(topic, partition, "ask", () => ending(topic, partition));
      await client.leading(topic, partition, "ask", () => deleteRecords(topic, partition, end, 10_000));
    }
    client.close();
    const found = await all(place.verify({ run: "four" }));
    assert.deepEqual(found.map(({ name }) => name), [ref.id]);
    assert.match(found[0]!.trouble ?? "", /some of its chunks are gone/);
    await all(place.sweep({ run: "four" }));
  }, { timeoutMs: 120_000 });

  test("storeChecks of kafka: tries all parts of the store, and leaves no run there", async () => {
    const url = urlOf("doctor");
    const checks = await storeChecks(url);
    assert.deepEqual(checks.filter(({ state }) => state === "failure"), []);
    assert.deepEqual(await all((await placeOf(url)).runs()), []);
  }, { timeoutMs: 120_000 });
}
