// Processes of a run that meet on a Kafka are killed, and stopped for longer than their lease and woken, and the broker is
// killed and cut off, while durable accounts in them pay each other, with all mail in its topics.
// needs: kafka
// minutes: 6
import { type FaultProxy, faultProxy } from "../../stores/conformance/mod.ts";
import { host, startBroker } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { long, seed, test } from "../suite.ts";
import { stands } from "./mayhem.ts";
import { outages } from "./outages.ts";

const service = await kafkaService();
const blows = long ? 200 : 10;
const msMax = 60_000;
const title = `kafka: keeps the money of ${blows} blows to its processes, the broker and the way to it`;

if ("reason" in service) {
  test.skip(title, service.reason);
} else {
  test(title, async () => {
    let proxy: FaultProxy | undefined;
    // Whoever asks where the broker is is sent to the proxy.
    const broker = await startBroker(service.classPath, async (plain) => {
      await proxy?.close();
      proxy = await faultProxy({ host, port: plain });
      return { "advertised.listeners": `PLAINTEXT://${host}:${proxy.port}` };
    });
    try {
      const store = `kafka://${host}:${proxy!.port}/mayhem`;
      await stands({
        store,
        nodes: 3,
        blows,
        seed,
        leaseMs: 2_000,
        link: "log",
        troubles: outages(broker, proxy!, seed),
      });
    } finally {
      await proxy?.close();
      await broker.stop();
    }
  }, { timeoutMs: msMax * blows });
}
