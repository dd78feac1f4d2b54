// How long several processes take to be one system: `node dist/benchmarks/processes/program.js [--nodes 64]
// [--actors 3328] [--names 100000] [--rounds 20]`. Says a line of JSON for each, with its bar: processes that join, actors
// that are ready in two processes, a tensor that is opened in another, and actors in four that are found by name.

import { parseArgs } from "node:util";
import { existsSync } from "node:fs";
import { type ActorRef, launch, type LaunchOptions, type System } from "shoal";
import { Idle, Opener } from "./actors.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "64" },
    actors: { type: "string", default: "3328" },
    names: { type: "string", default: "100000" },
    rounds: { type: "string", default: "20" },
  },
});

interface Line {
  readonly case: string;
  readonly count: number;
  readonly ms: number;
  /** It is to be no more than this. */
  readonly barMs: number;
}

/** So many are asked for at once. */
const lanes = 512;

function say(line: Line): void {
  console.log(JSON.stringify({ ...line, ms: Math.round(line.ms * 1_000) / 1_000 }));
}

async function each(count: number, call: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await call(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}

async function inSystem(
  nodes: number,
  call: (system: System) => Promise<void>,
  options: LaunchOptions = {},
): Promise<number> {
  const startedAt = performance.now();
  const system = await launch({ nodes, threads: 0, record() {}, ...options });
  const joinedMs = performance.now() - startedAt;
  try {
    await call(system);
  } finally {
    await system.close();
  }
  return joinedMs;
}

/** Each has answered once. */
async function ready(system: System, count: number): Promise<number> {
  const startedAt = performance.now();
  await each(count, async (index) => {
    const node = index % 2 === 0 ? "main" : "n2";
    const actor: ActorRef<Idle> = await system.spawn(Idle, undefined, { node });
    await actor.ask("echo", index);
  });
  return performance.now() - startedAt;
}

/** The median of one tensor at a time that is put here, and opened there: what is timed begins when it is put. */
async function opened(system: System, bytes: number, rounds: number): Promise<number> {
  const opener = await system.spawn(Opener, undefined, { node: "n2" });
  const times: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const draft = await system.store.allocate("uint8", [bytes]);
    draft.data.fill(round & 255);
    const ref = await draft.seal();
    const startedAt = performance.now();
    const ends = await opener.ask("open", ref);
    const ms = performance.now() - startedAt;
    if (ends !== 2 * (round & 255)) throw new Error(`what was opened begins and ends with ${ends}`);
    await system.store.release(ref);
    // The first make the way.
    if (round >= 0) times.push(ms);
  }
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? NaN;
}

/** The mean of one look-up at a time. */
async function found(system: System, count: number): Promise<number> {
  await each(count, (index) => system.spawn(Idle, undefined, { node: `n${2 + index % 3}`, name: `name${index}` }));
  const startedAt = performance.now();
  for (let index = 0; index < count; index++) {
    if (await system.find(Idle, `name${index}`) === undefined) throw new Error(`name${index} is not found`);
  }
  return (performance.now() - startedAt) / count;
}

const nodes = Number(values.nodes);
say({ case: "processes that join", count: nodes, ms: await inSystem(nodes, () => Promise.resolve()), barMs: 20_000 });
await inSystem(2, async (system) => {
  const count = Number(values.actors);
  // The first makes the way.
  await ready(system, 2);
  say({ case: "actors ready in two processes", count, ms: await ready(system, count), barMs: 1_000 });
});
if (existsSync("/dev/shm")) {
  await inSystem(2, async (system) => {
    const [count, bytes] = [Number(values.rounds), 100_000_000];
    const ms = await opened(system, bytes, count);
    say({ case: "100 MB that are asked about in one process, and opened there", count, ms, barMs: 2 });
  }, { store: "shm:" });
}
await inSystem(4, async (system) => {
  const count = Number(values.names);
  say({ case: "actors in four processes, found by name, each", count, ms: await found(system, count), barMs: 1 });
});
