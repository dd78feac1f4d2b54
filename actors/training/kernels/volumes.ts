// The gradients of convolutions in three dimensions: the backend's own are wrong where places overlap. Written as
// products of whole rows of channels, in plain loops over the heap.

import type { Operations, TensorInfo } from "../tensorflow.ts";
import type { Heap } from "./heap.ts";

export type Volume = ReturnType<Operations["backend_util"]["computeConv3DInfo"]>;

/** Calls back for each place of the output and of the filter that meet: with where their channels begin. */
function eachMeeting(geometry: Volume, meet: (inputAt: number, filterAt: number, outputAt: number) => void): void {
  const { batchSize, inChannels, outChannels, outDepth, outHeight, outWidth } = geometry;
  const { filterDepth, filterHeight, filterWidth, inDepth, inHeight, inWidth, padInfo } = geometry;
  const { strideDepth, strideHeight, strideWidth } = geometry;
  let outputAt = 0;
  for (let image = 0; image < batchSize; image++) {
    for (let d = 0; d < outDepth; d++) {
      for (let h = 0; h < outHeight; h++) {
        for (let w = 0; w < outWidth; w++, outputAt += outChannels) {
          for (let place = 0; place < filterDepth * filterHeight * filterWidth; place++) {
            const k = place % filterWidth;
            const j = Math.floor(place / filterWidth) % filterHeight;
            const i = Math.floor(place / filterWidth / filterHeight);
            const x = d * strideDepth - padInfo.front + i;
            const y = h * strideHeight - padInfo.top + j;
            const z = w * strideWidth - padInfo.left + k;
            if (x < 0 || y < 0 || z < 0 || x >= inDepth || y >= inHeight || z >= inWidth) continue;
            const inputAt = (((image * inDepth + x) * inHeight + y) * inWidth + z) * inChannels;
            meet(inputAt, place * inChannels * outChannels, outputAt);
          }
        }
      }
    }
  }
}

export function volumeInputGradient(
  heap: Heap,
  change: TensorInfo,
  filter: TensorInfo,
  geometry: Volume,
): TensorInfo {
  const { inChannels, outChannels } = geometry;
  const out = heap.make(geometry.inShape);
  const [changes, weights, result] = [heap.floats(change), heap.floats(filter), heap.floats(out)];
  result.fill(0);
  eachMeeting(geometry, (inputAt, filterAt, outputAt) => {
    for (let input = 0; input < inChannels; input++) {
      let sum = 0;
      const row = filterAt + input * outChannels;
      for (let output = 0; output < outChannels; output++) sum += weights[row + output]! * changes[outputAt + output]!;
      result[inputAt + input]! += sum;
    }
  });
  return out;
}

export function volumeFilterGradient(heap: Heap, x: TensorInfo, change: TensorInfo, geometry: Volume): TensorInfo {
  const { inChannels, outChannels } = geometry;
  const out = heap.make(geometry.filterShape);
  const [inputs, changes, result] = [heap.floats(x), heap.floats(change), heap.floats(out)];
  // Sums of many: kept in double precision until the end.
  const sums = new Float64Array(result.length);
  eachMeeting(geometry, (inputAt, filterAt, outputAt) => {
    for (let input = 0; input < inChannels; input++) {
      const value = inputs[inputAt + input]!;
      const row = filterAt + input * outChannels;
      for (let output = 0; output < outChannels; output++) sums[row + output]! += value * changes[outputAt + output]!;
    }
  });
  result.set(sums);
  return out;
}
