// Gives the WebAssembly backend the kernels that training needs and it lacks, and faster ones where it has slow ones.

import type { BackendWasm, KernelConfig, Operations, TensorInfo } from "../tensorflow.ts";
import { channelSums } from "./elements.ts";
import { registerFusion } from "./fusion.ts";
import { type Heap, heapOf } from "./heap.ts";
import { fits, type Geometry, images } from "./images.ts";
import { registerRepairs } from "./repairs.ts";

/** What the operations of a convolution are called with. */
interface Attributes {
  readonly strides: [number, number] | number;
  readonly pad: Parameters<Operations["backend_util"]["computeConv2DInfo"]>[4];
  readonly dataFormat?: "NHWC" | "NCHW";
  readonly dilations?: [number, number] | number;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
  readonly inputShape?: [number, number, number, number];
  readonly filterShape?: [number, number, number, number];
}

type Kernel = (inputs: { readonly [name: string]: TensorInfo }, attributes: Attributes) => TensorInfo;

/** Call once, when the backend is the current one. */
export function registerKernels(tf: Operations): Heap {
  const heap = heapOf(tf.backend() as BackendWasm);
  const { forward, inputGradient, filterGradient, surrounded } = images(heap);

  const geometryOf = (
    x: readonly number[],
    filter: readonly number[],
    attributes: Attributes,
    isDepthwise = false,
  ): Geometry => {
    const geometry = tf.backend_util.computeConv2DInfo(
      x as Four,
      filter as Four,
      attributes.strides,
      attributes.dilations ?? 1,
      attributes.pad,
      attributes.dimRoundingMode,
      isDepthwise,
      tf.backend_util.convertConv2DDataFormat(attributes.dataFormat ?? "NHWC"),
    );
    // Sizes below zero come of room that is given by number: the plain kernels write to any place with them.
    if (geometry.outHeight >= 0 && geometry.outWidth >= 0) return geometry;
    throw new RangeError(
      `Cannot convolve: a filter of ${filter.join(" × ")} finds no place in an input of ${x.join(" × ")}`,
    );
  };
  const native = (kernelName: string): KernelConfig["kernelFunc"] | undefined =>
    tf.getKernel(kernelName, "wasm")?.kernelFunc;
  const replace = (kernelName: string, kernel: Kernel): void => {
    if (native(kernelName) !== undefined) tf.unregisterKernel(kernelName, "wasm");
    const kernelFunc = ({ inputs, attrs }: { inputs: object; attrs?: object }): TensorInfo =>
      kernel(inputs as { readonly [name: string]: TensorInfo }, attrs as Attributes);
    tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernelFunc });
  };

  // The plain kernels take the wrong places where a filter is larger than the input and padding is "same": they are
  // given inputs that have their room already.
  const withRoom = (kernelName: string, isDepthwise: boolean): Kernel => {
    const kernel = native(kernelName)!;
    return (inputs, attributes) => {
      const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
      const geometry = geometryOf(x.shape, filter.shape, attributes, isDepthwise);
      if (kernelName === "Conv2D" && isCovered(geometry)) return forward(x, filter, geometry);
      const attrs = { ...attributes };
      if (geometry.dataFormat !== "channelsLast") return kernel({ inputs, attrs, backend: tf.backend() }) as TensorInfo;
      const { padded, free } = surrounded(x, geometry);
      const given = { ...inputs, x: padded };
      const out = kernel({ inputs: given, attrs: { ...attrs, pad: "valid" }, backend: tf.backend() }) as TensorInfo;
      free();
      return out;
    };
  };
  for (const kernelName of ["Conv2D", "FusedConv2D"]) replace(kernelName, withRoom(kernelName, false));
  for (const kernelName of ["DepthwiseConv2dNative", "FusedDepthwiseConv2D"]) {
    replace(kernelName, withRoom(kernelName, true));
  }

  const nativeInputGradient = native("Conv2DBackpropInput")!;
  replace("Conv2DBackpropInput", (inputs, attributes) => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
    const geometry = geometryOf(attributes.inputShape!, filter.shape, attributes);
    // More room than the filter is large would have to be cut off again: nothing but explicit padding asks for it.
    if (isCovered(geometry) && fits(geometry)) return inputGradient(dy, filter, geometry);
    return nativeInputGradient({ inputs, attrs: { ...attributes }, backend: tf.backend() }) as TensorInfo;
  });

  replace("Conv2DBackpropFilter", (inputs, attributes) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    const geometry = geometryOf(x.shape, attributes.filterShape!, attributes);
    if (isCovered(geometry)) return filterGradient(x, dy, geometry);
    throw new RangeError(
      "Cannot learn the filter of a convolution on WebAssembly: its channels come first; put them last",
    );
  });

  // What is kept for the way back is named twice, not copied.
  replace("Identity", (inputs) => {
    const { x } = inputs as { x: TensorInfo };
    tf.backend().incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
  });
  registerRepairs(tf, heap);
  registerFusion(tf, "wasm", {
    convolution(x, filter, bias, { strides, pad, relu }) {
      const geometry = tf.backend_util.computeConv2DInfo(x.shape as Four, filter.shape as Four, strides, 1, pad);
      return forward(x, filter, geometry, { ...bias && { bias }, relu });
    },
    sums(dy, y, relu) {
      const [batch = 0, rows = 0, columns = 0, channels = 0] = dy.shape;
      const total = heap.make([channels]);
      const out = relu ? heap.make(dy.shape) : undefined;
      const addresses = [dy, y, out ?? dy, total].map((tensor) => heap.at(tensor));
      const call = heap.routine(`channelSums ${channels} ${relu}`, () => channelSums(channels, relu));
      call(...addresses, batch * rows, columns);
      return out === undefined ? total : [out, total];
    },
  });
  return heap;
}

type Four = [number, number, number, number];

const isCovered = ({ dataFormat, dilationHeight, dilationWidth }: Geometry): boolean =>
  dataFormat === "channelsLast" && dilationHeight === 1 && dilationWidth === 1;
