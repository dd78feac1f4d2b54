// The workload of `processes`: each case launches a system of its own, of processes that are alike but for who leads.

import { existsSync } from "node:fs";
import { type ActorRef, launch, type LaunchOptions, type System } from "shoal";
import { numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";
import { Idle, Opener } from "./actors.ts";

/** So many are asked for at once. */
const lanes = 512;

async function each(count: number, call: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}

async function inSystem(
  nodes: number,
  call: (system: System) => Promise<Measured>,
  options: LaunchOptions = {},
): Promise<Measured> {
  const system = await launch({ nodes, threads: 0, record() {}, ...options });
  try {
    return await call(system);
  } finally {
    await system.close();
  }
}

/** Each has answered once. */
async function ready(system: System, count: number): Promise<number> {
  const start = performance.now();
  let answered = 0;
  await each(count, async (index) => {
    const node = index % 2 === 0 ? "main" : "n2";
    const actor: ActorRef<Idle> = await system.spawn(Idle, undefined, { node });
    if (await actor.ask("echo", index) === index) answered++;
  });
  if (answered !== count) throw new Error(`${answered} of ${count} actors have answered`);
  return secondsSince(start);
}

/** One tensor at a time that is put here, and opened there: what is timed begins when it is put. */
async function opened(system: System, bytes: number, count: number): Promise<number> {
  const opener = await system.spawn(Opener, undefined, { node: "n2" });
  const times: number[] = [];
  for (let round = -2; round < count; round++) {
    const draft = await system.store.allocate("uint8", [bytes]);
    draft.data.fill(round & 255);
    const ref = await draft.seal();
    const start = performance.now();
    const ends = await opener.ask("open", ref);
    const ms = performance.now() - start;
    if (ends !== 2 * (round & 255)) throw new Error(`what was opened begins and ends with ${ends}`);
    await system.store.release(ref);
    // The first make the way.
    if (round >= 0) times.push(ms);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN;
}

await serve({
  hello: () => ({ version: `shoal on ${runtimeVersion()}`, settings: "no threads; strict off, bounds as default" }),

  async join(command) {
    const count = numberOf(command, "count");
    const start = performance.now();
    return await inSystem(count, () => Promise.resolve({ seconds: secondsSince(start), count }));
  },

  async ready(command) {
    const count = numberOf(command, "count");
    return await inSystem(2, async (system) => {
      // The first makes the way.
      await ready(system, 2);
      return { seconds: await ready(system, count), count };
    });
  },

  async tensor(command) {
    if (!existsSync("/dev/shm")) throw new Error("this machine has no /dev/shm");
    const [count, bytes] = [numberOf(command, "count"), numberOf(command, "bytes")];
    return await inSystem(2, async (system) => ({ medianMs: await opened(system, bytes, count), count }), {
      store: "shm:",
    });
  },

  async find(command) {
    const total = numberOf(command, "count");
    return await inSystem(4, async (system) => {
      await each(total, (index) => system.spawn(Idle, undefined, { node: `n${2 + index % 3}`, name: `name${index}` }));
      const start = performance.now();
      let count = 0;
      for (let index = 0; index < total; index++) {
        if (await system.find(Idle, `name${index}`) !== undefined) count++;
      }
      return { seconds: secondsSince(start), count };
    });
  },
});
