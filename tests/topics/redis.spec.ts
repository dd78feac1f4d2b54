// Topics and durable actors on `redis:`: between threads in order and once, kept as long as was said, and going on where
// they were in the next process.
// needs: redis
import { randomBytes } from "node:crypto";
import { launch } from "../../runtime/mod.ts";
import { clear } from "../redis/subjects.ts";
import { redisServices } from "../services/redis.ts";
import { assert, skip, test } from "../suite.ts";
import { Keeper, Simulation, Trainer } from "./actors.ts";

const services = await redisServices();

async function onRedis(body: (store: string) => Promise<void>): Promise<void> {
  if ("reason" in services) return skip(services.reason);
  const space = `topics-${randomBytes(6).toString("hex")}`;
  const { host, port } = services.single;
  try {
    await body(`redis://${host}:${port}?space=${space}`);
  } finally {
    await clear([services.single], space);
  }
}

test("redis: what one thread publishes another reads, in order, each once; what is kept is bounded", () =>
  onRedis(async (store) => {
    const system = await launch({ store, threads: 2 });
    try {
      const simulation = await system.spawn(Simulation, undefined, { on: "threads" });
      const trainer = await system.spawn(Trainer, undefined, { on: "threads" });
      const steps = 2_000;
      const options = { creditEntries: 300, retainBytes: 60_000 };
      const training = trainer.ask("train", { publishers: 1 });
      const publisher = await simulation.ask("run", { by: 1, steps, floats: 0, options });
      const seen = await training;
      assert.deepEqual(seen.faults, []);
      assert.equal(seen.counts[publisher], steps);
      const late = await trainer.ask("train", { publishers: 1, skips: true });
      const [lost] = late.lost;
      assert.ok(lost !== undefined && lost.from === 1, JSON.stringify(late.lost));
      assert.deepEqual(late.faults, []);
      assert.equal(late.counts[publisher], steps - lost.through);
    } finally {
      await system.close({ now: true });
    }
  }));

test("redis: durable publishers, readers and their cursors go on in the next process", () =>
  onRedis(async (store) => {
    const options = { store, threads: 0, name: "one" };
    for (const [first, last] of [[1, 5], [6, 10]] as const) {
      const system = await launch(options);
      try {
        const keeper = await system.spawn(Keeper, undefined, { name: "k" });
        const puller = await system.spawn(Keeper, undefined, { name: "p" });
        await keeper.ask("publish", 5);
        const expected = Array.from({ length: last - first + 1 }, (_, index) => first + index);
        assert.deepEqual(await puller.ask("pull", 5), expected);
      } finally {
        await system.close();
      }
    }
  }));
