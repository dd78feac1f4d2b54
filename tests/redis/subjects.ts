// Redis servers that the laws are tried on, each case in a space of its own; and one behind a proxy that cuts.
import { randomBytes } from "node:crypto";
import { ShoalError } from "../../stores/error.ts";
import type { Store, StoreEnvironment } from "../../stores/store.ts";
import { assert } from "../suite.ts";
import { type FaultProxy, faultProxy, type Subject } from "../../stores/conformance/mod.ts";
import { connect } from "../../stores/redis/client.ts";
import { openStore } from "../../stores/open.ts";
import type { Place } from "../services/redis.ts";

/** Removes all keys of a space, on each of some servers. */
export async function clear(places: readonly Place[], space: string): Promise<void> {
  for (const place of places) {
    const connection = await connect(place, { database: 0 }, { connectMs: 5_000, replyMs: 5_000 });
    try {
      let cursor = "0";
      do {
        const [next, keys] = await connection.call("SCAN", cursor, "MATCH", `${space}:*`, "COUNT", 1_000) as [
          Buffer,
          Buffer[],
        ];
        cursor = next.toString();
        // One by one: in a cluster they lie in different slots.
        await Promise.all(keys.map((key) => connection.call("UNLINK", key)));
      } while (cursor !== "0");
    } finally {
      connection.end("done");
    }
  }
}

const urlOf = (places: readonly Place[], place: string, more: string): string =>
  `redis://${places.map(({ host, port }) => `${host}:${port}`).join()}?space=${place}${more}`;

/** Real servers: one, or several as shards. */
export function redisSubject(name: string, places: readonly Place[], others: Partial<Subject> = {}): Subject {
  return {
    name,
    bounded: true,
    edgesBytes: [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 2 ** 21 + 5],
    unbreakable: "tried on `redis: behind a proxy`",
    open({ place, capacity, ...options }) {
      const bounds = capacity && `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
      return openStore(urlOf(places, place, bounds ?? ""), options);
    },
    remove: (place) => clear(places, place),
    ...others,
  };
}

/** The same behind a proxy of each case's own that cuts the nth request, before it arrives or after; tried once. */
export function cutRedisSubject(server: Place): Subject {
  const proxies = new Map<string, FaultProxy>();
  return redisSubject("redis: behind a proxy", [server], {
    async open({ place, capacity, ...options }) {
      const proxy = proxies.get(place) ?? await faultProxy(server);
      proxies.set(place, proxy);
      const bounds = capacity && `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
      return await openStore(urlOf([proxy], place, `${bounds ?? ""}&patienceMs=0`), options);
    },
    async remove(place) {
      await proxies.get(place)?.close();
      proxies.delete(place);
      await clear([server], place);
    },
    faults: {
      requestsMax: 6,
      sizesBytes: [5, 2 ** 20 + 5],
      arm: (place, nth, kind) => proxies.get(place)?.arm(nth, kind === "before" ? "before" : "after"),
      disarm: (place) => proxies.get(place)?.disarm() ?? false,
    },
  });
}

export const environment: StoreEnvironment = {
  now: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  token: () => randomBytes(8).toString("hex"),
};

export const opened = (url: string, run: string = "r"): Promise<Store> =>
  openStore(url, { run, environment, strict: true, thresholdBytes: 0 });

/** That a store is not opened, why, and with which cure; and that what is told holds no secret. */
export async function refused(url: string, code: string, says: RegExp, run?: string): Promise<void> {
  const end = await opened(url, run).then(
    async (store) => {
      await store.close();
      return undefined;
    },
    (error: unknown) => error,
  );
  assert.ok(end instanceof ShoalError, `${url} is opened`);
  assert.match(end.message, says);
  assert.equal(end.code, code, end.message);
  assert.equal(end.outcome, "failed");
  assert.doesNotMatch(`${end.message} ${end.stack}`, /s3cret/);
}
