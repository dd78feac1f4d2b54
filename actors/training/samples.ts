// Examples one by one: from flat arrays, or from tensors of a store that hold pairs. They stay where they are until the
// step that learns from them.

import { type Arrays, type Dtype, ShoalError, type Tensor } from "../../runtime/mod.ts";
import type { Examples, Numbers, Samples } from "./network.ts";

/** The dtypes that a network can be given: numbers that have no parts, one an element. */
const readable: ReadonlySet<Dtype> = new Set<Dtype>([
  "bool",
  "int8",
  "int16",
  "int32",
  "uint8",
  "uint16",
  "uint32",
  "float32",
  "float64",
]);

/** Flat arrays, one example after the other. */
export function samplesOf(examples: Examples | Samples): Samples {
  if ("input" in examples) return examples;
  const { count, inputShape, targetShape, inputs, targets } = examples;
  const [inputSize, targetSize] = [sizeOf(inputShape), sizeOf(targetShape)];
  if (inputs.length !== count * inputSize || targets.length !== count * targetSize) {
    throw new ShoalError(
      "BadInput",
      `Cannot train: ${count} examples of ${inputSize} inputs and ${targetSize} targets take ${
        count * inputSize
      } and ` +
        `${count * targetSize} numbers, given are ${inputs.length} and ${targets.length}`,
    );
  }
  return {
    count,
    inputShape,
    targetShape,
    input: (index) => inputs.subarray(index * inputSize, (index + 1) * inputSize),
    target: (index) => targets.subarray(index * targetSize, (index + 1) * targetSize),
  };
}

/** A tensor's elements as numbers that a network can take. */
export function numbersOf(tensor: Tensor): Numbers {
  if (!readable.has(tensor.dtype)) {
    throw new ShoalError(
      "Incompatible",
      `Cannot train: tensor ${tensor.ref.id} is of dtype ${tensor.dtype}; networks read ${[...readable].join(", ")}`,
    );
  }
  const data = tensor.data as Exclude<Arrays[Dtype], BigInt64Array | BigUint64Array>;
  return data instanceof Float32Array || data instanceof Float64Array ? data : Float32Array.from(data);
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Samples so many at a time, in an order; each may be read until the next ones are asked for. */
export async function* batchesOf(
  samples: Samples,
  order: Uint32Array,
  batch: number,
): AsyncGenerator<Uint32Array, void, undefined> {
  for (let at = 0; at < order.length; at += batch) {
    const chosen = order.subarray(at, at + batch);
    await samples.ready?.(chosen, order.subarray(at + batch, at + 2 * batch));
    try {
      yield chosen;
    } finally {
      samples.done?.(chosen);
    }
  }
}

/** All of them, as they stand. */
export const inOrder = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, index) => index);

/** Refuses samples that hold what is no number, and names the first; they are counted from `first` on. */
export function checkFinite(samples: Samples, first: number = 0): void {
  for (let index = 0; index < samples.count; index++) {
    for (const [what, values] of [["input", samples.input(index)], ["target", samples.target(index)]] as const) {
      // The sum tells in one pass without a branch; only what it does not clear is looked at one by one.
      let sum = 0;
      for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
      if (sum === 0) continue;
      const at = values.findIndex((value) => !Number.isFinite(value));
      throw new ShoalError(
        "BadInput",
        `Cannot train: the ${what} of sample ${first + index} holds ${values[at]} at ${at}; nothing was learnt from it`,
      );
    }
  }
}
