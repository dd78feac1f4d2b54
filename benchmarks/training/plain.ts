// The workload of the suite `training` in TensorFlow.js as it comes: the same network by its own layers, its own optimizer and
// its own loop, on the native backend that shoal computes on, without what shoal adds to it. `plain.js MAIN`, the main
// file of the package.

import { createRequire } from "node:module";
import process from "node:process";
import util from "node:util";
import type { Backend } from "shoal/actors";
import { type Command, numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";

// What newer Nodes no longer have.
Object.assign(util, { isNullOrUndefined: (value: unknown) => value === null || value === undefined });
const tf = createRequire(import.meta.url)(process.argv[2]!) as Backend["tf"] & Backend["layers"];

type Model = ReturnType<typeof tf.sequential>;
interface Training {
  readonly model: Model;
  readonly inputs: ReturnType<typeof tf.tensor>;
  readonly targets: ReturnType<typeof tf.tensor>;
}

const trainings = new Map<string, Training>();

function prepared(count: number, grid: number, kernelSize: number): Training {
  const model = tf.sequential();
  [8, 16, 8, 1].forEach((filters, index) => {
    const activation = index < 3 ? "relu" : "linear";
    const first = index === 0 ? { inputShape: [grid, grid, 1] } : {};
    model.add(tf.layers.conv2d({ filters, kernelSize, padding: "same", activation, ...first }));
  });
  model.compile({ optimizer: tf.train.adam(0.001), loss: "meanSquaredError" });
  const inputs = tf.randomUniform([count, grid, grid, 1], -1, 1, "float32", 1);
  return { model, inputs, targets: tf.div(inputs, 2) };
}

async function train(command: Command): Promise<Measured> {
  const [count, grid, kernel] = [numberOf(command, "count"), numberOf(command, "grid"), numberOf(command, "kernel")];
  const key = [count, grid, kernel].join(" ");
  const training = trainings.get(key) ?? prepared(count, grid, kernel);
  trainings.set(key, training);
  const [began, before] = [performance.now(), process.cpuUsage()];
  const options = { batchSize: numberOf(command, "batch"), epochs: 1, verbose: 0 } as const;
  const { history } = await training.model.fit(training.inputs, training.targets, options);
  const { user, system } = process.cpuUsage(before);
  return { seconds: secondsSince(began), cpuSeconds: (user + system) / 1e6, count, loss: Number(history["loss"]![0]) };
}

await serve({
  "train-128": train,
  "train-512": train,
  hello: () => ({ version: runtimeVersion(), settings: "TensorFlow.js as it comes, one thread" }),
});
