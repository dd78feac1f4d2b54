// Fewer and faster operations for the native backend: what TensorFlow.js makes of layers is many small ones, and some of
// them, the step function above all, cost more than the convolutions themselves.

import { registerFusion } from "../kernels/fusion.ts";
import type { KernelConfig, Operations, TensorInfo } from "../tensorflow.ts";

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** The part of the backend that runs an operation of TensorFlow by its name. */
interface Native {
  readonly binding: { readonly [constant: string]: number };
  executeSingleOutput(name: string, attributes: readonly Attribute[], inputs: readonly TensorInfo[]): TensorInfo;
}

/** Call once a thread, when the backend is the current one. */
export function registerNative(tf: Operations): void {
  const native = tf.backend() as object as Native;
  const { TF_ATTR_TYPE, TF_ATTR_INT, TF_ATTR_STRING, TF_FLOAT } = native.binding;
  const float: Attribute = { name: "T", type: TF_ATTR_TYPE!, value: TF_FLOAT };
  const run = (name: string, inputs: readonly TensorInfo[], more: readonly Attribute[] = []): TensorInfo =>
    native.executeSingleOutput(name, [float, ...more], inputs);
  /** One operation on what another made, which nobody else needs. */
  const then = (name: string, made: TensorInfo, ...others: readonly TensorInfo[]): TensorInfo => {
    const result = run(name, [made, ...others]);
    tf.dispose(made as object as Parameters<Operations["dispose"]>[0]);
    return result;
  };

  registerFusion(tf, "tensorflow", {
    convolution(x, filter, bias, { strides, pad, relu }) {
      const convolved = run("Conv2D", [x, filter], [
        { name: "strides", type: TF_ATTR_INT!, value: [1, ...strides, 1] },
        { name: "padding", type: TF_ATTR_STRING!, value: pad.toUpperCase() },
      ]);
      const moved = bias === undefined ? convolved : then("BiasAdd", convolved, bias);
      return relu ? then("Relu", moved) : moved;
    },
    sums(dy, y, relu) {
      if (!relu) return run("BiasAddGrad", [dy]);
      const changed = run("ReluGrad", [dy, y]);
      return [changed, run("BiasAddGrad", [changed])];
    },
  });

  // The gradient of every other rectifier goes through it.
  const step = tf.getKernel("Step", "tensorflow")?.kernelFunc;
  if (step === undefined) return;
  tf.unregisterKernel("Step", "tensorflow");
  const kernelFunc: KernelConfig["kernelFunc"] = (given) => {
    const { x } = given.inputs as { readonly x: TensorInfo };
    if (x.dtype !== "float32" || (given.attrs?.["alpha"] ?? 0) !== 0) return step(given);
    return then("Relu", run("Sign", [x]));
  };
  tf.registerKernel({ kernelName: "Step", backendName: "tensorflow", kernelFunc });
}
