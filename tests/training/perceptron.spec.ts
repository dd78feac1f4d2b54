// Networks of dense layers alone on WebAssembly: each step asks of every weight what the plain backend asks, and a
// checkpoint is all that it takes to go on.
import { openBackend } from "../../actors/training/backends.ts";
import type { Network } from "../../actors/training/network.ts";
import { network } from "../../actors/training/networks.ts";
import { unpack } from "../../actors/training/safetensors.ts";
import type { LayersModel, Library } from "../../actors/training/tensorflow.ts";
import { random } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { numbers } from "./data.ts";

const wasm = await openBackend({ backend: "wasm" });
const plain = await openBackend({ backend: "cpu" });

interface Shape {
  readonly inputs: number;
  readonly units: readonly (readonly [units: number, relu: boolean])[];
}

const dense = ({ inputs, units }: Shape) => ({ layers }: Library): LayersModel =>
  layers.sequential({
    layers: units.map(([count, relu], index) =>
      layers.layers.dense({
        units: count,
        activation: relu ? "relu" : "linear",
        biasInitializer: "glorotNormal",
        ...index === 0 && { inputShape: [inputs] },
      })
    ),
  });

/** Numbers of which many are zero. */
function sparse(count: number, seed: number): Float32Array {
  const dice = random(seed);
  return numbers(count, seed).map((value) => dice.below(3) === 0 ? value : 0);
}

async function learn(net: Network, count: number, seed: number, epochs: number, batch: number): Promise<number[]> {
  const { inputShape, outputShape: targetShape } = net;
  const [inputs, targets] = [sparse(count * inputShape[0]!, seed), numbers(count * targetShape[0]!, seed + 1)];
  const losses: number[] = [];
  for await (const { loss } of net.train({ count, inputShape, targetShape, inputs, targets }, { epochs, batch })) {
    losses.push(loss);
  }
  return losses;
}

const near = (actual: number, expected: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) < 1e-5 + 1e-4 * Math.abs(expected), `${what}: ${actual}, expected ${expected}`);

test("perceptron: what a step asks of the weights on wasm is what it asks on cpu", () =>
  property([
    fc.record({
      inputs: fc.integer({ min: 1, max: 9 }),
      // Not even, and more than there are registers for.
      units: fc.array(fc.tuple(fc.constantFrom(1, 3, 4, 6, 37), fc.boolean()), { minLength: 1, maxLength: 3 }),
      count: fc.integer({ min: 1, max: 7 }),
      seed: fc.nat(),
    }),
  ], async ({ inputs, units, count, seed }) => {
    const learning = { seed, learningRate: 0.01 };
    const made = [wasm, plain].map((backend) => network(backend, dense({ inputs, units }), {}, learning));
    const [first, second] = await Promise.all(made) as [Network, Network];
    await second.load(await first.weights());
    const [actual, expected] = [await learn(first, count, seed, 1, count), await learn(second, count, seed, 1, count)];
    near(actual[0]!, expected[0]!, "loss");
    // The memories of Adam after one step are the gradients, in two ways.
    const [kept, others] = [unpack(await first.checkpoint()).arrays, unpack(await second.checkpoint()).arrays];
    for (const [name, { data }] of others) {
      if (!/\.(first|second)$/.test(name)) continue;
      data.forEach((value, at) => near(kept.get(name)!.data[at]!, value, `${name} ${at}`));
    }
    await second.load(await first.weights());
    const asked = sparse(5 * inputs, seed + 2);
    const answers = await first.predict(asked, 5, 2);
    (await second.predict(asked, 5, 5)).forEach((value, at) => near(answers[at]!, value, `answer ${at}`));
    first.dispose();
    second.dispose();
  }, { runs: 25 }));

test("perceptron: it learns, also in batches that are not full, and goes on from a checkpoint with the same bits", async () => {
  const build = dense({ inputs: 7, units: [[10, true], [5, true], [2, false]] });
  const learning = { seed: 5, learningRate: 0.01 };
  const [whole, half, rest] = await Promise.all([1, 2, 3].map(() => network(wasm, build, {}, learning)));
  const losses = await learn(whole!, 11, 8, 200, 4);
  assert.ok(losses.at(-1)! < losses[0]! / 10, `${losses.at(-1)} after ${losses[0]}`);
  await learn(half!, 11, 8, 90, 4);
  const checkpoint = await half!.checkpoint();
  // What goes on learning changes nothing of what was written down, or of who reads it.
  await rest!.restore(checkpoint);
  await learn(half!, 11, 9, 95, 4);
  assert.deepEqual(await learn(rest!, 11, 8, 200, 4), losses.slice(90));
  assert.deepEqual(await rest!.weights(), await whole!.weights());
  for (const each of [whole, half, rest]) each!.dispose();
});
