// Tensors of shape (samples, 2, …) as samples: each an input and, behind it, its target. Their references tell all but
// the numbers, so that what does not fit together is refused before anything is fetched.

import { ShoalError, type TensorRef, type Tensors } from "../../runtime/mod.ts";
import { numbersOf } from "./samples.ts";
import { type Part, type Window, windowOn } from "./window.ts";

/** A window on what some references mean. Its views end with the handler that asked. */
export async function pairsOf(
  store: Tensors,
  refs: readonly TensorRef[],
  heldBytesMax?: number,
): Promise<Window> {
  const [first] = refs;
  if (first === undefined) throw new ShoalError("BadInput", "Cannot train: there are no samples");
  const shape = shapeOf(first);
  for (const ref of refs) {
    const own = shapeOf(ref);
    if (own.join() === shape.join()) continue;
    throw new ShoalError(
      "BadInput",
      `Cannot train: samples of tensor ${ref.id} are ${own.join(" × ")}, those of the first are ${shape.join(" × ")}`,
    );
  }
  const parts = refs.map((ref): Part => ({
    count: ref.shape[0] ?? 0,
    bytes: ref.bytes,
    async fetch() {
      const tensor = await store.get(ref);
      return { data: numbersOf(tensor), done: () => tensor.done() };
    },
  }));
  return await windowOn(parts, shape, { heldBytesMax });
}

/** What one input, or one target, is. */
export function shapeOf({ id, shape: [, two, ...shape], shape: whole }: TensorRef): readonly number[] {
  if (two === 2 && shape.length > 0) return shape;
  throw new ShoalError(
    "BadInput",
    `Cannot train: tensor ${id} has shape ${whole.join(" × ")}, expected samples × 2 × …: each ` +
      "sample an input and its target",
  );
}
