// Every law of stores, and of delivery upon them, on a real Kafka broker; and on one behind a proxy that cuts.
// needs: kafka
// minutes: 6
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { kafkaService } from "../services/kafka.ts";
import { assert, long, seed, test } from "../suite.ts";
import { cutKafkaSubject, kafkaSubject, placing } from "./subjects.ts";

const service = await kafkaService();
const path = process.env["SHOAL_PATH"];

interface Tried {
  readonly subject: Subject;
  close?(): Promise<void>;
}

function laws(name: string, made: () => Promise<Tried> | Tried, runsUsually: number, runsLong: number): void {
  for (const law of [...storeLaws(), ...deliveryLaws()]) {
    const title = `${name}: ${law.name}`;
    test(title, async () => {
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- kafka/laws --test ${JSON.stringify(title)}`;
      const options = { runs: long ? runsLong : runsUsually, seed, replay };
      const { subject, close } = await made();
      try {
        const verdict = await law.test(subject, path === undefined ? options : { ...options, path });
        assert.equal(verdict.subject, name);
        if (verdict.skipped === undefined) assert.ok(verdict.runs > 0);
        else assert.match(verdict.skipped, / /);
      } finally {
        await close?.();
      }
    }, { timeoutMs: 60_000 * (long ? 50 : 1) });
  }
}

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
