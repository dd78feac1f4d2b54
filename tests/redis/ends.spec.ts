// `redis:` whose servers end and come back, fill up, or stay away: what was acknowledged is kept as declared, what was
// lost is told, and all goes on by itself.
// needs: redis
// minutes: 6
import { faultProxy, kills } from "../../stores/conformance/mod.ts";
import { isShoalError } from "../../stores/error.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import { assert, long, runtime, seed, test } from "../suite.ts";
import { toServer } from "../services/cluster.ts";
import { redisServices } from "../services/redis.ts";
import { type RedisServer, startRedis } from "../services/server.ts";
import { opened } from "./subjects.ts";

const services = await redisServices();
const frame = (text: string): Uint8Array => new TextEncoder().encode(text);
/** All of a stream: one read answers no more than the server gives at once. */
async function texts(store: Store, stream: string, epoch: number): Promise<string[]> {
  const all: string[] = [];
  for (let after = { epoch, sequence: 0 };;) {
    const some = await store.logs.read(stream, after, { entriesMax: 100_000 });
    if (some.length === 0) return all;
    for (const { epoch, sequence, frame } of some) {
      all.push(new TextDecoder().decode(frame));
      after = { epoch, sequence };
    }
  }
}

/** Calls until one is answered: what a caller does who must have it done. */
async function insisted<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isShoalError(error, "Unavailable")) throw error;
    }
  }
}

if ("reason" in services) {
  test.skip("redis: ends", services.reason);
} else {
  const { binary } = services;
  const urlOf = ({ host, port }: { host: string; port: number }, more = ""): string =>
    `redis://${host}:${port}?${more}`;

  async function withServer(
    settings: readonly (readonly [string, ...string[]])[],
    work: (server: RedisServer) => Promise<void>,
  ): Promise<void> {
    const server = await startRedis(binary, { settings });
    try {
      await work(server);
    } finally {
      await server.stop();
    }
  }

  test("abilities of redis: are read from the server's own settings", async () => {
    const cases = [
      [[], "process", 0],
      [[["appendonly", "yes"], ["appendfsync", "always"]], "power", 0],
      [[["appendonly", "yes"], ["appendfsync", "everysec"]], "power", 2_000],
      [[["appendonly", "yes"], ["appendfsync", "no"]], "server", 0],
    ] as const;
    for (const [settings, survives, lossWindowMs] of cases) {
      await withServer(settings, async (server) => {
        const { abilities, close } = await opened(urlOf(server));
        assert.deepEqual([abilities.survives, abilities.lossWindowMs], [survives, lossWindowMs]);
        await close();
      });
    }
  });

  const serverKills = long ? 20 : 4;
  for (const sync of ["always", "everysec"]) {
    test(`redis: with appendfsync ${sync} stands ${serverKills} kills of its server`, async () => {
      await withServer([["appendonly", "yes"], ["appendfsync", sync]], async (server) => {
        const store = await opened(urlOf(server));
        const refs: TensorRef[] = [];
        let acknowledged: string[] = [];
        let [epoch, count, reported] = [1, 0, 0];
        let stopped = false;
        const writer = async (): Promise<void> => {
          while (!stopped) {
            const text = `${count++}`;
            await insisted(() => store.logs.append("s", epoch, [frame(text)]));
            acknowledged.push(text);
            if (count % 8 === 0) refs.push(await insisted(() => store.tensors.put({ data: frame(`tensor ${count}`) })));
          }
        };
        for (let kill = 0; kill < serverKills; kill++) {
          stopped = false;
          const from = acknowledged.length;
          const writing = writer();
          while (acknowledged.length < from + 20) await new Promise((resolve) => setTimeout(resolve, 1));
          await server.kill();
          await server.start();
          const seen = acknowledged.length;
          // It goes on by itself, as soon as the server is back.
          while (acknowledged.length < seen + 2) await new Promise((resolve) => setTimeout(resolve, 1));
          stopped = true;
          await writing;
          const found = await texts(store, "s", epoch).catch((error: Error) => error);
          if (found instanceof Error) {
            // What is lost is told, never skipped; and it is less than was declared.
            assert.equal(sync, "everysec");
            assert.ok(isShoalError(found, "Lost"), String(found));
            reported += 1;
          } else {
            // What was tried again may stand twice; what was acknowledged stands, in order.
            const once = found.filter((text, index) => found.indexOf(text) === index);
            assert.deepEqual(once, acknowledged.filter((text, index) => acknowledged.indexOf(text) === index));
          }
          // A successor's epoch begins anew.
          epoch += 1;
          acknowledged = [];
          await store.logs.append("s", epoch, []);
        }
        for (const ref of refs) {
          const end = await store.tensors.get(ref).then((tensor) => tensor.done(), (error: unknown) => error);
          if (end !== undefined) assert.ok(sync === "everysec" && isShoalError(end, "Missing"), String(end));
        }
        assert.ok(refs.length > 0 && reported <= serverKills);
        await store.close();
      });
    }, { timeoutMs: 60_000 * (long ? 10 : 2) });
  }

  test("redis: that lost what it had acknowledged says so, and never fills the gap with something else", async () => {
    await withServer([], async (server) => {
      const store = await opened(urlOf(server));
      const reader = await opened(urlOf(server));
      await store.logs.append("s", 1, [frame("a"), frame("b")]);
      const ref = await store.tensors.put({ data: frame("x") });
      assert.equal((await reader.logs.read("s", undefined)).length, 2);
      await server.kill();
      await server.start();
      assert.deepEqual(await store.logs.append("s", 1, [frame("c")]), { epoch: 1, sequence: 3 });
      // A reader who has seen the others goes on; who has not is told what it will never see.
      assert.equal((await reader.logs.read("s", { epoch: 1, sequence: 2 })).length, 1);
      const error = await reader.logs.read("s", { epoch: 1, sequence: 1 }).catch((error: unknown) => error);
      assert.ok(isShoalError(error, "Lost"), String(error));
      assert.deepEqual(error.cause, { after: { epoch: 1, sequence: 1 }, through: { epoch: 1, sequence: 2 } });
      await assert.rejects(reader.tensors.get(ref), (error) => isShoalError(error, "Lost"));
      await store.close();
      await reader.close();
    });
  });

  const clientKills = long ? 200 : 6;
  test(`redis: stands ${clientKills} kills of writers, readers and zombies`, async () => {
    const { killed, counts, problems } = await kills({
      url: urlOf(services.single, `space=kills-${process.pid}-${runtime}`),
      kills: clientKills,
      seed,
    });
    assert.deepEqual(problems, [], `seed ${seed}`);
    assert.equal(killed.writers + killed.readers + killed.zombies + killed.sweepers, clientKills);
    assert.ok(counts.puts > 0);
  }, { timeoutMs: 20_000 * clientKills });

  test(
    "redis: at its maxmemory refuses puts as it was told, still takes trims and releases, and goes on after",
    async () => {
      await withServer([["maxmemory", "24mb"]], async (server) => {
        const reject = await opened(urlOf(server, "full=reject"));
        const wait = await opened(urlOf(server, "full=wait&waitMs=60000"));
        await reject.logs.append("s", 1, [frame("a"), frame("b")]);
        const refs: TensorRef[] = [];
        const data = new Uint8Array(2 * 2 ** 20 + 1).fill(1);
        const full = await (async () => {
          for (;;) refs.push(await reject.tensors.put({ data }));
        })().catch((error: unknown) => error);
        assert.ok(isShoalError(full, "CapacityExceeded") && full.outcome === "failed", String(full));
        assert.match(full.message, /is at its maxmemory.*; release tensors, or raise maxmemory/);
        // What does not fit leaves nothing behind: small things are what fills the rest.
        const small = new Uint8Array(20_000);
        const filled = await (async () => {
          for (;;) refs.push(await reject.tensors.put({ data: small }));
        })().catch((error: unknown) => error);
        assert.ok(isShoalError(filled, "CapacityExceeded"), String(filled));
        await reject.logs.trim("s", { epoch: 1, sequence: 2 });
        const late = wait.tensors.put({ data });
        for (const ref of refs.splice(0, 4)) await reject.tensors.release(ref);
        const ref = await late;
        (await reject.tensors.get(ref)).done();
        await reject.logs.append("s", 1, [frame("c")]);
        await wait.close();
        await reject.close();
      });
    },
    { timeoutMs: 60_000 },
  );

  test("redis: tells that its server is away within its patience, and goes on when it is back", async () => {
    const proxy = await faultProxy(services.single);
    const space = `space=away-${process.pid}-${runtime}`;
    try {
      const store = await opened(urlOf(proxy, `${space}&patienceMs=200`));
      const patient = await opened(urlOf(proxy, `${space}&patienceMs=60000`));
      const ref = await store.tensors.put({ data: new Uint8Array(3) });
      const waiting = patient.logs.read("s", undefined, { waitMs: 60_000 });
      proxy.part();
      const failed = await store.tensors.get(ref).catch((error: unknown) => error);
      assert.ok(isShoalError(failed, "Unavailable") && failed.outcome === "failed", String(failed));
      const append = await store.logs.append("s", 1, [frame("x")]).catch((error: unknown) => error);
      assert.ok(isShoalError(append, "Unavailable"), String(append));
      const patiently = patient.tensors.get(ref);
      proxy.heal();
      assert.equal((await patiently).data.length, 3);
      await insisted(() => store.logs.append("s", 1, [frame("y")]));
      assert.ok((await waiting).length > 0);
      await store.close();
      await patient.close();
    } finally {
      await proxy.close();
    }
  });

  test("redis: loses, repeats and turns round nothing when connections are cut at random", async () => {
    const proxy = await faultProxy(services.single);
    const space = `space=cuts-${process.pid}-${runtime}`;
    try {
      const store = await opened(urlOf(proxy, `${space}&patienceMs=30000`));
      const wanted: string[] = [];
      let state = seed % 2_147_483_646 + 1;
      const chance = (below: number): number => (state = state * 48_271 % 2_147_483_647) % below;
      for (let index = 0; index < (long ? 2_000 : 120); index++) {
        proxy.arm(1 + chance(4), (["before", "after", "amid"] as const)[chance(3)]!);
        const some = Array.from({ length: 1 + chance(5) }, (_, at) => `${index}.${at}`);
        wanted.push(...some);
        await store.logs.append("s", 1, some.map(frame));
        if (index % 10 === 0) {
          const data = new Uint8Array(2 ** 21 + index).fill(index);
          const ref = await store.tensors.put({ data });
          const tensor = await store.tensors.get(ref);
          assert.deepEqual(tensor.data.subarray(2 ** 21), data.subarray(2 ** 21));
          tensor.done();
          await store.tensors.release(ref);
          assert.equal((await store.claims.claim("n", index, `${index}`)).held, true);
        }
      }
      assert.deepEqual(await texts(store, "s", 0), wanted);
      assert.ok(proxy.struck.before > 0 && proxy.struck.after > 0 && proxy.struck.amid > 0);
      proxy.disarm();
      await store.close();
    } finally {
      await proxy.close();
    }
  }, { timeoutMs: 60_000 * (long ? 10 : 1) });

  test("redis: keeps one connection for each kind of traffic, and none once it is closed", async () => {
    await withServer([], async (server) => {
      const connection = await toServer(server);
      const count = async (): Promise<number> => {
        const [, clients] = /connected_clients:(\d+)/.exec(String(await connection.call("INFO", "clients"))) ?? [];
        return Number(clients);
      };
      const store = await opened(urlOf(server));
      const reads = Array.from(
        { length: 20 },
        (_, index) => store.logs.read(`s${index}`, undefined, { waitMs: 600_000 }),
      );
      const ends = Promise.allSettled(reads);
      await store.tensors.put({ data: new Uint8Array(2 ** 22) });
      // The readers come to wait when they have looked: control, bulk, and one for all who wait.
      while (await count() < 1 + 3) await new Promise((resolve) => setTimeout(resolve, 5));
      await Promise.all(reads.map((_, index) => store.logs.append(`s${index}`, 1, [frame("x")])));
      await ends;
      assert.equal(await count(), 1 + 3);
      await store.close();
      while (await count() > 1) await new Promise((resolve) => setTimeout(resolve, 5));
      connection.end("done");
    });
  });
}
