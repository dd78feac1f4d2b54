// The weights of a model by names that do not depend on what else was built in the thread, and their way out and in.

import { ShoalError } from "../../runtime/mod.ts";
import type { NamedArray } from "./safetensors.ts";
import type { LayersModel, Operations, Tensor } from "./tensorflow.ts";

type Variable = LayersModel["weights"][number];

export interface Weights {
  /** How many there are. */
  readonly count: number;
  nameOf(variable: Variable): string;
  /** All of them, as they are at one moment. */
  read(): Promise<Map<string, NamedArray>>;
  /** Takes those of a model of the same layers; of any other it is `Incompatible`. */
  take(arrays: ReadonlyMap<string, NamedArray>): void;
}

export function weightsOf(tf: Operations, model: LayersModel): Weights {
  const taken = new Map<string, number>();
  const all = model.layers.flatMap((layer, index) =>
    layer.weights.map((variable) => {
      const name = `${index}.${layer.getClassName()}.${variable.originalName.split("/").at(-1)}`;
      const count = taken.get(name) ?? 0;
      taken.set(name, count + 1);
      return { name: count === 0 ? name : `${name}.${count}`, variable, shape: variable.shape as number[] };
    })
  );
  return {
    count: all.length,
    nameOf: (variable) => all.find((each) => each.variable === variable)!.name,
    async read() {
      const arrays = new Map<string, NamedArray>();
      // Not one after the other: the training goes on meanwhile.
      const read = await Promise.all(all.map(({ variable }) => arrayOf(variable.read())));
      all.forEach(({ name }, index) => arrays.set(name, read[index]!));
      return arrays;
    },
    take(arrays) {
      const given = [...arrays].map(([name, { shape }]) => `${name} (${shape.join(" × ")})`);
      const expected = all.map(({ name, shape }) => `${name} (${shape.join(" × ")})`);
      if (given.join() !== expected.join()) {
        const odd = Array.from({ length: Math.max(given.length, expected.length) }, (_, index) => index)
          .find((index) => given[index] !== expected[index])!;
        throw new ShoalError(
          "Incompatible",
          `Cannot load weights: they are another model's: where it has ${given[odd] ?? "no more weights"}, this one ` +
            `has ${expected[odd] ?? "no more"}`,
        );
      }
      tf.tidy(() =>
        all.forEach(({ name, shape, variable }) => variable.write(tf.tensor(arrays.get(name)!.data, shape, "float32")))
      );
    },
  };
}

/** A tensor's numbers, apart from the backend that holds them. */
export async function arrayOf(tensor: Tensor): Promise<NamedArray> {
  return { shape: tensor.shape, data: Float32Array.from(await tensor.data()) };
}
