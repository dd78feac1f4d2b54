// Topics between threads, on stores as they are: order, once, from the start, retention, and who is told of what.
import { pathToFileURL } from "node:url";
import { launch, type LaunchOptions, type System } from "../../runtime/mod.ts";
import { inFolder } from "../file/place.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { Brittle, type Frame, Simulation, Trainer } from "./actors.ts";

async function inThreads(options: LaunchOptions, body: (system: System) => Promise<void>): Promise<void> {
  const system = await launch({ threads: 2, ...options });
  try {
    await body(system);
  } finally {
    await system.close({ now: true });
  }
}

/** On `memory:`, on shared memory, and on files. */
function onStores(name: string, body: (store: string) => Promise<void>): void {
  test(`${name}, on memory:`, () => body("memory:"));
  test(`${name}, on shm:`, () => body("shm:"));
  test(`${name}, on file:`, () => inFolder((root) => body(`${pathToFileURL(root).href}?fsync=never`)));
}

onStores(
  "topic: what one thread publishes another reads, in order, each once, to its end",
  (store) =>
    inThreads({ store }, async (system) => {
      const simulation = await system.spawn(Simulation, undefined, { on: "threads" });
      const trainer = await system.spawn(Trainer, undefined, { on: "threads" });
      const steps = 2_000;
      const training = trainer.ask("train", { publishers: 1 });
      const publisher = await simulation.ask("run", { by: 1, steps, floats: 4 });
      const seen = await training;
      assert.deepEqual(seen, {
        counts: { [publisher]: steps },
        faults: [],
        ended: [`${publisher} done`],
        sum: 4 * steps,
        lost: [],
      });
      // Whoever comes late begins at the start.
      const late = await trainer.ask("train", { publishers: 1 });
      assert.deepEqual(late, seen);
      const now: Frame[] = [];
      for await (const { value } of system.topic<Frame>("frames").read({ from: "now", publishers: 1 })) now.push(value);
      assert.deepEqual(now, [], "what was there before is not told to who begins now");
    }),
);

onStores(
  "topic: what is kept is bounded, and whoever comes late is told which entries it never sees",
  (store) =>
    inThreads({ store, threads: 1 }, async (system) => {
      const simulation = await system.spawn(Simulation, undefined, { on: "threads" });
      const trainer = await system.spawn(Trainer, undefined);
      const steps = 3_000;
      const options = { retainBytes: 100_000 };
      const publisher = await simulation.ask("run", { by: 1, steps, floats: 0, options });
      const late = await trainer.ask("late");
      assert.equal(late.code, "Lost");
      const { from, through } = late.cause as { from: number; through: number };
      assert.deepEqual(late.cause, { publisher, from: 1, through });
      assert.ok(through > from && through < steps && late.next === through + 1, JSON.stringify(late));
      const seen = await trainer.ask("train", { publishers: 1, skips: true });
      assert.deepEqual(seen.lost, [{ from: 1, through }]);
      assert.deepEqual(seen.faults, []);
      assert.equal(seen.counts[publisher], steps - through);
    }),
);

onStores(
  "topic: a publisher whose thread has ended goes on in its next one, and nothing is told twice",
  (store) =>
    inThreads({ store, threads: 1 }, async (system) => {
      const brittle = await system.spawn(Brittle, undefined, { on: "threads" });
      const reading = system.topic<number>("brittle").read();
      await errorOf("Lost", () => brittle.ask("publish", { first: 1, last: 20, ends: true }));
      await brittle.ask("publish", { first: 21, last: 40, ends: false });
      const seen: number[] = [];
      while (seen.length < 40) {
        for (const { publisher, number, value } of await reading.take(7)) {
          assert.equal(publisher, brittle.id);
          assert.equal(number, value);
          seen.push(value);
        }
      }
      assert.deepEqual(seen, Array.from({ length: 40 }, (_, index) => index + 1));
      // Its end is told, and who reads only as long as it publishes is done.
      await system.stop(brittle);
      const rest: number[] = [];
      for await (const { value } of system.topic<number>("brittle").read({ publishers: 1 })) rest.push(value);
      assert.deepEqual(rest, seen);
      await reading.close();
    }),
);
