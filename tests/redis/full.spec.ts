// `redis:` at its maxmemory: what makes room is always taken, what needs some is refused whole and told as failed, and
// all goes on as soon as there is room.
// needs: redis
import { isShoalError } from "../../stores/error.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
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
  const isFull = (error: unknown): boolean => isShoalError(error, "CapacityExceeded") && error.outcome === "failed";
  const frame = new Uint8Array(1_000);

  /** Puts smaller and smaller tensors until none fits. */
  async function filled(store: Store): Promise<TensorRef[]> {
    const refs: TensorRef[] = [];
    for (const bytes of [2 ** 21 + 1, 2 ** 17, 2 ** 13, 2 ** 10]) {
      const full = await refusal(async () => refs.push(await store.tensors.put({ data: new Uint8Array(bytes) })));
      assert.ok(isFull(full), String(full));
      assert.match(String(full), /is at its maxmemory.*; release tensors, or raise maxmemory/);
    }
    return refs;
  }

  async function tensorsIn(store: Store): Promise<string[]> {
    const sealed: string[] = [];
    for await (const { id } of store.tensors.list()) sealed.push(id);
    return sealed.sort();
  }

  test("redis: that tensors have filled still takes messages, claims and whoever comes, and puts wait", async () => {
    const server = await startRedis(services.binary, { settings: [["maxmemory", "32mb"]] });
    try {
      const url = `redis://${server.host}:${server.port}`;
      const store = await opened(`${url}?full=reject`);
      const patient = await opened(`${url}?full=wait&waitMs=600000`);
      await store.logs.append("s", 1, [frame]);
      const refs = await filled(store);
      const before = await tensorsIn(store);
      const many = Array.from({ length: 400 }, () => ({ data: new Uint8Array(2 ** 12) }));
      const all = await store.tensors.putMany(many).catch((error: unknown) => error);
      assert.ok(isFull(all), String(all));
      assert.deepEqual(await tensorsIn(store), before, "of many that do not fit together some were put");

      // By what is said now it is learned what may go: an answer, a claim, a process that comes to help.
      const late = patient.tensors.put({ data: new Uint8Array(2 ** 21 + 1) });
      for (let index = 1; index <= 500; index++) {
        assert.deepEqual(await patient.logs.append("s", 1, [frame]), { epoch: 1, sequence: index + 1 });
        if (index % 10 === 0) assert.equal((await store.claims.claim(`n${index}`, 1, "x".repeat(1_000))).held, true);
      }
      await store.logs.append("answers", 1, [frame]);
      await store.logs.trim("s", { epoch: 1, sequence: 400 });
      const helper = await opened(`${url}?full=reject`);
      const tensor = await helper.tensors.get(refs[0]!);
      tensor.done();
      for (const ref of refs.slice(0, 3)) await helper.tensors.release(ref);
      // The one who waits has its room; and so, later, has everybody.
      (await store.tensors.get(await late)).done();
      for (const ref of refs.slice(3)) await store.tensors.release(ref);
      const ref = await store.tensors.put({ data: new Uint8Array(2 ** 21 + 1) });
      (await helper.tensors.get(ref)).done();
      for (const one of [store, patient, helper]) await one.close();
    } finally {
      await server.stop();
    }
  }, { timeoutMs: 90_000 });

  test("redis: that is full to the last byte takes trims and releases, and goes on after", async () => {
    const server = await startRedis(services.binary, { settings: [["maxmemory", "16mb"]] });
    try {
      const store = await opened(`redis://${server.host}:${server.port}?full=reject`);
      await store.claims.claim("n", 1, "first");
      const refs = await filled(store);
      // Nobody trims: the messages themselves take what was left for them.
      let last = await store.logs.append("s", 1, [frame, frame, frame]);
      const append = await refusal(async () => last = await store.logs.append("s", 1, [frame]));
      assert.ok(isFull(append), String(append));
      const claim = await refusal((index) => store.claims.claim("n", index + 2, "x".repeat(1_000)));
      assert.ok(isFull(claim), String(claim));
      const stands = await store.claims.claimed("n");

      // What was refused has changed nothing; what makes room is taken.
      assert.ok(stands !== undefined);
      await store.logs.trim("s", { epoch: 1, sequence: last.sequence - 1 });
      for (const ref of refs.splice(0, 4)) await store.tensors.release(ref);

      assert.deepEqual(await store.logs.append("s", 1, [frame]), { epoch: 1, sequence: last.sequence + 1 });
      assert.equal((await store.claims.claim("n", stands.epoch + 1, "y")).held, true);
      const ref = await store.tensors.put({ data: new Uint8Array(2 ** 19) });
      (await store.tensors.get(ref)).done();
      // Nothing but what was acknowledged stands.
      assert.deepEqual(await tensorsIn(store), [...refs, ref].map(({ id }) => id).sort());
      await store.close();
    } finally {
      await server.stop();
    }
  }, { timeoutMs: 90_000 });
}
