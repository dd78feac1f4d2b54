// Every kind of layer that a model may have: it learns on WebAssembly what it learns on the plain backend, or the error
// says what is missing.
import { openBackend } from "../../actors/training/backends.ts";
import type { Network } from "../../actors/training/network.ts";
import { network } from "../../actors/training/networks.ts";
import type { LayersModel, Library } from "../../actors/training/tensorflow.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { numbers } from "./data.ts";

const wasm = await openBackend({ backend: "wasm" });
const plain = await openBackend({ backend: "cpu" });

type Makers = Library["layers"]["layers"];
type Make = (layers: Makers) => readonly Pick<ReturnType<Makers["dense"]>, "apply">[];

/** Layers by what they show, with the shape of what they are given. */
const kinds: { readonly [what: string]: readonly [readonly number[], Make] } = {
  "dense, every activation": [[6], (l) => [
    l.dense({ units: 5, activation: "tanh" }),
    l.dense({ units: 5, activation: "sigmoid" }),
    l.dense({ units: 5, activation: "elu" }),
    l.dense({ units: 5, activation: "selu" }),
    l.dense({ units: 5, activation: "softplus" }),
    l.dense({ units: 4, activation: "softmax" }),
  ]],
  "convolutions, fused and not": [[9, 8, 2], (l) => [
    l.conv2d({ filters: 5, kernelSize: 3, padding: "same", activation: "relu" }),
    l.conv2d({ filters: 8, kernelSize: [4, 2], strides: [2, 1], activation: "relu", useBias: false }),
    l.conv2d({ filters: 3, kernelSize: 2, activation: "sigmoid" }),
    l.conv2d({ filters: 1, kernelSize: 1 }),
  ]],
  "a convolution of strides 2, same padding and an even kernel": [[7, 7, 1], (l) => [
    l.conv2d({ filters: 4, kernelSize: 4, strides: 2, padding: "same", activation: "relu" }),
  ]],
  "a convolution whose channels come first": [[2, 6, 5], (l) => [
    l.conv2d({ filters: 3, kernelSize: 3, padding: "same", dataFormat: "channelsFirst" }),
  ]],
  "convolutions along a line": [[12, 3], (l) => [
    l.conv1d({ filters: 5, kernelSize: 3, padding: "same", activation: "relu" }),
    l.conv1d({ filters: 2, kernelSize: 4, strides: 2 }),
    l.maxPooling1d({ poolSize: 2 }),
  ]],
  "convolutions of space": [[5, 5, 4, 2], (l) => [
    l.conv3d({ filters: 3, kernelSize: 3, padding: "same", activation: "relu" }),
    l.conv3d({ filters: 2, kernelSize: [2, 3, 1] }),
    l.conv3d({ filters: 1, kernelSize: 3, strides: 2, padding: "same" }),
  ]],
  "pooling of space": [[4, 4, 4, 2], (l) => [
    l.conv3d({ filters: 3, kernelSize: 1 }),
    l.maxPooling3d({ poolSize: 2 }),
    l.averagePooling3d({ poolSize: 2 }),
  ]],
  "transposed convolutions": [[5, 4, 3], (l) => [
    l.conv2dTranspose({ filters: 4, kernelSize: 3, strides: 2, padding: "same", activation: "relu" }),
    l.conv2dTranspose({ filters: 2, kernelSize: 2 }),
  ]],
  "separable and depthwise convolutions": [[8, 7, 3], (l) => [
    l.separableConv2d({ filters: 6, kernelSize: 3, depthMultiplier: 2, activation: "relu", padding: "same" }),
    l.depthwiseConv2d({ kernelSize: 3, strides: 2 }),
  ]],
  "pooling and padding": [[8, 8, 3], (l) => [
    l.conv2d({ filters: 4, kernelSize: 3, padding: "same" }),
    l.maxPooling2d({ poolSize: 2 }),
    l.maxPooling2d({ poolSize: 3, strides: 1, padding: "same" }),
    l.zeroPadding2d({ padding: 1 }),
    l.averagePooling2d({ poolSize: 2, strides: 1 }),
    l.globalAveragePooling2d({ dataFormat: "channelsLast" }),
  ]],
  "normalization": [[6, 5, 3], (l) => [
    l.conv2d({ filters: 4, kernelSize: 3 }),
    l.batchNormalization(),
    l.leakyReLU(),
    l.layerNormalization(),
    l.flatten(),
    l.dense({ units: 2 }),
  ]],
  "dropout and noise": [[10], (l) => [
    l.dense({ units: 16, activation: "relu" }),
    l.dropout({ rate: 0.3 }),
    l.gaussianNoise({ stddev: 0.1 }),
    l.dense({ units: 2 }),
  ]],
  "memory": [[5, 3], (l) => [
    l.lstm({ units: 4, returnSequences: true }),
    l.gru({ units: 3, returnSequences: true }),
    l.simpleRNN({ units: 3 }),
  ]],
  "both directions": [[4, 2], (l) => [
    l.bidirectional({ layer: l.lstm({ units: 3 }), mergeMode: "concat" }),
  ]],
  "each step": [[4, 3], (l) => [l.timeDistributed({ layer: l.dense({ units: 2, activation: "relu" }) })]],
  "a table": [[3], (l) => [l.embedding({ inputDim: 4, outputDim: 5 }), l.flatten(), l.dense({ units: 2 })]],
};

function build([shape, make]: (typeof kinds)[string]): (library: Library) => LayersModel {
  return ({ layers }) => {
    const input = layers.input({ shape: [...shape] });
    let last = input;
    for (const layer of make(layers.layers)) last = layer.apply(last) as typeof input;
    return layers.model({ inputs: input, outputs: last });
  };
}

async function trained(
  net: Network,
  what: string,
): Promise<{ losses: number[]; weights: Uint8Array; answers: Float32Array }> {
  const count = 6;
  const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
  const inputs = numbers(count * size(net.inputShape), 1);
  // Numbers of rows, for what looks them up.
  const given = what === "a table" ? inputs.map((value) => Math.floor((value + 1) * 1.99)) : inputs;
  const targets = numbers(count * size(net.outputShape), 2);
  const { inputShape, outputShape: targetShape } = net;
  const losses: number[] = [];
  for await (
    const { loss } of net.train({ count, inputShape, targetShape, inputs: given, targets }, { epochs: 3, batch: 4 })
  ) {
    losses.push(loss);
  }
  return { losses, weights: await net.weights(), answers: await net.predict(given, count, 4) };
}

for (const [what, kind] of Object.entries(kinds)) {
  test(`layers: ${what}: learnt on wasm as on cpu`, async () => {
    // Not Adam: its first steps make of a gradient that is nearly 0 one of its sign alone.
    const learning = { seed: 3, learningRate: 0.05, optimizer: "momentum" } as const;
    const [first, second] = [
      await network(wasm, build(kind), {}, learning),
      await network(plain, build(kind), {}, learning),
    ];
    await second.load(await first.weights());
    const [actual, expected] = [await trained(first, what), await trained(second, what)];
    actual.losses.forEach((loss, epoch) => {
      const distance = Math.abs(loss - expected.losses[epoch]!) / Math.abs(expected.losses[epoch]!);
      assert.ok(distance < 1e-4, `loss ${loss} in epoch ${epoch + 1}, expected ${expected.losses[epoch]}`);
    });
    assert.equal(actual.weights.length, expected.weights.length);
    actual.answers.forEach((value, at) =>
      assert.ok(Math.abs(value - expected.answers[at]!) < 2e-3, `${value} at ${at}, expected ${expected.answers[at]}`)
    );
    first.dispose();
    second.dispose();
  });
}

test("layers: a dilated convolution that shall learn is refused by its name", async () => {
  const dilated = build([[9, 9, 1], (l) => [l.conv2d({ filters: 2, kernelSize: 3, dilationRate: 2, name: "wide" })]]);
  const error = await errorOf("BadInput", () => network(wasm, dilated, {}));
  assert.match(error.message, /layer wide has dilationRate 2/);
});

test("layers: networks of two backends learn side by side in one thread", async () => {
  const kind = kinds["convolutions, fused and not"]!;
  const learning = { seed: 3, learningRate: 0.05, optimizer: "momentum" } as const;
  const make =
    async () => [await network(wasm, build(kind), {}, learning), await network(plain, build(kind), {}, learning)];
  const apart: number[][] = [];
  for (const net of await make()) apart.push((await trained(net, "")).losses);
  const together = await Promise.all((await make()).map(async (net) => (await trained(net, "")).losses));
  assert.deepEqual(together, apart);
});
