// A convolution with its bias and its rectifier as one operation, forward and back: the layers of a model are given it in
// place of the three that TensorFlow.js makes of them while it learns.

import type { GradConfig, KernelConfig, LayersModel, Operations, Tensor, TensorInfo } from "../tensorflow.ts";

const convolution = "ShoalConvolution";
const sums = "ShoalChannelSums";

export interface Attributes {
  readonly strides: [number, number];
  readonly pad: "same" | "valid";
  readonly relu: boolean;
}

/** How one backend computes both. */
export interface Fused {
  convolution(x: TensorInfo, filter: TensorInfo, bias: TensorInfo | undefined, attributes: Attributes): TensorInfo;
  /** What flows back through the rectifier, if there is one, and its sum for each channel. */
  sums(dy: TensorInfo, y: TensorInfo, relu: boolean): TensorInfo | TensorInfo[];
}

let hasGradient = false;

/** Call once a thread and backend. */
export function registerFusion(tf: Operations, backendName: string, fused: Fused): void {
  register(convolution, ({ x, filter, bias }, attributes) => fused.convolution(x!, filter!, bias, attributes));
  register(sums, ({ dy, y }, { relu }) => fused.sums(dy!, y!, relu));
  if (hasGradient) return;
  hasGradient = true;
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
    const kernelFunc: KernelConfig["kernelFunc"] = ({ inputs, attrs }) =>
      kernel(inputs as { readonly [name: string]: TensorInfo }, attrs as object as Attributes);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
}

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
