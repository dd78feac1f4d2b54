// `redis:` that loses a part of itself: a shard that stays dead, the last second of a disk that was not waited for, a
// cluster's server whose replica takes over. What is away is Unavailable and what is lost is Lost, never Missing.
// needs: redis
// minutes: 4
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isShoalError } from "../../stores/error.ts";
import type { Position, Store, TensorRef } from "../../stores/store.ts";
import { assert, long, test } from "../suite.ts";
import { clusterSettings, startCluster, toServer } from "../services/cluster.ts";
import { redisServices } from "../services/redis.ts";
import { type RedisServer, startRedis } from "../services/server.ts";
import { opened } from "./subjects.ts";

const services = await redisServices();
const frame = (text: string): Uint8Array => new TextEncoder().encode(text);
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
async function texts(store: Store, stream: string): Promise<string[]> {
  const all: string[] = [];
  for (let after: Position = { epoch: 1, sequence: 0 };;) {
    const some = await store.logs.read(stream, after, { entriesMax: 10_000 });
    if (some.length === 0) return all;
    all.push(...some.map(({ frame }) => new TextDecoder().decode(frame)));
    after = some.at(-1)!;
  }
}

/** Each text once, in the order of its first coming: what was tried again may stand twice. */
const once = (all: readonly string[]): string[] => [...new Set(all)];

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
  test.skip("redis: losses", services.reason);
} else {
  const { binary } = services;
  const always = [["appendonly", "yes"], ["appendfsync", "always"]] as const;

  test("redis: with a shard that stays dead, the others go on, and what lies there is Unavailable", async () => {
    const servers: RedisServer[] = [];
    try {
      for (let count = 0; count < 3; count++) servers.push(await startRedis(binary, { settings: always }));
      const at = servers.map(({ host, port }) => `${host}:${port}`).join();
      const store = await opened(`redis://${at}?patienceMs=300`);
      const names = Array.from({ length: 24 }, (_, index) => `s${index}`);
      for (const name of names) await store.logs.append(name, 1, [frame("a")]);
      const small: TensorRef[] = [];
      for (let fill = 0; fill < 40; fill++) small.push(await store.tensors.put({ data: new Uint8Array(5).fill(fill) }));
      const large = await store.tensors.put({ data: new Uint8Array(12 * 2 ** 20).fill(7) });
      await servers[1]!.kill();
      const ends = async (calls: readonly (() => Promise<unknown>)[]): Promise<number> => {
        const all = await Promise.allSettled(calls.map((call) => call()));
        const away = all.flatMap((end) => end.status === "rejected" ? [end.reason as unknown] : []);
        for (const error of away) assert.ok(isShoalError(error, "Unavailable"), String(error));
        return away.length;
      };
      // A part of each kind lies there, and a part does not.
      const appended = await ends(names.map((name) => () => store.logs.append(name, 1, [frame("b")])));
      const read = await ends(names.map((name) => () => store.logs.read(name, undefined)));
      const got = await ends(small.map((ref) => async () => (await store.tensors.get(ref)).done()));
      for (const away of [appended, read]) assert.ok(away > 0 && away < 24, `${away} of 24 are away`);
      assert.ok(got > 0 && got < 40, `${got} of 40 are away`);
      assert.equal(await ends([async () => (await store.tensors.get(large)).done()]), 1);
      assert.equal(await ends([() => store.tensors.put({ data: new Uint8Array(12 * 2 ** 20) })]), 1);
      const late = opened(`redis://${at}?patienceMs=300`).then(() => undefined, (error: unknown) => error);
      assert.ok(isShoalError(await late, "Unavailable"), "it is opened without one of its shards");
      await servers[1]!.start();
      for (const [fill, ref] of small.entries()) {
        const tensor = await insisted(() => store.tensors.get(ref));
        assert.equal(tensor.data[4], fill);
        tensor.done();
      }
      const tensor = await store.tensors.get(large);
      assert.ok(tensor.data.every((byte) => byte === 7));
      tensor.done();
      for (const name of names) {
        await insisted(() => store.logs.append(name, 1, [frame("c")]));
        // What could not be sent had failed; a try whose end was unknown may stand.
        assert.match((await texts(store, name)).join(""), /^ab?b?c$/);
      }
      await store.close();
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  }, { timeoutMs: 120_000 });

  const cuts = long ? 20 : 2;
  test(`redis: with everysec reports what ${cuts} losses of power took, and goes on behind it`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "redis-power-"));
    const everysec = [["appendonly", "yes"], ["appendfsync", "everysec"], ["dir", folder]] as const;
    const server = await startRedis(binary, { settings: everysec });
    try {
      const store = await opened(`redis://${server.host}:${server.port}`);
      assert.equal(store.abilities.lossWindowMs, 2_000);
      for (let cut = 0; cut < cuts; cut++) {
        const name = `s${cut}`;
        const append = async (text: string): Promise<void> => void await store.logs.append(name, 1, [frame(text)]);
        for (let index = 0; index < 20; index++) await append(`kept ${index}`);
        const kept = await store.tensors.put({ data: new Uint8Array(100).fill(1) });
        const log = logIn(folder);
        const bytes = statSync(log).size;
        for (let index = 0; index < 10; index++) await append(`lost ${index}`);
        const gone = await store.tensors.put({ data: new Uint8Array(100).fill(2) });
        await server.kill();
        // What the disk had not been told to keep: a killed process alone loses nothing of it.
        assert.ok(statSync(log).size > bytes);
        truncateSync(log, bytes);
        await server.start();
        const reader = await opened(`redis://${server.host}:${server.port}`);
        await insisted(() => append("after"));
        (await store.tensors.get(kept)).done();
        const lost = await store.tensors.get(gone).then(() => undefined, (error: unknown) => error);
        assert.ok(isShoalError(lost, "Missing") || isShoalError(lost, "Lost"), String(lost));
        // Who has read so far is told what it will never see, and by which positions.
        const error = await reader.logs.read(name, { epoch: 1, sequence: 20 }).then(() => undefined, (end) => end);
        assert.ok(isShoalError(error, "Lost"), String(error));
        assert.deepEqual(error.cause, { after: { epoch: 1, sequence: 20 }, through: { epoch: 1, sequence: 30 } });
        const behind = await reader.logs.read(name, { epoch: 1, sequence: 30 });
        assert.deepEqual(behind.map((one) => new TextDecoder().decode(one.frame)), ["after"]);
        await reader.close();
      }
      await store.close();
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    }
  }, { timeoutMs: 60_000 * (long ? 10 : 2) });

  test("redis+cluster: a server dies and its replica takes over: all goes on, what is lost is told", async () => {
    const { servers, stop } = await startCluster(binary);
    const replica = await startRedis(binary, { settings: clusterSettings, portMax: 55_000 });
    try {
      const [first, second] = servers as [RedisServer, RedisServer];
      await follow(replica, servers);
      const store = await opened(`redis+cluster://${second.host}:${second.port}?patienceMs=30000`);
      const names = Array.from({ length: 12 }, (_, index) => `s${index}`);
      const said = new Map<string, string[]>(names.map((name) => [name, []]));
      const refs: TensorRef[] = [];
      for (let fill = 0; fill < 12; fill++) refs.push(await store.tensors.put({ data: new Uint8Array(9).fill(fill) }));
      const append = async (name: string, text: string): Promise<void> => {
        await insisted(() => store.logs.append(name, 1, [frame(text)]));
        said.get(name)!.push(text);
      };
      for (const name of names) for (let index = 0; index < 5; index++) await append(name, `before ${index}`);
      await inStep(first, replica);
      let isOver = false;
      const writing = names.map(async (name) => {
        for (let index = 0; !isOver; index++) {
          await append(name, `amid ${index}`);
          await turn();
        }
      });
      const counted = (): number => [...said.values()].reduce((sum, all) => sum + all.length, 0);
      const started = counted();
      while (counted() < started + 50) await turn();
      await first.kill();
      while (!await leads(second, replica)) await turn();
      const taken = new Map([...said].map(([name, all]) => [name, all.length]));
      while (names.some((name) => said.get(name)!.length < taken.get(name)! + 3)) await turn();
      isOver = true;
      await Promise.all(writing);
      let told = 0;
      for (const name of names) {
        const found = await texts(store, name).catch((error: unknown) => error);
        if (Array.isArray(found)) assert.deepEqual(once(found), said.get(name), name);
        else {
          // Redis answers before its replicas know: the last before the end may be gone, and that is said.
          assert.ok(isShoalError(found, "Lost"), String(found));
          const { through } = found.cause as { through: { epoch: number; sequence: number } };
          assert.ok(through.sequence > 5, `of ${name} what the replica had is gone`);
          told += 1;
        }
      }
      assert.ok(told < names.length, "every stream has lost something");
      // These were with the replica.
      for (const [fill, ref] of refs.entries()) {
        const tensor = await store.tensors.get(ref);
        assert.equal(tensor.data[8], fill);
        tensor.done();
      }
      await store.tensors.put({ data: new Uint8Array(12 * 2 ** 20) });
      await store.close();
    } finally {
      await replica.stop();
      await stop();
    }
  }, { timeoutMs: 180_000 });
}

/** The file that a server appends to, by the names of Redis 6 and of 7. */
function logIn(folder: string): string {
  const all = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const found = all.filter((path) => /(^appendonly|\.incr)\.aof$/.test(path)).sort().at(-1);
  assert.ok(found !== undefined, `no log in ${all.join()}`);
  return join(folder, found);
}

/** Makes a server the replica of the first of a cluster, and waits until all others know it as such: they will vote. */
async function follow(replica: RedisServer, masters: readonly RedisServer[]): Promise<void> {
  const own = await toServer(replica);
  const all = await Promise.all(masters.map(toServer));
  const id = String(await all[0]!.call("CLUSTER", "MYID"));
  for (const { host, port } of masters) await own.call("CLUSTER", "MEET", host, port);
  while (!String(await own.call("CLUSTER", "NODES")).includes(id)) await turn();
  await own.call("CLUSTER", "REPLICATE", id);
  while (!/master_link_status:up/.test(String(await own.call("INFO", "replication")))) await turn();
  for (const master of all) {
    while (!String(await master.call("CLUSTER", "NODES")).includes(`slave ${id}`)) await turn();
  }
  for (const connection of [own, ...all]) {
    // Who is gone is known soon; a machine that is busy for so long costs this test another vote, and no more.
    await connection.call("CONFIG", "SET", "cluster-node-timeout", 2_000);
    connection.end("done");
  }
}

/** Resolves once a replica has all that its master had when this was asked. */
async function inStep(master: RedisServer, replica: RedisServer): Promise<void> {
  const [own, theirs] = [await toServer(replica), await toServer(master)];
  const offset = async (of: typeof own, what: string): Promise<number> =>
    Number(new RegExp(`${what}:(\\d+)`).exec(String(await of.call("INFO", "replication")))?.[1] ?? -1);
  const wanted = await offset(theirs, "master_repl_offset");
  while (await offset(own, "slave_repl_offset") < wanted) await turn();
  own.end("done");
  theirs.end("done");
}

/** Whether a server is the master of slots, as another sees it. */
async function leads(witness: RedisServer, server: RedisServer): Promise<boolean> {
  const connection = await toServer(witness);
  try {
    const nodes = String(await connection.call("CLUSTER", "NODES"));
    return nodes.split("\n").some((line) =>
      line.includes(`:${server.port}@`) && / (myself,)?master /.test(line) &&
      /\d+-\d+/.test(line.split(" ").slice(8).join())
    );
  } finally {
    connection.end("done");
  }
}
