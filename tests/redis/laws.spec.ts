// Every law of stores, and of delivery upon them, on a real Redis server; and on one behind a proxy that cuts.
// needs: redis
// minutes: 6
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { redisServices } from "../services/redis.ts";
import { testLaws } from "../stores/lawful.ts";
import { test } from "../suite.ts";
import { cutRedisSubject, redisSubject } from "./subjects.ts";

const services = await redisServices();
const laws = (subject: Subject, usually: number, long: number): void =>
  testLaws("redis/laws", [...storeLaws(), ...deliveryLaws()], subject, { usually, long });

if ("reason" in services) {
  test.skip("redis: every law", services.reason);
} else {
  laws(redisSubject("redis:", [services.single]), 8, 1_000);
  laws(redisSubject("redis: by a real clock", [services.single], { clock: "real" }), 2, 60);
  laws(redisSubject("redis: on three shards", services.shards), 4, 1_000);
  laws(cutRedisSubject(services.single), 8, 1_000);
}
