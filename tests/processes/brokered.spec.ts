// Processes of a run that meet on a Kafka are killed, and stopped for longer than their lease and woken, and in long runs
// the broker is killed and cut off, while durable accounts in them pay each other, with all mail in its topics.
// needs: kafka
// minutes: 4
import { type FaultProxy, faultProxy } from "../../stores/conformance/mod.ts";
import { host, startBroker } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { long, seed, test } from "../suite.ts";
import { stands } from "./mayhem.ts";
import { outages } from "./outages.ts";

const service = await kafkaService();
const blows = long ? 200 : 4;
const msMax = 60_000;
const title = `kafka: keeps the money of ${blows} blows${
  long ? " to its processes, the broker and the way to it" : ""
}`;
const common = { nodes: 3, blows, seed, leaseMs: 2_000, link: "log" } as const;

if ("reason" in service) {
  test.skip(title, service.reason);
} else {
  const { plain: port, classPath } = service;
  test(title, async () => {
    // A broker of one's own takes as long to start as all else.
    if (!long) return await stands({ ...common, store: `kafka://${host}:${port}/mayhem-${seed}-${process.pid}` });
    let proxy: FaultProxy | undefined;
    // Whoever asks where the broker is is sent to the proxy.
    const broker = await startBroker(classPath, async (plain) => {
      await proxy?.close();
      proxy = await faultProxy({ host, port: plain });
      return { "advertised.listeners": `PLAINTEXT://${host}:${proxy.port}` };
    });
    try {
      const troubles = outages(broker, proxy!, seed);
      await stands({ ...common, store: `kafka://${host}:${proxy!.port}/mayhem`, troubles });
    } finally {
      await proxy?.close();
      await broker.stop();
    }
  }, { timeoutMs: msMax * blows });
}
