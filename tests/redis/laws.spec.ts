// Every law of stores, and of delivery upon them, on a real Redis server; and on one behind a proxy that cuts.
// needs: redis
// minutes: 6
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { assert, long, seed, test } from "../suite.ts";
import { redisServices } from "../services/redis.ts";
import { cutRedisSubject, redisSubject } from "./subjects.ts";

const services = await redisServices();
const path = process.env["SHOAL_PATH"];

function laws(subject: Subject, runsUsually: number, runsLong: number): void {
  for (const law of [...storeLaws(), ...deliveryLaws()]) {
    const name = `${subject.name}: ${law.name}`;
    test(name, async () => {
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- redis/laws --test ${JSON.stringify(name)}`;
      const options = { runs: long ? runsLong : runsUsually, seed, replay };
      const verdict = await law.test(subject, path === undefined ? options : { ...options, path });
      assert.equal(verdict.subject, subject.name);
      if (verdict.skipped === undefined) assert.ok(verdict.runs > 0);
      else assert.match(verdict.skipped, / /);
    }, { timeoutMs: 60_000 * (long ? 50 : 1) });
  }
}

if ("reason" in services) {
  test.skip("redis: every law", services.reason);
} else {
  laws(redisSubject("redis:", [services.single]), 8, 1_000);
  laws(redisSubject("redis: by a real clock", [services.single], { clock: "real" }), 2, 60);
  laws(redisSubject("redis: on three shards", services.shards), 4, 1_000);
  laws(cutRedisSubject(services.single), 8, 1_000);
}
