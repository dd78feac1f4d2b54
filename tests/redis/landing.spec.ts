// Large values of a Redis server, on their way into the memory that is there for them: cut off amid, of another length,
// changed, gone. Whatever comes in their place, the connection stays in step, and what is got in the end is right.
// needs: redis
import { Buffer } from "node:buffer";
import { isShoalError } from "../../stores/error.ts";
import { faultProxy } from "../../stores/conformance/mod.ts";
import { connect } from "../../stores/redis/client.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import { assert, test } from "../suite.ts";
import { redisServices } from "../services/redis.ts";
import { clear, opened } from "./subjects.ts";

const services = await redisServices();
const space = `landing-${process.pid}`;
const limits = { connectMs: 5_000, replyMs: 5_000 };
/** Four chunks, of which the last is short. */
const data = new Uint8Array(3 * 2 ** 20 + 5).map((_, index) => index * 31 + (index >>> 12));

async function isWhole(store: Store, ref: TensorRef): Promise<boolean> {
  const tensor = await store.tensors.get(ref);
  const bytes = new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  const isSame = Buffer.compare(bytes, data) === 0;
  tensor.done();
  return isSame;
}

if ("reason" in services) {
  test.skip("redis: large values", services.reason);
} else {
  const { single } = services;
  const url = `redis://${single.host}:${single.port}?space=${space}&cache=off`;

  test("redis: a get whose connection ends amid a value begins again, and is whole", async () => {
    const proxy = await faultProxy(single);
    const direct = await opened(url);
    const store = await opened(`redis://${proxy.host}:${proxy.port}?space=${space}&cache=off`);
    try {
      const ref = await direct.tensors.put({ data });
      for (const fault of ["amid", "after", "before"] as const) {
        for (let nth = 1; nth <= 5; nth++) {
          proxy.arm(nth, fault);
          assert.ok(await isWhole(store, ref), `${fault} ${nth}`);
          proxy.disarm();
        }
        assert.ok(proxy.struck[fault] >= 2, `${fault}: ${proxy.struck[fault]}`);
      }
      await direct.tensors.release(ref);
    } finally {
      await store.close();
      await direct.close();
      await proxy.close();
      await clear([single], space);
    }
  }, { timeoutMs: 120_000 });

  test("redis: a chunk that is another, shorter, or gone is told, and the next get is none the worse", async () => {
    const server = await connect(single, { database: 0 }, limits);
    const store = await opened(url);
    try {
      const ref = await store.tensors.put({ data });
      const keys = (await server.call("KEYS", `${space}:*:c:*`) as Buffer[]).map(String).sort();
      assert.equal(keys.length, 4);
      const changes: readonly (readonly [string, (key: string) => Promise<unknown>, RegExp])[] = [
        ["another", (key) => server.call("SETRANGE", key, 3, "x"), /Corrupt/],
        ["shorter", (key) => server.call("SET", key, "$3\r\nabc\r\n"), /Corrupt/],
        ["empty", (key) => server.call("SET", key, ""), /Corrupt/],
        ["longer", (key) => server.call("APPEND", key, "x"), /Corrupt/],
        ["gone", (key) => server.call("UNLINK", key), /Lost/],
      ];
      for (const key of keys) {
        const before = await server.call("GET", key) as Buffer;
        for (const [name, change, code] of changes) {
          await change(key);
          // All at once, so that answers stand behind it.
          const ends = await Promise.allSettled([
            isWhole(store, ref),
            isWhole(store, ref),
            store.tensors.put({ data }),
          ]);
          for (const end of ends.slice(0, 2)) {
            const error: unknown = end.status === "rejected" ? end.reason : undefined;
            assert.ok(isShoalError(error), `${key} ${name}: ${String(error)}`);
            assert.match(error.code, code);
          }
          assert.equal(ends[2].status, "fulfilled");
          await server.call("SET", key, before);
          assert.ok(await isWhole(store, ref), `${key} ${name}`);
        }
      }
    } finally {
      await store.close();
      server.end("done");
      await clear([single], space);
    }
  }, { timeoutMs: 120_000 });
}
