// Molecules and waves on a real Kafka broker: the same answers as in memory, after a kill too, and two runs side by side.
// needs: kafka
// minutes: 4
import { campaignsOn } from "../campaigns/elsewhere.ts";
import { host } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { test } from "../suite.ts";
import { prefix } from "./subjects.ts";

const service = await kafkaService();
let places = 0;

if ("reason" in service) test.skip("kafka: campaigns", service.reason);
else campaignsOn("kafka:", () => `kafka://${host}:${service.plain}/${prefix}-campaigns/${places++}`);
