// Mail through Kafka: the same is applied as over any other store, though connections are cut all the time.
// needs: kafka

import { realWorld } from "../../runtime/launch/world.ts";
import { inlineStore } from "../../stores/inline.ts";
import { kafkaStore } from "../../stores/kafka.ts";
import { prefix } from "../kafka/subjects.ts";
import { host } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { assert, seed, skip, test } from "../suite.ts";
import { sameOver } from "./same.ts";
import { weather } from "./weather.ts";

const service = await kafkaService();

test(
  "logs of kafka: the same is applied as anywhere, by mail that all crossed a broker behind a proxy that cuts",
  async () => {
    if ("reason" in service) return skip(service.reason);
    const { plain: port } = service;
    const sky = await weather({ host, port }, seed);
    try {
      const [run, token, place] = ["links", "t0k3n", `${prefix}-links`];
      const options = { run, environment: realWorld, strict: true, thresholdBytes: 0 };
      const inner = await kafkaStore({
        ...options,
        client: {
          servers: [sky.proxy],
          connectMs: 5_000,
          requestMs: 10_000,
          patienceMs: 20_000,
          clientId: "test",
          route: () => sky.proxy,
        },
        clientKey: `links ${sky.proxy.port}`,
        place,
        part: "mail",
        url: `kafka://${host}:${port}/${place}/mail`,
      });
      const store = inlineStore(inner, options);
      await sameOver({ run, token, store: `kafka://${host}:${port}/${place}/mail` }, {
        store,
        logs: ({ logs }) => sky.over(logs),
      });
      assert.ok(sky.cuts > 0, `${sky.cuts} cuts`);
    } finally {
      await sky.proxy.close();
    }
  },
  { timeoutMs: 120_000 },
);
