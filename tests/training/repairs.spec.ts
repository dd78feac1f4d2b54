// Gradients on WebAssembly that have no other backend to be compared with: the plain one has some of them wrong. Each is
// the difference that a change of one number makes to the operation itself.
import { openBackend } from "../../actors/training/backends.ts";
import type { Tensor, Tensor4D, Tensor5D } from "../../actors/training/tensorflow.ts";
import { assert, fc, property, test } from "../suite.ts";
import { numbers } from "./data.ts";

const wasm = await openBackend({ backend: "wasm" });
const { tf } = wasm;

interface Operation {
  readonly shape: readonly number[];
  run(x: Tensor): Tensor;
}

const side = fc.integer({ min: 1, max: 6 });
const window = { size: fc.integer({ min: 1, max: 3 }), stride: fc.integer({ min: 1, max: 3 }) };
const pad = fc.constantFrom("same" as const, "valid" as const);
const plane = fc.record({ batch: side, rows: side, columns: side, channels: side, ...window, pad })
  .filter(({ rows, columns, size, pad }) => pad === "same" || Math.min(rows, columns) >= size);
const space = fc.record({ depth: side, rows: side, columns: side, channels: side, ...window, pad })
  .filter(({ depth, rows, columns, size, pad }) => pad === "same" || Math.min(depth, rows, columns) >= size);
/** Even and odd sizes, both sides of what is there. */
const resized = fc.record({
  rows: side,
  columns: side,
  channels: side,
  to: fc.tuple(side, side),
  aligned: fc.boolean(),
});

const operations: { readonly [name: string]: fc.Arbitrary<Operation> } = {
  "maxPool": plane.map(({ batch, rows, columns, channels, size, stride, pad }) => ({
    shape: [batch, rows, columns, channels],
    run: (x) => tf.maxPool(x as Tensor4D, size, stride, pad),
  })),
  "avgPool": plane.map(({ batch, rows, columns, channels, size, stride, pad }) => ({
    shape: [batch, rows, columns, channels],
    run: (x) => tf.avgPool(x as Tensor4D, size, stride, pad),
  })),
  "maxPool3d": space.map(({ depth, rows, columns, channels, size, stride, pad }) => ({
    shape: [2, depth, rows, columns, channels],
    run: (x) => tf.maxPool3d(x as Tensor5D, size, stride, pad),
  })),
  "avgPool3d": space.map(({ depth, rows, columns, channels, size, stride, pad }) => ({
    shape: [2, depth, rows, columns, channels],
    run: (x) => tf.avgPool3d(x as Tensor5D, size, stride, pad),
  })),
  "conv3d": space.chain((given) =>
    fc.integer({ min: 1, max: 5 }).map((outputs) => {
      const { depth, rows, columns, channels, size, stride, pad } = given;
      const shape = [size, size, size, channels, outputs] as [number, number, number, number, number];
      const weights = numbers(shape.reduce((a, b) => a * b, 1), 5);
      return {
        shape: [1, depth, rows, columns, channels],
        run: (x: Tensor) => tf.conv3d(x as Tensor5D, tf.tensor5d(weights, shape), stride, pad),
      };
    })
  ),
  "the filter of conv3d": space.chain((given) =>
    fc.integer({ min: 1, max: 5 }).map((outputs) => {
      const { depth, rows, columns, channels, size, stride, pad } = given;
      const shape = [2, depth, rows, columns, channels] as [number, number, number, number, number];
      const inputs = numbers(shape.reduce((a, b) => a * b, 1), 5);
      return {
        shape: [size, size, size, channels, outputs],
        run: (x: Tensor) => tf.conv3d(tf.tensor5d(inputs, shape), x as Tensor5D, stride, pad),
      };
    })
  ),
  "resizeNearestNeighbor": resized.map(({ rows, columns, channels, to, aligned }) => ({
    shape: [2, rows, columns, channels],
    run: (x) => tf.image.resizeNearestNeighbor(x as Tensor4D, to, aligned),
  })),
  "resizeBilinear": resized.map(({ rows, columns, channels, to, aligned }) => ({
    shape: [2, rows, columns, channels],
    run: (x) => tf.image.resizeBilinear(x as Tensor4D, to, aligned),
  })),
};

for (const [name, arbitrary] of Object.entries(operations)) {
  test(`repairs: the gradient of ${name} is the difference that a change makes`, () =>
    property([arbitrary, fc.nat()], async ({ shape, run }, chosen) => {
      wasm.use();
      const dims = [...shape];
      const given = numbers(dims.reduce((a, b) => a * b, 1), 1);
      const at = chosen % given.length;
      // Small enough that no other number becomes the largest of a window: numbers here are farther apart than that.
      const step = name.startsWith("max") ? 2 ** -12 : 0.5;
      const [gradient, difference] = tf.tidy(() => {
        const result = run(tf.tensor(given, dims));
        const change = tf.tensor(numbers(result.size, 3), result.shape);
        const total = (values: Float32Array): Tensor => tf.sum(tf.mul(run(tf.tensor(values, dims)), change));
        const moved = (by: number): Float32Array => given.map((value, index) => index === at ? value + by : value);
        return [
          tf.grad((x) => tf.sum(tf.mul(run(x), change)))(tf.tensor(given, dims)),
          tf.div(tf.sub(total(moved(step)), total(moved(-step))), 2 * step),
        ];
      });
      const [actual, expected] = [(await gradient.data())[at]!, (await difference.data())[0]!];
      tf.dispose([gradient, difference]);
      // What sums of single precision lose, divided by the step.
      const tolerance = 1e-5 * Math.sqrt(given.length) / step + 1e-4;
      assert.ok(Math.abs(actual - expected) < tolerance, `${actual} at ${at}, expected ${expected}`);
    }, { runs: 25 }));
}
