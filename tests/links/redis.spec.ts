// Mail through Redis: the same is applied as over any other store, though connections are cut all the time.
// needs: redis

import { redisServices } from "../services/redis.ts";
import { assert, seed, skip, test } from "../suite.ts";
import { storeAt } from "./logs.ts";
import { sameOver } from "./same.ts";
import { weather } from "./weather.ts";

const services = await redisServices();

test(
  "logs of redis: the same is applied as anywhere, by mail that all crossed a server behind a proxy that cuts",
  async () => {
    if ("reason" in services) return skip(services.reason);
    const sky = await weather(services.single, seed);
    try {
      const space = `links-${process.pid}-${seed}`;
      const urlAt = ({ host, port }: { host: string; port: number }): string =>
        `redis://${host}:${port}?space=${space}`;
      const [run, token] = ["links", "t0k3n"];
      const store = await storeAt(urlAt(sky.proxy), run);
      await sameOver({ run, token, store: urlAt(services.single) }, { store, logs: ({ logs }) => sky.over(logs) });
      assert.ok(sky.cuts > 0, `${sky.cuts} cuts`);
    } finally {
      await sky.proxy.close();
    }
  },
  { timeoutMs: 120_000 },
);
