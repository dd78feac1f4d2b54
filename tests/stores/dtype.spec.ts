// The table of dtypes: widths, inference from arrays, and which shapes there are.
import {
  arrayOver,
  dimensionsMax,
  dtypes,
  elementBytes,
  elementCount,
  layoutOf,
  tensorBytes,
} from "../../stores/dtype.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "./world.ts";

test("dtypes: fifteen, each as wide as its name says", () => {
  assert.equal(dtypes.length, 15);
  for (const dtype of dtypes) {
    const bits = dtype === "bool" ? 8 : Number(/\d+$/.exec(dtype)![0]);
    assert.equal(elementBytes(dtype), bits / 8, dtype);
  }
});

test("arrayOver: lies in place and holds every element", () => {
  for (const dtype of dtypes) {
    const buffer = new SharedArrayBuffer(256);
    const array = arrayOver(dtype, buffer, 64, 6 * elementBytes(dtype));
    assert.equal(array.byteOffset, 64);
    assert.equal(array.byteLength, 6 * elementBytes(dtype));
    assert.equal(array.buffer, buffer);
  }
});

test("layoutOf: infers dtype and shape from the array, a Buffer included", () => {
  assert.deepEqual(layoutOf({ data: new Float64Array(3) }), { dtype: "float64", shape: [3], bytes: 24 });
  assert.deepEqual(layoutOf({ data: new BigUint64Array(2) }), { dtype: "uint64", shape: [2], bytes: 16 });
  assert.deepEqual(layoutOf({ data: Buffer.from("abc") }), { dtype: "uint8", shape: [3], bytes: 3 });
  const complex = { data: new Float32Array(6), dtype: "complex64" as const };
  assert.deepEqual(layoutOf(complex), { dtype: "complex64", shape: [3], bytes: 24 });
  assert.deepEqual(layoutOf({ data: new Int8Array(0) }), { dtype: "int8", shape: [0], bytes: 0 });
  assert.deepEqual(layoutOf({ data: new Int8Array(1), shape: [] }), { dtype: "int8", shape: [], bytes: 1 });
});

test("layoutOf: refuses what does not belong together, and says why", async () => {
  const refused = async (item: object, message: RegExp): Promise<void> => {
    const error = await errorOf("BadInput", () => layoutOf(item as { data: Float64Array }));
    assert.match(error.message, message);
  };
  await refused({ data: new Float32Array(2), dtype: "float64" }, /float64 is held in a Float64Array, not in a Float32/);
  await refused({ data: new Float64Array(2), shape: [3] }, /takes 24 bytes, the array holds 16/);
  await refused({ data: new Float32Array(3), dtype: "complex64" }, /1\.5 is not a whole number/);
  await refused({ data: new Uint8ClampedArray(2) }, /Uint8ClampedArray is not an array of a dtype/);
  await refused({ data: new DataView(new ArrayBuffer(2)) }, /DataView/);
  await refused({ data: [1, 2] }, /object is not/);
  await refused({ data: new Float32Array(2), dtype: "toString" }, /unknown dtype/);
});

test("elementCount: a shape without dimensions has one element, one with a zero none", () => {
  assert.equal(elementCount([]), 1);
  assert.equal(elementCount([3, 0, 5]), 0);
  assert.equal(elementCount([2 ** 26, 2 ** 26]), 2 ** 52);
});

test("tensorBytes: refuses shapes that are none, and overflow also behind a zero", async () => {
  const shapes = [[-1], [1.5], [NaN], [Infinity], [2 ** 53], [2 ** 27, 2 ** 27], [0, 2 ** 30, 2 ** 30], ["2"], "2", [
    -0.5,
  ]];
  for (const shape of shapes) await errorOf("BadInput", () => tensorBytes("int8", shape as number[]));
  await errorOf("BadInput", () => tensorBytes("int8", new Array<number>(dimensionsMax + 1).fill(1)));
  await errorOf("BadInput", () => tensorBytes("float64", [2 ** 51]));
  assert.equal(tensorBytes("float64", [2 ** 49]), 2 ** 52);
  assert.equal(tensorBytes("int8", new Array<number>(dimensionsMax).fill(1)), 1);
});

test("tensorBytes: is the product of the shape and the width", () =>
  property([fc.constantFrom(...dtypes), fc.array(fc.nat(20), { maxLength: 8 })], (dtype, shape) => {
    const exact = shape.reduce((product, size) => product * BigInt(size), BigInt(elementBytes(dtype)));
    assert.equal(BigInt(tensorBytes(dtype, shape)), exact);
  }));
