// A network of dense layers alone, in the memory of the WebAssembly backend: a step is a few passes over that memory in
// place of a hundred operations, of which each costs more than such small layers have to compute.

import type { Backend } from "./backends.ts";
import { denseForward, denseInputsChange, denseWeightsChange } from "./kernels/dense.ts";
import type { LossName, Numbers, Samples } from "./network.ts";
import type { Optimizer, Placed } from "./optimizers.ts";
import type { LayersModel, Tensor, TensorInfo, Variable } from "./tensorflow.ts";

export interface Perceptron {
  /** One step; answers the loss of its samples before it, summed. */
  learn(samples: Samples, chosen: Uint32Array, memories: readonly (readonly Tensor[])[], step: number): number;
  /** The answers to so many inputs, until the next call. */
  answer(inputs: Numbers, count: number): Float32Array;
  dispose(): void;
}

interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly relu: boolean;
}

/** What a dense layer says of itself. */
interface Config {
  readonly units: number;
  readonly activation: string;
  readonly useBias: boolean;
}

/** The layers of a model that is nothing but dense ones; nothing where it is more, or the backend something else. */
function layersOf({ heap }: Backend, model: LayersModel, learnt: readonly Variable[]): Layer[] | undefined {
  if (heap === undefined || model.getClassName() !== "Sequential" || model.inputs[0]!.shape.length !== 2) {
    return undefined;
  }
  const dense = model.layers.filter((layer) => layer.getClassName() !== "InputLayer");
  const layers: Layer[] = [];
  for (const [index, layer] of dense.entries()) {
    if (layer.getClassName() !== "Dense") return undefined;
    const { units, activation, useBias, ...others } = layer.getConfig() as object as Config & Record<string, unknown>;
    const isPlain = Object.entries(others).every(([name, value]) =>
      value === null || !/Regularizer|Constraint/.test(name)
    );
    if (!isPlain || !useBias || (activation !== "relu" && activation !== "linear")) return undefined;
    const [weights, bias] = [learnt[2 * index], learnt[2 * index + 1]];
    if (weights?.shape.length !== 2 || weights.shape[1] !== units || bias?.size !== units) return undefined;
    layers.push({ inputs: weights.shape[0], outputs: units, relu: activation === "relu" });
  }
  return layers.length > 0 && learnt.length === 2 * layers.length ? layers : undefined;
}

/** Nothing where the model, the loss, the optimizer or the backend is of another kind. */
export function perceptron(
  backend: Backend,
  model: LayersModel,
  learnt: readonly Variable[],
  loss: LossName,
  { inPlace }: Optimizer,
): Perceptron | undefined {
  const { tf, heap } = backend;
  const layers = layersOf(backend, model, learnt);
  if (heap === undefined || layers === undefined || loss !== "mse" || inPlace === undefined) return undefined;
  const gradients = learnt.map(({ shape }) => heap.make(shape));
  const last = layers.at(-1)!;
  /** For the largest batch so far: inputs, and what each layer answers; and the changes of the latter. */
  let rowsMax = 0;
  let values: TensorInfo[] = [];
  let changes: TensorInfo[] = [];
  const own = new Map<Variable, object>();

  function room(rows: number): void {
    if (rows <= rowsMax) return;
    for (const each of [...values, ...changes]) heap!.drop(each);
    rowsMax = rows;
    values = [layers![0]!.inputs, ...layers!.map(({ outputs }) => outputs)].map((size) => heap!.make([rows, size]));
    changes = layers!.map(({ outputs }) => heap!.make([rows, outputs]));
  }

  /** Gives each weight memory that nobody else reads, since it is written to. */
  function owned(): void {
    for (const weight of learnt) {
      if (own.get(weight) === weight.dataId) continue;
      const info = heap!.make(weight.shape);
      heap!.floats(info).set(heap!.floats(weight));
      const copy = tf.engine().makeTensorFromTensorInfo(info);
      weight.assign(copy);
      copy.dispose();
      own.set(weight, weight.dataId);
    }
  }

  function forward(rows: number): void {
    for (const [index, { inputs, outputs, relu }] of layers!.entries()) {
      const call = heap!.routine(`forward ${inputs} ${outputs} ${relu}`, () => denseForward(inputs, outputs, relu));
      const [weights, bias] = [learnt[2 * index]!, learnt[2 * index + 1]!];
      const addresses = [values[index]!, weights, bias, values[index + 1]!].map((tensor) => heap!.at(tensor));
      call(...addresses, rows);
    }
  }

  function backward(rows: number): void {
    for (let index = layers!.length - 1; index >= 0; index--) {
      const { inputs, outputs } = layers![index]!;
      const [from, change] = [heap!.at(values[index]!), heap!.at(changes[index]!)];
      const toWeights = heap!.routine(`weights ${inputs} ${outputs}`, () => denseWeightsChange(inputs, outputs));
      toWeights(from, change, heap!.at(gradients[2 * index]!), heap!.at(gradients[2 * index + 1]!), rows);
      if (index === 0) return;
      const { relu } = layers![index - 1]!;
      const name = `inputs ${inputs} ${outputs} ${relu}`;
      const toInputs = heap!.routine(name, () => denseInputsChange(inputs, outputs, relu));
      toInputs(from, heap!.at(learnt[2 * index]!), change, heap!.at(changes[index - 1]!), rows);
    }
  }

  return {
    learn(samples, chosen, memories, step) {
      const rows = chosen.length;
      room(rows);
      owned();
      const inputs = heap.floats(values[0]!);
      chosen.forEach((index, place) => inputs.set(samples.input(index), place * layers[0]!.inputs));
      forward(rows);
      const [answers, change] = [heap.floats(values.at(-1)!), heap.floats(changes.at(-1)!)];
      let lost = 0;
      chosen.forEach((index, place) => {
        const target = samples.target(index);
        for (let output = 0; output < last.outputs; output++) {
          const at = place * last.outputs + output;
          const off = answers[at]! - target[output]!;
          lost += off * off;
          change[at] = last.relu && answers[at] === 0 ? 0 : 2 * off / (rows * last.outputs);
        }
      });
      backward(rows);
      inPlace(
        learnt.map((weight, index): Placed => ({
          weight: heap.at(weight),
          gradient: heap.at(gradients[index]!),
          memories: memories[index]!.map((memory) => heap.at(memory)),
          size: weight.size,
        })),
        step,
      );
      return lost / last.outputs;
    },
    answer(inputs, count) {
      room(count);
      heap.floats(values[0]!).set(inputs);
      forward(count);
      return heap.floats(values.at(-1)!).subarray(0, count * last.outputs);
    },
    dispose() {
      for (const each of [...gradients, ...values, ...changes]) heap.drop(each);
    },
  };
}
