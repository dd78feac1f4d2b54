// Kernels that the WebAssembly backend lacks, or has wrong, beside convolutions in two dimensions: each is given what
// TensorFlow.js calls it with, and works on the heap. Training is right without them being fast.

import type { Operations, TensorInfo } from "../tensorflow.ts";
import { depthwiseFilterGradient, depthwiseInputGradient, segmentSums } from "./depthwise.ts";
import type { Heap } from "./heap.ts";
import { maximum, maximumGradient, meanGradient, nearestGradient, type Resizing, type Windows } from "./pooling.ts";
import { type Volume, volumeFilterGradient, volumeInputGradient } from "./volumes.ts";

type Utilities = Operations["backend_util"];
type Shape4 = [number, number, number, number];
type Shape5 = [number, number, number, number, number];

/** What the operations are called with; each has some of it. */
interface Attributes extends Resizing {
  readonly strides: [number, number] & [number, number, number];
  readonly pad: "same" | "valid";
  readonly filterSize: [number, number] & [number, number, number];
  readonly dimRoundingMode: Parameters<Utilities["computePool2DInfo"]>[5];
  readonly inputShape: Shape4 & Shape5;
  readonly filterShape: Shape4 & Shape5;
  readonly numSegments: number;
}

type Inputs = { readonly [name in "x" | "dy" | "filter" | "input" | "images" | "segmentIds"]: TensorInfo };

export function registerRepairs(tf: Operations, heap: Heap): void {
  const { computeConv2DInfo, computeConv3DInfo, computePool2DInfo, computePool3DInfo } = tf.backend_util;
  const depthwise = (x: readonly number[], filter: readonly number[], { strides, pad, dimRoundingMode }: Attributes) =>
    computeConv2DInfo(x as Shape4, filter as Shape4, strides, 1, pad, dimRoundingMode, true);
  const volume = (x: readonly number[], filter: readonly number[], { strides, pad }: Attributes): Volume =>
    computeConv3DInfo(x as Shape5, filter as Shape5, strides, 1, pad);
  const space = (x: readonly number[], { filterSize, strides, pad, dimRoundingMode }: Attributes): Windows =>
    computePool3DInfo(x as Shape5, filterSize, strides, 1, pad, dimRoundingMode);
  const plane = (x: readonly number[], { filterSize, strides, pad, dimRoundingMode }: Attributes): Windows => {
    const { padInfo, ...sizes } = computePool2DInfo(x as Shape4, filterSize, strides, 1, pad, dimRoundingMode);
    const flat = { inDepth: 1, outDepth: 1, strideDepth: 1, filterDepth: 1 };
    return { ...sizes, ...flat, padInfo: { ...padInfo, front: 0 } };
  };

  const kernels: { readonly [name: string]: (inputs: Inputs, attributes: Attributes) => TensorInfo } = {
    DepthwiseConv2dNativeBackpropInput: ({ dy, filter }, attributes) =>
      depthwiseInputGradient(heap, dy, filter, depthwise(attributes.inputShape, filter.shape, attributes)),
    DepthwiseConv2dNativeBackpropFilter: ({ x, dy }, attributes) =>
      depthwiseFilterGradient(heap, x, dy, depthwise(x.shape, attributes.filterShape, attributes)),
    Conv3DBackpropInputV2: ({ dy, filter }, attributes) =>
      volumeInputGradient(heap, dy, filter, volume(attributes.inputShape, filter.shape, attributes)),
    Conv3DBackpropFilterV2: ({ x, dy }, attributes) =>
      volumeFilterGradient(heap, x, dy, volume(x.shape, attributes.filterShape, attributes)),
    MaxPoolGrad: ({ input, dy }, attributes) => maximumGradient(heap, input, dy, plane(input.shape, attributes)),
    MaxPool3D({ x }, attributes) {
      const windows = space(x.shape, attributes);
      const { batchSize, outDepth, outHeight, outWidth, inChannels } = windows;
      return maximum(heap, x, windows, [batchSize, outDepth, outHeight, outWidth, inChannels]);
    },
    MaxPool3DGrad: ({ input, dy }, attributes) => maximumGradient(heap, input, dy, space(input.shape, attributes)),
    AvgPoolGrad: ({ input, dy }, attributes) => meanGradient(heap, input, dy, plane(input.shape, attributes)),
    AvgPool3DGrad: ({ input, dy }, attributes) => meanGradient(heap, input, dy, space(input.shape, attributes)),
    ResizeNearestNeighborGrad: ({ images, dy }, attributes) => nearestGradient(heap, images, dy, attributes),
    // The gradient of what is looked up in a table of weights.
    UnsortedSegmentSum({ x, segmentIds }, { numSegments }) {
      const numbers = tf.backend().readSync(segmentIds.dataId) as Int32Array;
      return segmentSums(heap, x, numbers, numSegments);
    },
  };
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    if (tf.getKernel(kernelName, "wasm") !== undefined) tf.unregisterKernel(kernelName, "wasm");
    const kernelFunc = ({ inputs, attrs }: { inputs: object; attrs?: object }): TensorInfo =>
      kernel(inputs as Inputs, attrs as Attributes);
    tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernelFunc });
  }
}
