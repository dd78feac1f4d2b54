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

/** Tensors of shape (samples, 2, …): each sample an input and, behind it, its target. */
export function pairsOf(tensors: readonly Tensor[]): Samples {
  if (tensors.length === 0) throw new ShoalError("BadInput", "Cannot train: there are no samples");
  const parts = tensors.map((tensor) => {
    const data = numbersOf(tensor);
    const [count = 0, two, ...shape] = tensor.shape;
    if (two !== 2 || shape.length === 0) {
      throw new ShoalError(
        "BadInput",
        `Cannot train: tensor ${tensor.ref.id} has shape ${tensor.shape.join(" × ")}, expected samples × 2 × …: each ` +
          "sample an input and its target",
      );
    }
    return { data, count, shape };
  });
  const shape = parts[0]?.shape ?? [];
  const odd = parts.findIndex((part) => part.shape.join() !== shape.join());
  if (odd >= 0) {
    throw new ShoalError(
      "BadInput",
      `Cannot train: samples of tensor ${tensors[odd]!.ref.id} are ${
        parts[odd]!.shape.join(" × ")
      }, those of the first ` +
        `are ${shape.join(" × ")}`,
    );
  }
  const size = sizeOf(shape);
  const firsts: number[] = [];
  let count = 0;
  for (const part of parts) {
    firsts.push(count);
    count += part.count;
  }
  const half = (index: number, which: 0 | 1): Numbers => {
    let part = firsts.length - 1;
    while (firsts[part]! > index) part--;
    const at = ((index - firsts[part]!) * 2 + which) * size;
    return parts[part]!.data.subarray(at, at + size);
  };
  return {
    count,
    inputShape: shape,
    targetShape: shape,
    input: (index) => half(index, 0),
    target: (index) => half(index, 1),
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

/** Refuses samples that hold what is no number, and names the first. */
export function checkFinite(samples: Samples): void {
  for (let index = 0; index < samples.count; index++) {
    for (const [what, values] of [["input", samples.input(index)], ["target", samples.target(index)]] as const) {
      // The sum tells in one pass without a branch; only what it does not clear is looked at one by one.
      let sum = 0;
      for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
      if (sum === 0) continue;
      const at = values.findIndex((value) => !Number.isFinite(value));
      throw new ShoalError(
        "BadInput",
        `Cannot train: the ${what} of sample ${index} holds ${values[at]} at ${at}; nothing was learnt from it`,
      );
    }
  }
}
