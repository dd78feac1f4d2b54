// `redis:`: tensors, logs and claims on Redis servers that run already: one, several as shards, or a cluster. Whoever
// opens the same URL and run, from whatever node, has the same store; redis/keys.ts says what everything is called.
import { constants } from "node:buffer";
import { cacheBytesUnlessSaid, nodeCache } from "./cache.ts";
import { ShoalError } from "./error.ts";
import { buffers as redisBuffers } from "./copied/buffers.ts";
import { entries as redisEntries } from "./copied/entries.ts";
import { pooledLanding } from "./copied/landing.ts";
import { tidying as redisTidying } from "./copied/tidying.ts";
import { bodies as redisBodies } from "./redis/bodies.ts";
import { redisClaims } from "./redis/claims.ts";
import { keys as redisKeys } from "./redis/keys.ts";
import { redisLogs } from "./redis/logs.ts";
import { names } from "./redis/names.ts";
import { enter } from "./redis/owners.ts";
import { checkRights } from "./redis/rights.ts";
import { openMsMax, siteOf } from "./redis/site.ts";
import { parts as redisParts, survey } from "./redis/survey.ts";
import { redisTensors } from "./redis/tensors.ts";
import { waits as redisWaits } from "./redis/waits.ts";
import { room as boundedRoom } from "./room.ts";
import type { OpenOptions, Store, TensorRef } from "./store.ts";
import type { StoreUrl } from "./url.ts";

const frameBytesMax = 16 * 2 ** 20;
/** What was pooled and not used for as long, and at most twice as long, goes. */
const tidyMs = 10_000;
const fullPollMs = 100;

/** Opens the store of a `redis:` URL. Nothing is written before the servers were found good. */
export async function openRedis(url: StoreUrl, { run, environment, strict }: OpenOptions): Promise<Store> {
  const site = await siteOf(url);
  const { options, isCluster, space, where, wheres, lanes, patienceMs } = site;
  const { capacity = Number.MAX_SAFE_INTEGER, full = "wait", waitMs = 30_000, graceMs = 1_000 } = options;
  const { pool = 2 ** 28, cache: cacheBytes = cacheBytesUnlessSaid } = options;
  const writer = environment.token();
  const keys = redisKeys(space, run, lanes);
  const opening = site.reach(Math.min(patienceMs, openMsMax));
  const servers = site.reach(patienceMs);
  const { kept, parts, presence } = await entered().catch((error: unknown) => {
    servers.end();
    throw error;
  }).finally(() => opening.end());

  async function entered() {
    const kept = await survey(opening, wheres, isCluster);
    await checkRights(opening, keys, wheres.length, isCluster);
    // Nothing is written but to servers that are good, all of them.
    const parts = await redisParts(opening, servers, keys, wheres, isCluster);
    return { kept, parts, presence: await enter(servers, keys, writer, environment) };
  }

  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);

  function throwIfClosed(): void {
    if (isClosed) throw new ShoalError("ShuttingDown", `Cannot use store ${url.redacted}: it was closed`);
    if (presence.lost !== undefined) throw presence.lost;
  }

  let underWay = 0;
  let idle = (): void => {};
  const settled = (): void => {
    underWay -= 1;
    if (underWay === 0) idle();
  };
  function track<T>(work: Promise<T>): Promise<T> {
    underWay += 1;
    work.then(settled, settled);
    return work;
  }

  /** Released tensors whose keys the server has taken away already. */
  const erased = new Set<string>();
  function erase(ref: TensorRef): void {
    // Gone for this process in any case; where the server is away for longer than anybody waits, a sweep finds it.
    if (!erased.delete(ref.id)) void track(bodies.erase(ref)).catch(() => {});
  }

  const pauses = new Set<() => void>();
  /** A server at its maxmemory may have room again soon: somebody releases. */
  function roomier(since: number): Promise<boolean> {
    if (full === "reject" || isClosed || environment.now() - since >= waitMs) return Promise.resolve(false);
    return new Promise((resolve) => {
      const done = (): void => {
        pauses.delete(done);
        cancel();
        resolve(!isClosed);
      };
      const cancel = environment.after(Math.min(fullPollMs, waitMs), done);
      pauses.add(done);
    });
  }

  const tidying = redisTidying(environment, tidyMs, () => [buffers]);
  const buffers = redisBuffers(pool, strict, tidying.touched);
  const room = boundedRoom({ capacityBytes: capacity, full, waitMs, environment });
  const pooled = pooledLanding(buffers);
  const cache = cacheBytes === 0 ? undefined : nodeCache({
    identity: [where, space, run],
    bytesMax: cacheBytes,
    bytesMin: options.cacheFrom,
    dir: options.cacheDir,
    strict,
    otherwise: pooled,
  });
  const bodies = redisBodies({ servers, keys, landing: cache ?? pooled, run, strict, checkKept: () => parts.check() });
  const entries = redisEntries({ writer, environment, room, graceMs: Math.max(1, graceMs), erase });
  const tensors = redisTensors({
    run,
    where,
    writer,
    bodies,
    entries,
    buffers,
    room,
    strict,
    patienceMs,
    roomier,
    now: () => environment.now(),
    throwIfClosed,
    track,
    erased: (id) => void erased.add(id),
    forget: (id) => cache?.forget(id),
  });
  const waits = redisWaits({ servers, keys, token: writer });
  const held = { servers, keys, throwIfClosed };
  const logs = redisLogs({ ...held, names: names(servers, keys, lanes, "l"), waits, environment, frameBytesMax });
  const claims = redisClaims({ ...held, names: names(servers, keys, lanes, "n") });

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    // On its way before nothing more is let through.
    const leaving = track(presence.leave());
    servers.shut();
    room.close();
    logs.close();
    waits.close();
    for (const done of pauses) done();
    // What a server was asked is answered, or its connection is given up.
    while (underWay > 0) await new Promise<void>((resolve) => idle = resolve);
    await leaving;
    servers.end();
    await tidying.close();
    await cache?.close();
    entries.close();
    buffers.clear();
    end(undefined);
  }

  return {
    url: url.redacted,
    where,
    run,
    abilities: {
      ...kept,
      shared: "network",
      zeroCopy: false,
      tensorBytesMax: Math.min(capacity, constants.MAX_LENGTH - 4_096),
      frameBytesMax,
    },
    tensors,
    logs,
    claims,
    statistics() {
      return {
        tensors: entries.size,
        bytes: room.usedBytes,
        pooledBytes: buffers.pooledBytes,
        putBytes: tensors.putBytes,
        getBytes: tensors.getBytes,
      };
    },
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}
