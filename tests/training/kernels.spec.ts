// The kernels that shoal gives the WebAssembly backend: against the plain backend, against differences of a convolution
// written down here in double precision, and for what they leave behind.
import type { Operations, Tensor4D } from "../../actors/training/tensorflow.ts";
import { type Backend, openBackend } from "../../actors/training/backends.ts";
import { assert, fc, long, property, test } from "../suite.ts";
import { numbers } from "./data.ts";

const wasm = await openBackend({ backend: "wasm" });
const plain = await openBackend({ backend: "cpu" });
const { tf } = wasm;

interface Shape {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pad: "same" | "valid" | number;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  rows: fc.integer({ min: 1, max: 13 }),
  columns: fc.integer({ min: 1, max: 13 }),
  // Both sides of four and of eight: what is left over takes ways of its own.
  inputs: fc.integer({ min: 1, max: 9 }),
  outputs: fc.integer({ min: 1, max: 21 }),
  kernel: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  pad: fc.oneof(fc.constantFrom("same" as const, "valid" as const), fc.integer({ min: 0, max: 8 })),
}).map((shape) => {
  if (typeof shape.pad === "string") return shape;
  // With room given by number, tfjs takes the size of the result for that of a square, whatever it is.
  const [[side], [stride]] = [shape.kernel, shape.strides];
  return { ...shape, columns: shape.rows, kernel: [side, side] as const, strides: [stride, stride] as const };
}).filter(({ rows, columns, kernel, pad }) => {
  const room = typeof pad === "number" ? 2 * pad : 0;
  return pad === "same" || (rows + room >= kernel[0] && columns + room >= kernel[1]);
});

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

interface Gradients {
  readonly y: Float32Array;
  readonly dx: Float32Array;
  readonly dw: Float32Array;
}

/** The convolution, and the gradients of its products with `change`, on a backend. */
async function gradients(
  backend: Backend,
  { batch, rows, columns, inputs, outputs, kernel, strides, pad }: Shape,
  convolve: Operations["conv2d"] | Operations["depthwiseConv2d"] = tf.conv2d,
): Promise<Gradients> {
  backend.use();
  const isDepthwise = convolve === tf.depthwiseConv2d;
  const filterShape = [...kernel, inputs, outputs] as [number, number, number, number];
  const x = tf.tensor4d(numbers(batch * rows * columns * inputs, 1), [batch, rows, columns, inputs]);
  const filter = tf.tensor4d(numbers(size(filterShape), 2), filterShape);
  const steps = [...strides] as [number, number];
  const made = convolve(x, filter, steps, pad);
  const change = tf.tensor(numbers(made.size, 3), made.shape);
  const [dx, dw] = tf.grads((x, filter) =>
    tf.sum(tf.mul(convolve(x as Tensor4D, filter as Tensor4D, steps, pad), change))
  )([
    x,
    filter,
  ]);
  const read = async (tensor: typeof change): Promise<Float32Array> => Float32Array.from(await tensor.data());
  const result = { y: await read(made), dx: await read(dx!), dw: await read(dw!) };
  tf.dispose([x, filter, made, change, dx!, dw!]);
  assert.equal(isDepthwise ? made.shape[3] : inputs * outputs, inputs * outputs);
  return result;
}

/** Fails where numbers are farther apart than roundings of sums of so many products explain. */
function assertNear(actual: Float32Array, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  let largest = 1e-3;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i]!));
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i]! - expected[i]!) / largest;
    assert.ok(distance < 1e-5, `${what}: ${actual[i]} at ${i}, expected ${expected[i]}`);
  }
}

test("kernels: convolutions and both gradients are those of the plain backend", () =>
  property([shapes], async (shape) => {
    const [actual, expected] = [await gradients(wasm, shape), await gradients(plain, shape)];
    for (const part of ["y", "dx", "dw"] as const) assertNear(actual[part], expected[part], part);
  }, { runs: 60 }));

test("kernels: a filter that finds no place in the input is refused, and the memory stays whole", async () => {
  wasm.use();
  const x = tf.tensor4d(numbers(2 * 4 * 6, 1), [2, 4, 1, 6]);
  const filter = tf.tensor4d(numbers(4 * 6 * 16, 2), [4, 1, 6, 16]);
  assert.throws(() => tf.conv2d(x, filter, [1, 3], 0), /finds no place/);
  tf.dispose([x, filter]);
});

test("kernels: depthwise convolutions and both gradients are those of the plain backend", () =>
  property([shapes, fc.integer({ min: 1, max: 3 })], async (shape, each) => {
    const few = { ...shape, outputs: each };
    const actual = await gradients(wasm, few, tf.depthwiseConv2d);
    const expected = await gradients(plain, few, tf.depthwiseConv2d);
    for (const part of ["y", "dx", "dw"] as const) assertNear(actual[part], expected[part], part);
  }, { runs: 40 }));

/** Σ change · (x ∗ filter), in double precision, by the definition. */
function definition(
  shape: Shape,
  x: Float64Array,
  filter: Float64Array,
  change: Float32Array,
  top: number,
  left: number,
) {
  const { batch, rows, columns, inputs, outputs, kernel, strides } = shape;
  const places = change.length / batch / outputs;
  let total = 0;
  for (let n = 0; n < batch; n++) {
    for (let place = 0; place < places; place++) {
      const width = widthOf(shape);
      const [row, column] = [Math.floor(place / width), place % width];
      for (let i = 0; i < kernel[0]; i++) {
        for (let j = 0; j < kernel[1]; j++) {
          const [y, z] = [row * strides[0] + i - top, column * strides[1] + j - left];
          if (y < 0 || y >= rows || z < 0 || z >= columns) continue;
          for (let a = 0; a < inputs; a++) {
            for (let b = 0; b < outputs; b++) {
              total += x[((n * rows + y) * columns + z) * inputs + a]! *
                filter[((i * kernel[1] + j) * inputs + a) * outputs + b]! *
                change[(n * places + place) * outputs + b]!;
            }
          }
        }
      }
    }
  }
  return total;
}

const outSize = (length: number, kernel: number, stride: number, pad: Shape["pad"]): number =>
  pad === "same"
    ? Math.ceil(length / stride)
    : Math.floor((length + (pad === "valid" ? 0 : 2 * pad) - kernel) / stride) + 1;
const widthOf = ({ columns, kernel, strides, pad }: Shape): number => outSize(columns, kernel[1], strides[1], pad);
const before = (length: number, kernel: number, stride: number, pad: Shape["pad"]): number =>
  typeof pad === "number"
    ? pad
    : pad === "valid"
    ? 0
    : Math.floor(Math.max(0, (outSize(length, kernel, stride, pad) - 1) * stride + kernel - length) / 2);

test("kernels: gradients are the differences that a change of one number makes", () =>
  property([shapes, fc.nat(), fc.nat()], async (shape, anInput, aWeight) => {
    const { batch, rows, columns, inputs, outputs, kernel, strides, pad } = shape;
    const { y, dx, dw } = await gradients(wasm, shape);
    const x = Float64Array.from(numbers(dx.length, 1));
    const filter = Float64Array.from(numbers(dw.length, 2));
    const change = numbers(y.length, 3);
    assert.equal(y.length, batch * outSize(rows, kernel[0], strides[0], pad) * widthOf(shape) * outputs);
    const sides = [before(rows, kernel[0], strides[0], pad), before(columns, kernel[1], strides[1], pad)] as const;
    const total = (): number => definition(shape, x, filter, change, ...sides);
    for (const [values, gradient, chosen] of [[x, dx, anInput], [filter, dw, aWeight]] as const) {
      const at = chosen % values.length;
      const was = values[at]!;
      values[at] = was + 0.5;
      const above = total();
      values[at] = was - 0.5;
      const difference = above - total();
      values[at] = was;
      const scale = Math.sqrt(batch * rows * columns * inputs * outputs);
      assert.ok(
        Math.abs(difference - gradient[at]!) < 1e-4 * scale,
        `${gradient[at]} at ${at}, expected ${difference}`,
      );
    }
  }, { runs: 40 }));

test("kernels: what is looked up in a table gives its gradient back to the rows that were read", async () => {
  const run = async (backend: Backend): Promise<Float32Array> => {
    backend.use();
    const table = tf.tensor2d(numbers(7 * 5, 1), [7, 5]);
    const rows = tf.tensor1d([6, 0, 6, 3, 6, 0], "int32");
    const gradient = tf.grad((table) => tf.sum(tf.square(tf.gather(table, rows))))(table);
    return Float32Array.from(await gradient.data());
  };
  assertNear(await run(wasm), await run(plain), "table");
});

test("kernels: ten thousand steps leave no tensor and no memory behind", async () => {
  wasm.use();
  const steps = long ? 100_000 : 10_000;
  const x = tf.tensor4d(numbers(2 * 6 * 5 * 3, 1), [2, 6, 5, 3]);
  const filter = tf.tensor4d(numbers(9 * 3 * 5, 2), [3, 3, 3, 5]);
  const step = (): void =>
    tf.tidy(() => {
      tf.grads((x, filter) => tf.sum(tf.relu(tf.conv2d(x as Tensor4D, filter as Tensor4D, 1, "same"))))([
        x,
        filter,
      ]);
    });
  step();
  const { numTensors, numDataBuffers } = tf.memory();
  const bytes = wasm.heap!.bytes();
  for (let count = 0; count < steps; count++) step();
  assert.deepEqual([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
  assert.equal(wasm.heap!.bytes(), bytes, "the memory has grown");
  tf.dispose([x, filter]);
}, { timeoutMs: 120_000 });

test("kernels: a convolution whose channels come first is refused with the reason", async () => {
  wasm.use();
  const x = tf.tensor4d(numbers(36, 1), [1, 1, 6, 6]);
  const filter = tf.tensor4d(numbers(9, 2), [3, 3, 1, 1]);
  assert.throws(
    () =>
      tf.grads((x, filter) => tf.sum(tf.conv2d(x as Tensor4D, filter as Tensor4D, 1, "same", "NCHW")))([
        x,
        filter,
      ]),
    /NHWC|channels come first|channelsFirst/,
  );
  tf.dispose([x, filter]);
});
