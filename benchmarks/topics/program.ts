// The workload of `topics` in shoal, on the store whose URL is the first argument: strict mode off, all else as it is by
// default.

import { rmSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { launch } from "shoal";
import { numberOf } from "../protocol.ts";
import { runtimeVersion, secondsSince, serve } from "../serve.ts";
import { Counter, Flood, Publisher, Reader } from "./actors.ts";

const [store = "memory:"] = process.argv.slice(2);
const system = await launch({ store, strict: false, threads: 2, allow: ["shoal/benchmarks"] });
const there = { on: "threads" } as const;
let rounds = 0;

await serve({
  hello: () => ({ version: `shoal on ${runtimeVersion()}`, settings: "two threads; strict off, bounds as default" }),

  async topic(command) {
    const topic = `round ${++rounds}`;
    const [publisher, reader] = [
      await system.spawn(Publisher, undefined, there),
      await system.spawn(Reader, undefined, there),
    ];
    const start = performance.now();
    const reading = reader.ask("read", topic);
    await publisher.ask("publish", { topic, count: numberOf(command, "count") });
    const { count, sum, misplaced } = await reading;
    const seconds = secondsSince(start);
    await Promise.all([system.stop(publisher), system.stop(reader)]);
    return { seconds, count, check: sum, misplaced };
  },

  async late(command) {
    const topic = `round ${++rounds}`;
    const own = system.topic<number>(topic);
    const total = numberOf(command, "count");
    for (let n = 1; n <= total; n++) {
      const published = own.publish(n);
      if (n % 1_024 === 0) await published;
    }
    await system.topic(topic).close();
    const reader = await system.spawn(Reader, undefined, there);
    const start = performance.now();
    const { count, sum, misplaced } = await reader.ask("read", topic);
    const seconds = secondsSince(start);
    await system.stop(reader);
    return { seconds, count, check: sum, misplaced };
  },

  async durable(command) {
    const [total, inFlight] = [numberOf(command, "count"), numberOf(command, "inFlight")];
    const counter = await system.spawn(Counter, undefined, { name: `counter ${++rounds}` });
    let [sum, answered] = [0, 0];
    const lane = async (first: number): Promise<void> => {
      for (let n = first; n <= total; n += inFlight) {
        const answer = await counter.ask("add", n);
        sum += answer;
        answered++;
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: inFlight }, (_, index) => lane(index + 1)));
    const seconds = secondsSince(start);
    const { count } = await counter.ask("total");
    await system.stop(counter);
    return { seconds, count: Math.min(count, answered), check: sum, misplaced: 0 };
  },

  async "durable-tells"(command) {
    const counter = await system.spawn(Counter, undefined, { name: `counter ${++rounds}` });
    const flood = await system.spawn(Flood);
    const start = performance.now();
    const { count, sum, misplaced } = await flood.ask("send", { to: counter, count: numberOf(command, "count") });
    const seconds = secondsSince(start);
    await Promise.all([system.stop(flood), system.stop(counter)]);
    return { seconds, count, check: sum, misplaced };
  },
}, async () => {
  await system.close();
  if (store.startsWith("file:///")) rmSync(fileURLToPath(store.replace(/\?.*/, "")), { recursive: true, force: true });
});
