// The gradients that come to each channel apart: of depthwise convolutions, and of what is looked up by number. There is
// little to compute in them, so plain loops over the heap do.

import type { Operations, TensorInfo } from "../tensorflow.ts";
import type { Heap } from "./heap.ts";

type Geometry = ReturnType<Operations["backend_util"]["computeConv2DInfo"]>;

/** Calls back for each place of the output and of the filter that meet: with where all three lie, channels apart. */
function eachMeeting(
  geometry: Geometry,
  meet: (inputAt: number, filterAt: number, outputAt: number) => void,
): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, padInfo } = geometry;
  const { filterHeight, filterWidth, strideHeight, strideWidth } = geometry;
  for (let image = 0; image < batchSize; image++) {
    for (let row = 0; row < outHeight; row++) {
      for (let column = 0; column < outWidth; column++) {
        const outputAt = ((image * outHeight + row) * outWidth + column) * outChannels;
        for (let i = 0; i < filterHeight; i++) {
          const y = row * strideHeight - padInfo.top + i;
          if (y < 0 || y >= inHeight) continue;
          for (let j = 0; j < filterWidth; j++) {
            const x = column * strideWidth - padInfo.left + j;
            if (x < 0 || x >= inWidth) continue;
            const inputAt = ((image * inHeight + y) * inWidth + x) * inChannels;
            meet(inputAt, (i * filterWidth + j) * outChannels, outputAt);
          }
        }
      }
    }
  }
}

export function depthwiseInputGradient(
  heap: Heap,
  change: TensorInfo,
  filter: TensorInfo,
  geometry: Geometry,
): TensorInfo {
  const { inChannels, outChannels } = geometry;
  const each = outChannels / inChannels;
  const out = heap.make(geometry.inShape);
  const [changes, weights, result] = [heap.floats(change), heap.floats(filter), heap.floats(out)];
  result.fill(0);
  eachMeeting(geometry, (inputAt, filterAt, outputAt) => {
    for (let channel = 0; channel < inChannels; channel++) {
      let sum = result[inputAt + channel]!;
      for (let m = channel * each; m < (channel + 1) * each; m++) {
        sum += changes[outputAt + m]! * weights[filterAt + m]!;
      }
      result[inputAt + channel] = sum;
    }
  });
  return out;
}

export function depthwiseFilterGradient(heap: Heap, x: TensorInfo, change: TensorInfo, geometry: Geometry): TensorInfo {
  const { inChannels, outChannels } = geometry;
  const each = outChannels / inChannels;
  const out = heap.make(geometry.filterShape);
  const [inputs, changes, result] = [heap.floats(x), heap.floats(change), heap.floats(out)];
  // Sums of many: kept in double precision until the end.
  const sums = new Float64Array(result.length);
  eachMeeting(geometry, (inputAt, filterAt, outputAt) => {
    for (let channel = 0; channel < inChannels; channel++) {
      const input = inputs[inputAt + channel]!;
      for (let m = channel * each; m < (channel + 1) * each; m++) {
        sums[filterAt + m]! += input * changes[outputAt + m]!;
      }
    }
  });
  result.set(sums);
  return out;
}

/** Adds each row of `x` to the row of the result that its number names; numbers outside are left out, as tfjs does. */
export function segmentSums(heap: Heap, x: TensorInfo, numbers: Int32Array, segments: number): TensorInfo {
  const [, ...shape] = x.shape;
  const size = shape.reduce((a, b) => a * b, 1);
  const out = heap.make([segments, ...shape]);
  const [from, to] = [heap.floats(x), heap.floats(out)];
  to.fill(0);
  numbers.forEach((number, row) => {
    if (number < 0 || number >= segments) return;
    for (let i = 0; i < size; i++) to[number * size + i]! += from[row * size + i]!;
  });
  return out;
}
