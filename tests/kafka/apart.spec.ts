// Two runs in the same topics of one Kafka, one of them hostile in its names.
// needs: kafka
import { environment } from "../../stores/conformance/kills/opener.ts";
import { openStore } from "../../stores/open.ts";
import { host } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { test } from "../suite.ts";
import { apart } from "../stores/apart.ts";
import { prefix } from "./subjects.ts";

const service = await kafkaService();

if ("reason" in service) {
  test.skip("kafka: two runs, one hostile", service.reason);
} else {
  test("kafka: a run that is hostile in its names meets no other", () => {
    const url = `kafka://${host}:${service.plain}/${prefix}-apart/part`;
    const keys = ["s", "gone x", "claim s 2", "claim s", "base 0 0"];
    const texts = keys.flatMap((key) => [
      `part/calm\n${key}`,
      `/calm\n${key}`,
      `\n${key}`,
      `calm\n${key}`,
      key,
      `${key}\n`,
    ]);
    return apart((run) => openStore(url, { run, environment, strict: true, thresholdBytes: 0 }), async () => texts);
  }, { timeoutMs: 120_000 });
}
