// A topic does not grow for ever: what all have trimmed and released is taken away from its beginning on, and whoever
// comes later, or was there all along, sees the same as before.
// needs: kafka
import { environment } from "../../stores/conformance/kills/opener.ts";
import { type Client, client as clientOf } from "../../stores/kafka/client.ts";
import { beginning } from "../../stores/kafka/requests.ts";
import { isShoalError, openStore, type Store } from "../../stores/open.ts";
import { host } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { assert, test } from "../suite.ts";
import { prefix } from "./subjects.ts";

const service = await kafkaService();
const frame = (text: string): Uint8Array => new TextEncoder().encode(text.padEnd(1_000, "."));
const textOf = (frame: Uint8Array): string => new TextDecoder().decode(frame).replace(/\.+$/, "");

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function within(
  port: number,
  body: (client: Client, open: (run?: string) => Promise<Store>, place: string) => Promise<void>,
): Promise<void> {
  const place = `${prefix}-room-${Math.floor(performance.now() * 1_000).toString(36)}`;
  const waits = { connectMs: 5_000, requestMs: 20_000, patienceMs: 20_000 };
  const client = clientOf({ servers: [{ host, port }], ...waits, clientId: "test" });
  const opened: Store[] = [];
  try {
    await body(client, async (run = "run-1") => {
      const url = `kafka://${host}:${port}/${place}?partitions=1&tidy=20kB`;
      opened.push(await openStore(url, { run, environment, strict: true, thresholdBytes: 0 }));
      return opened.at(-1)!;
    }, place);
  } finally {
    for (const store of opened) await store.close();
    client.close();
  }
}

const start = (client: Client, topic: string): Promise<number> =>
  client.leading(topic, 0, "ask", () => beginning(topic, 0));

if ("reason" in service) {
  test.skip("kafka: room", service.reason);
} else {
  const { plain } = service;

  test(
    "kafka: what all streams have trimmed is taken away, and nobody sees another log for it",
    () =>
      within(plain, async (client, open, place) => {
        const topic = `${place}.logs`;
        const [store, other, follower] = [await open(), await open("run-2"), await open()];
        await store.logs.append("quiet", 3, []);
        await store.logs.append("old", 1, [frame("old")]);
        await store.logs.append("old", 2, [frame("gone"), frame("also gone")]);
        await store.logs.trim("old", { epoch: 2, sequence: 2 });
        for (let index = 0; index < 30; index++) await store.logs.append("s", 1, [frame(`${index}`)]);
        assert.equal((await follower.logs.read("s", undefined)).length, 30);
        // A stream of another run in the same partition: what it has not trimmed stays, and all behind it.
        await other.logs.append("theirs", 1, [frame("theirs")]);
        for (let index = 30; index < 60; index++) await store.logs.append("s", 1, [frame(`${index}`)]);
        await store.logs.trim("s", { epoch: 1, sequence: 55 });
        await until(async () => await start(client, topic) > 0);
        const first = await start(client, topic);
        assert.ok(first >= 30 && first < 40, `it begins at ${first}`);
        // Who was there, who has slept since, and who comes now, all see the same.
        for (const one of [store, follower, await open()]) {
          const rest = await one.logs.read("s", { epoch: 1, sequence: 55 });
          assert.deepEqual(rest.map((entry) => textOf(entry.frame)), ["55", "56", "57", "58", "59"]);
          for (
            const [name, after] of [["s", undefined], ["s", { epoch: 1, sequence: 54 }], ["old", undefined]] as const
          ) {
            await assert.rejects(one.logs.read(name, after), (error) => isShoalError(error, "Lost"), name);
          }
          assert.deepEqual(await one.logs.read("old", { epoch: 2, sequence: 2 }), []);
          assert.deepEqual(await one.logs.streams(""), ["old", "quiet", "s"]);
          for (const [name, epoch] of [["quiet", 2], ["old", 1], ["s", 0]] as const) {
            await assert.rejects(one.logs.append(name, epoch, []), (error) => isShoalError(error, "Fenced"), name);
          }
        }
        assert.deepEqual((await other.logs.read("theirs", undefined)).map(({ frame }) => textOf(frame)), ["theirs"]);
        assert.deepEqual(await follower.logs.append("old", 2, [frame("next")]), { epoch: 2, sequence: 3 });
        // Again, from where it begins now, beyond what the other run gives up.
        await other.logs.trim("theirs", { epoch: 1, sequence: 1 });
        for (let index = 60; index < 90; index++) await store.logs.append("s", 2, [frame(`${index}`)]);
        await store.logs.trim("old", { epoch: 2, sequence: 3 });
        await store.logs.trim("s", { epoch: 2, sequence: 30 });
        await until(async () => await start(client, topic) > first + 30);
        const late = await open();
        assert.deepEqual(await late.logs.read("s", { epoch: 2, sequence: 30 }), []);
        assert.deepEqual(await late.logs.append("s", 2, [frame("x")]), { epoch: 2, sequence: 31 });
        assert.deepEqual(await late.logs.append("quiet", 3, [frame("x")]), { epoch: 3, sequence: 1 });
      }),
    { timeoutMs: 120_000 },
  );

  test(
    "kafka: what was released is taken away from the beginning on, and what stands behind it stays",
    () =>
      within(plain, async (client, open, place) => {
        const store = await open();
        const other = await open("run-2");
        const data = (fill: number): { readonly data: Uint8Array } => ({ data: new Uint8Array(10_000).fill(fill) });
        const refs = await store.tensors.putMany([1, 2, 3, 4].map(data));
        const theirs = await other.tensors.put(data(5));
        const behind = await store.tensors.put(data(6));
        for (const ref of refs) await store.tensors.release(ref);
        await until(async () => await start(client, `${place}.tensors`) >= 4);
        assert.equal(await start(client, `${place}.tensors`), 4);
        for (const [one, ref, fill] of [[other, theirs, 5], [store, behind, 6]] as const) {
          const tensor = await one.tensors.get(ref);
          assert.equal(tensor.data[9_999], fill);
          tensor.done();
        }
        for (const ref of refs) {
          await assert.rejects((await open()).tensors.get(ref), (error) => isShoalError(error, "Missing"));
        }
        const listed: string[] = [];
        for await (const { id } of (await open()).tensors.list()) listed.push(id);
        assert.deepEqual(listed, [behind.id]);
      }),
    { timeoutMs: 120_000 },
  );
}
