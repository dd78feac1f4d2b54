// Every law of stores, and of delivery upon them, on a real Kafka broker; and on one behind a proxy that cuts.
// needs: kafka
// minutes: 6
import { storeLaws } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { kafkaService } from "../services/kafka.ts";
import { testLawsOn, type Tried } from "../stores/lawful.ts";
import { test } from "../suite.ts";
import { cutKafkaSubject, kafkaSubject, placing } from "./subjects.ts";

const service = await kafkaService();
const laws = (name: string, made: () => Promise<Tried> | Tried, usually: number, long: number): void =>
  testLawsOn("kafka/laws", [...storeLaws(), ...deliveryLaws()], name, made, { usually, long });

if ("reason" in service) {
  test.skip("kafka: every law", service.reason);
} else {
  const { plain } = service;
  const direct = kafkaSubject("kafka:", plain);
  laws(direct.name, () => ({ subject: direct }), 5, 200);
  // By the machine's clock, releases over a network take longer than a put waits for room in the law of it.
  const timed = kafkaSubject("kafka: by a real clock", plain, { clock: "real", bounded: false });
  laws(timed.name, () => ({ subject: timed }), 1, 20);
  // What is cut once is asked again, and nobody notices; and where a call is tried once only, it says what it knows.
  for (
    const [name, patienceMs, runsLong] of [
      ["kafka: behind a proxy", 5_000, 90],
      ["kafka: behind a proxy, without patience", 0, 200],
    ] as const
  ) {
    const topicsOf = placing();
    const made = async (): Promise<Tried> => {
      const { subject, proxy } = await cutKafkaSubject(name, plain, patienceMs, topicsOf);
      return { subject, close: () => proxy.close() };
    };
    laws(name, made, 3, runsLong);
  }
}
