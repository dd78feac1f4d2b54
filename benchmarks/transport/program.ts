// The workload of the suite `transport` in shoal: simulations in two processes and readers in two others, over a store or
// in memory of their own; and `shoal run waves` as users start it. `program.js KIND URL FOLDER COMMAND…`: the kind is
// `shoal`, `alone`, `loop` or `summed`, the command starts `shoal`.

import process from "node:process";
import { type ActorRef, launch, type Pool, type System } from "shoal";
import { propagate, Wave } from "shoal/actors";
import { type Command, numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";
import { type Looked, Looker, Loop, Maker, numbersOf, type Size, sumOf } from "./actors.ts";
import { fileOf } from "./preads.ts";
import { urlOf, waves } from "./waves.ts";

const [kind = "shoal", store = "shm:", folder = "", ...shoal] = process.argv.slice(2);
/** Sums of the same numbers in another order. */
const tolerance = 1e-6;

const sizeOf = (command: Command): Size => {
  const count = numberOf(command, "count");
  return {
    periods: Array.from({ length: count }, (_, index) => 40 + 40 * index / Math.max(1, count - 1)),
    grid: numberOf(command, "grid"),
    steps: numberOf(command, "steps"),
  };
};

interface Crew {
  readonly system: System;
  readonly size: Size;
  /** What everybody must have read. */
  readonly sum: number;
  readonly waves: Pool<Wave>;
  readonly makers: Pool<Maker>;
  readonly lookers: readonly ActorRef<Looker>[];
}

let crew: Promise<Crew> | undefined;

/** Computing alone has its memory from round to round, however long others take between: so has what it is compared with. */
const keeping = (url: string): string => url === "shm:" ? "shm:?pool=1GB" : url;

/** Two processes that simulate, and two that read. */
async function together(size: Size): Promise<Crew> {
  const url = keeping(urlOf(store, folder));
  const system = await launch({ store: url, nodes: 5, threads: 0, allow: ["shoal/benchmarks", "shoal/actors"] });
  const [first, second] = [["n2", "n3"], ["n4", "n5"]] as const;
  const lookers = await Promise.all(second.map((node) => system.spawn(Looker, undefined, { node })));
  if (kind === "alone") { for (const looker of lookers) await looker.ask("fill", size); }
  const field = new Float64Array(numbersOf(size));
  let sum = 0;
  for (const period of size.periods) {
    propagate({ period, grid: size.grid, steps: size.steps }, field);
    sum += sumOf(field);
  }
  return {
    system,
    size,
    sum,
    lookers,
    waves: await system.pool(Wave, { size: 2, nodes: first }),
    makers: await system.pool(Maker, { size: 2, nodes: first }),
  };
}

let rounds = 0;

async function whole(command: Command): Promise<Measured> {
  const { system, size, sum, waves, makers, lookers } = await (crew ??= together(sizeOf(command)));
  const { periods, grid, steps } = size;
  const round = rounds++;
  const began = performance.now();
  const made = kind === "alone"
    ? void await makers.map("make", periods.map((period) => ({ period, grid, steps, round })))
    : await waves.map("simulate", periods.map((period, index) => ({ index, period, grid, steps })));
  const refs = made?.flatMap(({ samples }) => samples);
  const simulateSeconds = secondsSince(began);
  const all: readonly Looked[] = await Promise.all(
    lookers.map((looker) => refs === undefined ? looker.ask("look") : looker.ask("read", refs)),
  );
  const seconds = secondsSince(began);
  await Promise.all((refs ?? []).map((ref) => system.store.release(ref)));
  const samples = Math.min(...all.map(({ numbers }) => numbers)) / (2 * grid * grid);
  const wrong = all.filter((one) => !(Math.abs(one.sum - sum) <= tolerance * Math.max(1, Math.abs(sum)))).length;
  return { seconds, simulateSeconds, readSeconds: seconds - simulateSeconds, samples, wrong };
}

const run = (command: Command, more: { readonly [flag: string]: string | number | boolean }) =>
  waves({ shoal, store, folder }, {
    sims: numberOf(command, "count"),
    grid: numberOf(command, "grid"),
    steps: numberOf(command, "steps"),
    ...more,
  });

const reads = async (command: Command): Promise<Measured> =>
  kind === "loop" || kind === "summed" ? await bare(sizeOf(command)) : await read(command, { epochs: 0 });

const trained = (command: Command): Promise<Measured> => read(command, { epochs: 1, backend: "wasm" });

async function read(command: Command, how: { readonly [flag: string]: string | number }): Promise<Measured> {
  const { result, sentBytes } = await run(command, {
    "step-seconds": 0,
    "kernels": "3,3",
    "nodes": 2,
    "simulate-workers": 2,
    "train-workers": 2,
    ...how,
  });
  const readers = result.train.models.length;
  return {
    seconds: result.totalSeconds,
    bytes: result.bytes,
    gotBytes: result.bytes * readers,
    readers,
    putSeconds: result.simulate.put.sum,
    getSeconds: result.train.get.sum,
    sentPerByte: sentBytes / result.bytes,
    samples: Math.min(...result.train.models.map(({ samples }) => samples)),
    wrong: 0,
  };
}

let loops: Promise<readonly ActorRef<Loop>[]> | undefined;

/** As many bytes as samples have, by two threads at a time: what two trainers wait for. */
async function bare(size: Size): Promise<Measured> {
  const bytes = size.periods.length * numbersOf(size) * Float64Array.BYTES_PER_ELEMENT;
  const path = fileOf(folder, bytes);
  const looping = await (loops ??= twoLoops());
  const began = performance.now();
  const isSummed = kind === "summed";
  const all = await Promise.all(looping.map((loop) => loop.ask("read", { path, bytes, isSummed })));
  return {
    seconds: secondsSince(began),
    bytes,
    gotBytes: bytes * all.length,
    readers: all.length,
    getSeconds: all.reduce((sum, each) => sum + each, 0),
    samples: size.periods.length * size.steps,
    wrong: 0,
  };
}

async function twoLoops(): Promise<readonly ActorRef<Loop>[]> {
  const system = await launch({ threads: 2, allow: ["shoal/benchmarks"] });
  return [
    await system.spawn(Loop, undefined, { on: "threads" }),
    await system.spawn(Loop, undefined, { on: "threads" }),
  ];
}

async function online(command: Command): Promise<Measured> {
  const flags = {
    "step-seconds": numberOf(command, "millis") / 1000,
    "simulate-workers": numberOf(command, "simulators"),
    "kernels": "3",
    "backend": "wasm",
  };
  const { result: apart } = await run(command, flags);
  const { result: both } = await run(command, { ...flags, online: true });
  return {
    seconds: both.totalSeconds,
    simulateSeconds: apart.simulate.seconds,
    trainSeconds: apart.train.seconds,
    samples: Math.min(...both.train.models.map(({ samples }) => samples)),
    wrong: both.checksum === apart.checksum ? 0 : 1,
  };
}

async function seed(command: Command): Promise<Measured> {
  const { result } = await run(command, {
    "step-seconds": numberOf(command, "millis") / 1000,
    "simulate-workers": numberOf(command, "simulators"),
    "kernels": "3,3",
    "epochs": 0,
  });
  const { overheadSeconds, launchSeconds, simulate, train, bytes } = result;
  return {
    overheadSeconds: overheadSeconds ?? NaN,
    floorSeconds: simulate.floorSeconds,
    launchSeconds,
    bytes,
    samples: Math.min(...train.models.map(({ samples }) => samples)),
    wrong: 0,
  };
}

await serve({
  whole,
  reads,
  trained,
  online,
  seed,
  hello: () => ({
    version: runtimeVersion(),
    settings: "strict mode off, processes of one machine; whole: shm: with pool=1GB",
  }),
}, async () => {
  await (await crew)?.system.close();
});
