// Gives tensors the operations as methods of theirs, `x.square().sum()`: models and layers are written so, and the part
// of TensorFlow.js that does it is not in a form that Node loads.

import type { Operations } from "./tensorflow.ts";

/** Operations whose first argument is the tensor. */
const plain =
  `abs acos acosh add all any argMax argMin asin asinh atan atan2 atanh avgPool batchToSpaceND batchNorm broadcastTo cast
  ceil clipByValue conv1d conv2d conv2dTranspose cos cosh cumprod cumsum depthToSpace depthwiseConv2d dilation2d div
  divNoNan dot elu equal erf euclideanNorm exp expandDims expm1 fft floor floorDiv gather greater greaterEqual ifft irfft
  isFinite isInf isNaN leakyRelu less lessEqual localResponseNormalization log log1p logSigmoid logSoftmax logSumExp
  logicalAnd logicalNot logicalOr logicalXor matMul max maxPool maximum mean min minimum mirrorPad mod mul neg norm
  notEqual oneHot onesLike pad pool pow prelu prod reciprocal relu relu6 reshape resizeBilinear resizeNearestNeighbor
  reverse rfft round rsqrt selu separableConv2d sigmoid sign sin sinh slice softmax softplus spaceToBatchND split sqrt
  square squaredDifference squeeze step stridedSlice sub sum tan tanh tile topk transpose unique unsortedSegmentSum
  unstack zerosLike`.split(/\s+/);

type Operation = (...given: unknown[]) => unknown;
type Shaped = { readonly size: number };

/** Call once a thread; methods that are there already stay. */
export function chain(tf: Operations): void {
  const operations = tf as object as { readonly [name: string]: Operation };
  const prototype = tf.Tensor.prototype as object as { [name: string]: Operation };
  const set = (name: string, method: (this: Shaped, ...given: never[]) => unknown): void => {
    prototype[name] ??= method as Operation;
  };
  const others = (more: unknown): unknown[] => Array.isArray(more) ? more : [more];
  for (const name of plain) {
    const operation = operations[name];
    if (operation !== undefined) {
      set(
        name,
        function (this: Shaped, ...given: unknown[]) {
          return operation(this, ...given);
        },
      );
    }
  }
  const reshaped = (tensor: Shaped, shape: readonly number[]): unknown => operations["reshape"]!(tensor, shape);
  const cast = (tensor: Shaped, dtype: string): unknown => operations["cast"]!(tensor, dtype);
  set("flatten", function () {
    return reshaped(this, [this.size]);
  });
  set("as1D", function () {
    return reshaped(this, [this.size]);
  });
  set("asScalar", function () {
    return reshaped(this, []);
  });
  for (const name of ["as2D", "as3D", "as4D", "as5D"]) {
    set(name, function (...shape: number[]) {
      return reshaped(this, shape);
    });
  }
  set("reshapeAs", function (like: { readonly shape: readonly number[] }) {
    return reshaped(this, like.shape);
  });
  set("asType", function (dtype: string) {
    return cast(this, dtype);
  });
  for (const [name, dtype] of [["toFloat", "float32"], ["toInt", "int32"], ["toBool", "bool"]] as const) {
    set(name, function () {
      return cast(this, dtype);
    });
  }
  for (const name of ["concat", "stack"]) {
    set(name, function (more: unknown, axis?: number) {
      return operations[name]!([this, ...others(more)], axis);
    });
  }
  set("where", function (condition: unknown, other: unknown) {
    return operations["where"]!(condition, this, other);
  });
}
