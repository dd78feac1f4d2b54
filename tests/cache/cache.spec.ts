// The node's cache in front of a real Redis: what one process has fetched the others look at, and the server's own
// counters say so; bounded; whoever is killed leaves nobody waiting; and without it all goes on.
// needs: redis
// minutes: 3
import { join } from "node:path";
import type { TensorRef } from "../../stores/store.ts";
import { opened } from "../redis/subjects.ts";
import { toServer } from "../services/cluster.ts";
import { redisServices } from "../services/redis.ts";
import { startRedis } from "../services/server.ts";
import { inMemory, isFilled } from "../shm/place.ts";
import { errorOf } from "../stores/world.ts";
import { assert, test } from "../suite.ts";
import { child, sentBytes, shelved, takenBytes } from "./place.ts";

const services = await redisServices();
const large = 8 * 2 ** 20;
/** Other processes are started, and a busy machine takes its time for them. */
const timeoutMs = 180_000;

if ("reason" in services) {
  test.skip("cache: in front of redis:", services.reason);
} else {
  const { binary } = services;

  /** A server of its own, whose counters nobody else moves, and a folder of memory. */
  async function withServer(
    work: (place: { url(more?: string): string; sent(): Promise<number>; dir: string }) => Promise<void>,
  ): Promise<void> {
    const server = await startRedis(binary);
    const connection = await toServer(server);
    try {
      await inMemory((dir) =>
        work({
          url: (more = "") => `redis://${server.host}:${server.port}?cacheDir=${dir}${more}`,
          sent: () => sentBytes(connection),
          dir,
        })
      );
    } finally {
      connection.end("done");
      await server.stop();
    }
  }

  test("cache: the second reader of a node costs its server nothing", () =>
    withServer(async ({ url, sent, dir }) => {
      const writer = await opened(url());
      const ref = await writer.tensors.put({ data: new Uint8Array(large).fill(7) });
      const readers = [await child(url()), await child(url())];
      const before = await sent();
      assert.deepEqual(await readers[0]!.tell({ do: "get", ref }), { fill: 7 });
      const between = await sent();
      assert.ok(between - before >= large, `the first was sent ${between - before} bytes`);
      assert.deepEqual(await readers[1]!.tell({ do: "get", ref }), { fill: 7 });
      (await writer.tensors.get(ref)).done();
      const after = await sent();
      assert.ok(after - between < 65_536, `two more were sent ${after - between} bytes`);
      // What is released is gone for all of them, though it lies here.
      await writer.tensors.release(ref);
      assert.deepEqual(await readers[1]!.tell({ do: "get", ref }), { code: "Missing" });
      // What was being looked at stays.
      assert.deepEqual(await readers[1]!.tell({ do: "look", id: ref.id }), { fill: 7 });
      for (const reader of readers) {
        await reader.tell({ do: "close" });
        await reader.end();
      }
      await writer.close();
      assert.equal(takenBytes(dir), 0, "what the cache leaves when all have closed");
    }), { timeoutMs });

  test("cache: of many readers at once one fetches", () =>
    withServer(async ({ url, sent }) => {
      const writer = await opened(url());
      const ref = await writer.tensors.put({ data: new Uint8Array(large).fill(9) });
      const readers = await Promise.all([1, 2, 3].map(() => child(url())));
      const before = await sent();
      const both = [writer, await opened(url())];
      const own = both.map(async (store) => {
        const view = await store.tensors.get(ref);
        const isWhole = isFilled(view.data, 9);
        view.done();
        return isWhole;
      });
      assert.deepEqual(
        await Promise.all([...readers.map((reader) => reader.tell({ do: "get", ref })), ...own]),
        [{ fill: 9 }, { fill: 9 }, { fill: 9 }, true, true],
      );
      const bytes = await sent() - before;
      assert.ok(bytes < 1.5 * large, `five readers were sent ${bytes} bytes, one tensor has ${large}`);
      await Promise.all(readers.map((reader) => reader.end()));
      for (const store of both) await store.close();
    }), { timeoutMs });

  test(
    "cache: takes no more than it may, and lets go first what was of no use for longest",
    () =>
      withServer(async ({ url, sent, dir }) => {
        const size = 4 * 2 ** 20;
        const store = await opened(url("&cache=18MiB"));
        const refs: TensorRef[] = [];
        for (let index = 0; index < 8; index++) {
          refs.push(await store.tensors.put({ data: new Uint8Array(size).fill(index + 1) }));
        }
        const held = await store.tensors.get(refs[0]!);
        for (const [index, ref] of refs.entries()) {
          const view = await store.tensors.get(ref);
          assert.ok(isFilled(view.data, index + 1));
          view.done();
          assert.ok(takenBytes(dir) < 24 * 2 ** 20, `it takes ${takenBytes(dir)} bytes`);
          // This one is always of use.
          if (index >= 2) (await store.tensors.get(refs[2]!)).done();
        }
        assert.ok(isFilled(held.data, 1), "a view changed while others came and went");
        held.done();
        const before = await sent();
        for (const ref of [refs[2]!, refs[7]!]) (await store.tensors.get(ref)).done();
        assert.ok(await sent() - before < 65_536, "what was of use last was let go");
        (await store.tensors.get(refs[1]!)).done();
        assert.ok(await sent() - before >= size, "what was of no use for longest was kept");
        await store.close();
      }),
    { timeoutMs },
  );

  test(
    "cache: whoever is killed while he fetches leaves nobody waiting, and what he had fetched stays of use",
    () =>
      withServer(async ({ url, sent, dir }) => {
        const writer = await opened(url());
        const [small, huge] = await writer.tensors.putMany([
          { data: new Uint8Array(large).fill(3) },
          { data: new Uint8Array(5 * large).fill(5) },
        ]);
        const victim = await child(url());
        assert.deepEqual(await victim.tell({ do: "get", ref: small! }), { fill: 3 });
        const dying = victim.tell({ do: "get", ref: huge! }).then(() => "answered", () => "died");
        while (!shelved(dir).includes(huge!.id)) await new Promise((resolve) => setTimeout(resolve, 1));
        await victim.kill();
        const end = await dying;
        const view = await writer.tensors.get(huge!);
        assert.ok(isFilled(view.data, 5), `a tensor whose filler ${end}`);
        view.done();
        const before = await sent();
        const kept = await writer.tensors.get(small!);
        assert.ok(isFilled(kept.data, 3));
        kept.done();
        assert.ok(await sent() - before < 65_536, "what the dead had fetched was fetched again");
        await writer.close();
      }),
    { timeoutMs },
  );

  test("cache: what the dead left makes room for the living", () =>
    withServer(async ({ url, dir }) => {
      const writer = await opened(url("&cache=14MiB"));
      const refs = await writer.tensors.putMany([1, 2].map((fill) => ({ data: new Uint8Array(large).fill(fill) })));
      const victim = await child(url("&cache=14MiB"));
      assert.deepEqual(await victim.tell({ do: "get", ref: refs[0]! }), { fill: 1 });
      await victim.kill();
      (await writer.tensors.get(refs[1]!)).done();
      assert.deepEqual(shelved(dir), [refs[1]!.id]);
      assert.ok(takenBytes(dir) < 16 * 2 ** 20, `it takes ${takenBytes(dir)} bytes`);
      await writer.close();
    }), { timeoutMs });

  test(
    "cache: where there is no memory to share, everybody fetches for himself",
    () =>
      withServer(async ({ url, sent, dir }) => {
        const warnings: string[] = [];
        const note = (warning: Error): void => void (warning.name === "ShoalWarning" && warnings.push(warning.message));
        process.on("warning", note);
        try {
          const store = await opened(url().replace(dir, join(dir, "not-there")));
          const ref = await store.tensors.put({ data: new Uint8Array(large).fill(4) });
          const before = await sent();
          for (let count = 0; count < 2; count++) {
            const view = await store.tensors.get(ref);
            assert.ok(isFilled(view.data, 4));
            view.done();
          }
          assert.ok(await sent() - before >= 2 * large);
          await store.close();
          // Warnings are told in a turn of their own.
          while (warnings.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
          assert.equal(warnings.length, 1, warnings.join("\n"));
          assert.match(warnings[0]!, /fetches for itself .*not-there/);
        } finally {
          process.off("warning", note);
        }
      }),
    { timeoutMs },
  );

  test("cache: is off where its URL says so", () =>
    withServer(async ({ url, sent, dir }) => {
      const store = await opened(url("&cache=off"));
      const ref = await store.tensors.put({ data: new Uint8Array(large) });
      const before = await sent();
      for (let count = 0; count < 2; count++) (await store.tensors.get(ref)).done();
      assert.ok(await sent() - before >= 2 * large);
      assert.equal(takenBytes(dir), 0);
      await store.close();
      const error = await errorOf("BadInput", () => opened(url("&cache=of")));
      assert.match(error.message, /cache=of/);
    }), { timeoutMs });
}
