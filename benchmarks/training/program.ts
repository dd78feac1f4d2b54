// The workload of the suite `training` in shoal: each round is an epoch of the network of the waves, on the backend that
// is named, in this thread; or of two trainers in threads of their own, against one alone.

import process from "node:process";
import { type ActorRef, launch, type System, type TensorRef } from "shoal";
import { type BackendName, cnn, network, openBackend, Trainer } from "shoal/actors";
import { type Command, numberOf } from "../protocol.ts";
import { Spin } from "./actors.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";

const name = process.argv[2] as BackendName;
const backend = await openBackend({ backend: name });

/** Numbers in −1 to 1, the same everywhere. */
function numbers(count: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state / 0x40000000 - 1;
  });
}

interface Training {
  readonly inputs: Float32Array;
  readonly targets: Float32Array;
  readonly network: Awaited<ReturnType<typeof network>>;
}

const trainings = new Map<string, Promise<Training>>();

async function prepared(count: number, grid: number, kernel: number): Promise<Training> {
  const inputs = numbers(count * grid * grid);
  const learning = { seed: 1, learningRate: 0.001 };
  return {
    inputs,
    targets: inputs.map((value) => value / 2),
    network: await network(backend, cnn, { grid, kernel }, learning),
  };
}

async function train(command: Command): Promise<Measured> {
  const [count, grid, kernel] = [numberOf(command, "count"), numberOf(command, "grid"), numberOf(command, "kernel")];
  const key = [count, grid, kernel].join(" ");
  const { network, inputs, targets } = await (trainings.get(key) ?? start());
  const shape = [grid, grid, 1];
  const examples = { count, inputShape: shape, targetShape: shape, inputs, targets };
  const [began, before] = [performance.now(), process.cpuUsage()];
  let loss = -1;
  for await (const epoch of network.train(examples, { epochs: network.epoch + 1, batch: numberOf(command, "batch") })) {
    loss = epoch.loss;
  }
  const { user, system } = process.cpuUsage(before);
  return { seconds: secondsSince(began), cpuSeconds: (user + system) / 1e6, count, loss };

  function start(): Promise<Training> {
    const training = prepared(count, grid, kernel);
    trainings.set(key, training);
    return training;
  }
}

interface Two {
  readonly system: System;
  readonly pairs: TensorRef<"float32">;
  readonly trainers: readonly ActorRef<Trainer>[];
  readonly spins: readonly ActorRef<Spin>[];
}

const spinRounds = 5e7;

let two: Promise<Two> | undefined;

async function twoTrainers(count: number, grid: number, kernel: number): Promise<Two> {
  const system = await launch({
    store: "memory:?capacity=1GB",
    threads: 2,
    allow: ["shoal/benchmarks", "shoal/actors"],
  });
  const draft = await system.store.allocate("float32", [count, 2, grid, grid]);
  const given = numbers(count * grid * grid);
  const cells = grid * grid;
  for (let at = 0; at < given.length; at++) {
    const place = Math.floor(at / cells) * 2 * cells + at % cells;
    draft.data[place] = given[at]!;
    draft.data[place + cells] = given[at]! / 2;
  }
  const input = { model: { module: "cnn", input: { grid, kernel } }, backend: name, learningRate: 0.001, seed: 1 };
  const trainers = [
    await system.spawn(Trainer, input, { on: "threads" }),
    await system.spawn(Trainer, input, { on: "threads" }),
  ];
  const spins = [
    await system.spawn(Spin, undefined, { on: "threads" }),
    await system.spawn(Spin, undefined, { on: "threads" }),
  ];
  return { system, pairs: await draft.seal(), trainers, spins };
}

async function inTwoThreads(command: Command): Promise<Measured> {
  const count = numberOf(command, "count");
  const { trainers, pairs, spins } =
    await (two ??= twoTrainers(count, numberOf(command, "grid"), numberOf(command, "kernel")));
  const epoch = async (trainer: ActorRef<Trainer>): Promise<number> => {
    const { epoch } = await trainer.ask("about");
    const task = { pairs: [pairs], epochs: epoch + 1, batch: numberOf(command, "batch") };
    return (await trainer.ask("fit", task)).epochs[0]!.loss;
  };
  const cpuSince = (before?: NodeJS.CpuUsage): number => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  const [alone, aloneCpu] = [performance.now(), process.cpuUsage()];
  await epoch(trainers[0]!);
  const [aloneSeconds, aloneCpuSeconds] = [secondsSince(alone), cpuSince(aloneCpu)];
  const [together, togetherCpu] = [performance.now(), process.cpuUsage()];
  const losses = await Promise.all(trainers.map(epoch));
  const [seconds, cpuSeconds] = [secondsSince(together), cpuSince(togetherCpu)];
  const spinning = performance.now();
  await spins[0]!.ask("spin", spinRounds);
  const both = performance.now();
  await Promise.all(spins.map((spin) => spin.ask("spin", spinRounds)));
  const machine = 2 * (both - spinning) / (performance.now() - both);
  return { seconds, aloneSeconds, cpuSeconds, aloneCpuSeconds, machine, count, loss: Math.max(...losses) };
}

await serve({
  "train-128": train,
  "train-512": train,
  "two-threads": inTwoThreads,
  hello: () => ({ version: runtimeVersion(), settings: backend.said }),
}, async () => {
  await (await two)?.system.close();
});
