// Every law of stores with the node's cache in front, and all tensors in it: on files, on a real Redis, and on Kafka.
// needs: redis, kafka
// minutes: 4
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { openStore } from "../../stores/open.ts";
import { kafkaSubject, placing } from "../kafka/subjects.ts";
import { redisSubject } from "../redis/subjects.ts";
import { host as kafkaHost } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { redisServices } from "../services/redis.ts";
import { memoryFolder } from "../shm/place.ts";
import { testLaws } from "../stores/lawful.ts";
import { byUrl } from "../stores/subjects.ts";
import { test } from "../suite.ts";

const services = await redisServices();
const kafka = await kafkaService();
/** What is behind the cache is a disk in memory: these laws are about what is before it. */
const memory = memoryFolder();
process.on("exit", () => rmSync(memory, { recursive: true, force: true }));

/** Each case has a cache of its own: what ids are in one means something else in the next. */
const cacheAt = (place: string): string => {
  mkdirSync(join(memory, place), { recursive: true });
  return `cache=8MiB&cacheFrom=1&cacheDir=${join(memory, place)}`;
};
const forget = (place: string): void => rmSync(join(memory, place), { recursive: true, force: true });

const files = byUrl("file: behind the node's cache", () => "", {
  open({ place, capacity, ...options }) {
    const bounds = capacity && `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
    return openStore(`${pathToFileURL(join(memory, `${place}-files`)).href}?${cacheAt(place)}${bounds ?? ""}`, options);
  },
  remove(place) {
    forget(place);
    rmSync(join(memory, `${place}-files`), { recursive: true, force: true });
  },
  unbreakable: "tried on `file: with a disk that fails`",
});

const laws = (subject: Subject, usually: number, long: number): void =>
  testLaws("cache/laws", storeLaws(), subject, { usually, long });

laws(files, 4, 1_000);
if ("reason" in services) {
  test.skip("cache: every law on redis:", services.reason);
} else {
  const behind = redisSubject("redis: behind the node's cache", [services.single]);
  const { remove } = behind;
  laws(
    {
      ...behind,
      open({ place, capacity, ...options }) {
        const bounds = capacity && `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
        const { host, port } = services.single;
        return openStore(`redis://${host}:${port}?space=${place}&${cacheAt(place)}${bounds ?? ""}`, options);
      },
      async remove(place) {
        forget(place);
        await remove?.(place);
      },
    },
    3,
    500,
  );
}
if ("reason" in kafka) {
  test.skip("cache: every law on kafka:", kafka.reason);
} else {
  const topicsOf = placing();
  laws(
    kafkaSubject("kafka: behind the node's cache", kafka.plain, {
      open({ place, capacity, ...options }) {
        const bounds = capacity && `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
        const at = `kafka://${kafkaHost}:${kafka.plain}/${topicsOf(place)}/${place}`;
        return openStore(`${at}?${cacheAt(place)}${bounds ?? ""}`, options);
      },
      remove: forget,
    }),
    2,
    200,
  );
}
