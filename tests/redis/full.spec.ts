// `redis:` at its maxmemory: what makes room is always taken, what needs some is refused whole and told as failed, and
// all goes on as soon as there is room.
// needs: redis
import { isShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { assert, test } from "../suite.ts";
import { redisServices } from "../services/redis.ts";
import { startRedis } from "../services/server.ts";
import { opened } from "./subjects.ts";

const services = await redisServices();
/** More than fits into the room that is left when the last tensor was refused. */
const triesMax = 20_000;

/** Calls until it is refused, and answers with what. */
async function refusal(call: (index: number) => Promise<unknown>): Promise<unknown> {
  for (let index = 0; index < triesMax; index++) {
    try {
      await call(index);
    } catch (error) {
      return error;
    }
  }
  return undefined;
}

if ("reason" in services) {
  test.skip("redis: at its maxmemory", services.reason);
} else {
  test("redis: that is full refuses appends and claims, takes trims and releases, and goes on after", async () => {
    const server = await startRedis(services.binary, { settings: [["maxmemory", "16mb"]] });
    try {
      const store = await opened(`redis://${server.host}:${server.port}?full=reject`);
      const frame = new Uint8Array(1_000);
      await store.claims.claim("n", 1, "first");
      await store.logs.append("s", 1, [frame, frame, frame]);
      const refs: TensorRef[] = [];
      const isFull = (error: unknown): boolean => isShoalError(error, "CapacityExceeded") && error.outcome === "failed";
      for (const bytes of [2 ** 19, 2 ** 14, 2 ** 10]) {
        const full = await refusal(async () => refs.push(await store.tensors.put({ data: new Uint8Array(bytes) })));
        assert.ok(isFull(full), String(full));
      }
      const many = Array.from({ length: 200 }, () => ({ data: new Uint8Array(2 ** 10) }));
      const before = refs.length;
      const all = await refusal(async () => refs.push(...await store.tensors.putMany(many)));
      assert.ok(isFull(all), String(all));
      assert.equal(refs.length, before, "of many that do not fit together some were put");

      const append = await refusal(() => store.logs.append("s", 1, [frame]));
      assert.ok(isFull(append), String(append));
      const claim = await refusal((index) => store.claims.claim("n", index + 2, "x".repeat(1_000)));
      assert.ok(isFull(claim), String(claim));
      const stands = await store.claims.claimed("n");
      const frames = await store.logs.read("s", undefined, { entriesMax: 100_000 });

      // What was refused has changed nothing; what makes room is taken.
      assert.ok(stands !== undefined && frames.length >= 3);
      const last = frames.at(-1)!;
      await store.logs.trim("s", { epoch: last.epoch, sequence: last.sequence - 1 });
      for (const ref of refs.splice(0, 4)) await store.tensors.release(ref);

      const position = await store.logs.append("s", 1, [frame]);
      assert.deepEqual(position, { epoch: 1, sequence: last.sequence + 1 });
      assert.equal((await store.claims.claim("n", stands.epoch + 1, "y")).held, true);
      const ref = await store.tensors.put({ data: new Uint8Array(2 ** 19) });
      (await store.tensors.get(ref)).done();
      // Nothing but what was acknowledged stands.
      const sealed = new Set<string>();
      for await (const { id } of store.tensors.list()) sealed.add(id);
      assert.deepEqual([...sealed].sort(), [...refs, ref].map(({ id }) => id).sort());
      await store.close();
    } finally {
      await server.stop();
    }
  }, { timeoutMs: 90_000 });
}
