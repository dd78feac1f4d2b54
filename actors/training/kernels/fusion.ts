// A convolution with its bias and its rectifier as one operation, forward and back: the layers of a model are given it in
// place of the three that TensorFlow.js makes of them while it learns.

import type { GradConfig, LayersModel, Operations, Tensor, TensorInfo } from "../tensorflow.ts";
import { channelSums } from "./elements.ts";
import type { Heap } from "./heap.ts";
import { images } from "./images.ts";

const convolution = "ShoalConvolution";
const sums = "ShoalChannelSums";

interface Attributes {
  readonly strides: [number, number];
  readonly pad: "same" | "valid";
  readonly relu: boolean;
}

/** Call once a thread. */
export function registerFusion(tf: Operations, heap: Heap): void {
  const { forward } = images(heap);
  register(convolution, (inputs, { strides, pad, relu }) => {
    const { x, filter, bias } = inputs as { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo };
    const geometry = tf.backend_util.computeConv2DInfo(x.shape as Four, filter.shape as Four, strides, 1, pad);
    return forward(x, filter, geometry, { ...bias && { bias }, relu });
  });
  // What flows back through the rectifier, and its sum for each channel.
  register(sums, (inputs, { relu }) => {
    const { dy, y } = inputs as { dy: TensorInfo; y: TensorInfo };
    const [batch = 0, rows = 0, columns = 0, channels = 0] = dy.shape;
    const total = heap.make([channels]);
    const out = relu ? heap.make(dy.shape) : undefined;
    const addresses = [dy, y, out ?? dy, total].map((tensor) => heap.at(tensor));
    const call = heap.routine(`channelSums ${channels} ${relu}`, () => channelSums(channels, relu));
    call(...addresses, batch * rows, columns);
    return out === undefined ? total : [out, total];
  });
  const gradFunc = (change: Tensor, saved: Tensor[], { strides, pad, relu }: Attributes): object => {
    const [x, filter, y] = saved as [Tensor, Tensor, Tensor];
    const engine = tf.engine();
    const summed = engine.runKernel(sums, { dy: change, y }, { relu }) as Tensor | Tensor[];
    const [dy, total] = Array.isArray(summed) ? summed as [Tensor, Tensor] : [change, summed];
    const attributes = { strides, pad, dataFormat: "NHWC" };
    return {
      x: () =>
        engine.runKernel("Conv2DBackpropInput", { dy, filter }, { ...attributes, inputShape: x.shape }) as Tensor,
      filter: () =>
        engine.runKernel("Conv2DBackpropFilter", { x, dy }, { ...attributes, filterShape: filter.shape }) as Tensor,
      bias: () => total,
    };
  };
  tf.registerGradient({
    kernelName: convolution,
    inputsToSave: ["x", "filter"],
    outputsToSave: [true],
    gradFunc: gradFunc as object as NonNullable<GradConfig["gradFunc"]>,
  });

  function register(
    kernelName: string,
    kernel: (inputs: { readonly [name: string]: TensorInfo }, attributes: Attributes) => TensorInfo | TensorInfo[],
  ): void {
    const kernelFunc = ({ inputs, attrs }: { inputs: object; attrs?: object }): TensorInfo | TensorInfo[] =>
      kernel(inputs as { readonly [name: string]: TensorInfo }, attrs as Attributes);
    tf.registerKernel({ kernelName, backendName: "wasm", kernelFunc: kernelFunc });
  }
}

type Four = [number, number, number, number];

/** What a layer of this kind says of itself. */
interface Config {
  readonly strides: [number, number];
  readonly padding: string;
  readonly dataFormat: string;
  readonly dilationRate: readonly number[] | number;
  readonly activation: string;
  readonly useBias: boolean;
}

/** Gives each convolution of the model that is covered the one operation. */
export function fuse(tf: Operations, model: LayersModel): void {
  for (const layer of model.layers) {
    if (layer.getClassName() !== "Conv2D") continue;
    const { strides, padding, dataFormat, dilationRate, activation, useBias } = layer.getConfig() as object as Config;
    const isDilated = [dilationRate].flat().some((rate) => rate !== 1);
    const isKnown = activation === "relu" || activation === "linear";
    if (dataFormat !== "channelsLast" || isDilated || !isKnown || (padding !== "same" && padding !== "valid")) continue;
    const [filter, bias] = layer.weights;
    const attributes: Attributes = { strides, pad: padding, relu: activation === "relu" };
    layer.call = (inputs) => {
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      const given = { x, filter: filter!.read(), ...useBias && { bias: bias!.read() } };
      return tf.engine().runKernel(convolution, given, { ...attributes }) as Tensor;
    };
  }
}
