// How a step changes the weights. What an optimizer remembers is plain tensors, a few a weight, so that all of it can be
// written down: one that is restored goes on with the same bits.

import type { Backend } from "./backends.ts";
import { adam, adamNumbers } from "./kernels/elements.ts";
import type { Heap } from "./kernels/heap.ts";
import type { OptimizerName } from "./network.ts";
import type { Tensor, TensorInfo } from "./tensorflow.ts";

export interface Optimizer {
  /** The memories of each weight. */
  readonly slots: readonly string[];
  /** For each weight the new one, then its new memories; step counts from 1. */
  step(weights: readonly Weight[], step: number): Tensor[][];
  /** The same where weights lie in the memory of the backend, if it can. */
  inPlace?(weights: readonly Placed[], step: number): void;
}

export interface Weight {
  readonly weight: Tensor;
  readonly gradient: Tensor;
  readonly memories: readonly Tensor[];
}

/** How one weight changes: each of its numbers by itself. */
interface Rule extends Pick<Optimizer, "slots" | "inPlace"> {
  step(weight: Tensor, gradient: Tensor, memories: readonly Tensor[], step: number): Tensor[];
}

/** A weight, its gradient and its memories, by their addresses. */
export interface Placed {
  readonly weight: number;
  readonly gradient: number;
  readonly memories: readonly number[];
  readonly size: number;
}

/** So many numbers are copied together sooner than operations on each weight are begun. */
const togetherMax = 2 ** 18;

/** The momentum of `momentum`, and the decay of `rmsprop`: the usual ones. */
const momentum = 0.9;
const decay = 0.9;
const [beta1, beta2] = [0.9, 0.999];
const epsilon = 1e-7;

export const optimizerNames: readonly string[] = ["adam", "sgd", "momentum", "rmsprop", "adagrad"];

export function optimizer(backend: Backend, name: OptimizerName, rate: number): Optimizer {
  const { slots, step: change, inPlace } = rule(backend, name, rate);
  const apart = ({ weight, gradient, memories }: Weight, step: number): Tensor[] =>
    change(weight, gradient, memories, step);
  // Elsewhere an operation on a few numbers costs as much as on thousands: all weights are one to it.
  if (backend.heap !== undefined) {
    return { slots, step: (all, step) => all.map((each) => apart(each, step)), ...inPlace && { inPlace } };
  }
  const { tf } = backend;
  const flat = (tensors: readonly Tensor[]): Tensor => tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1])));
  return {
    slots,
    step(all, step) {
      const sizes = all.map(({ weight }) => weight.size);
      const isFew = sizes.reduce((sum, size) => sum + size, 0) <= togetherMax && !sizes.includes(0);
      if (!isFew || all.length < 2) return all.map((each) => apart(each, step));
      const changed = apart({
        weight: flat(all.map(({ weight }) => weight)),
        gradient: flat(all.map(({ gradient }) => gradient)),
        memories: slots.map((_, slot) => flat(all.map(({ memories }) => memories[slot]!))),
      }, step).map((tensor) => tf.split(tensor, sizes));
      return all.map(({ weight }, index) => changed.map((parts) => tf.reshape(parts[index]!, weight.shape)));
    },
  };
}

function rule(backend: Backend, name: OptimizerName, rate: number): Rule {
  const { tf } = backend;
  switch (name) {
    case "sgd":
      return { slots: [], step: (weight, gradient) => [tf.sub(weight, tf.mul(gradient, rate))] };
    case "momentum":
      return {
        slots: ["velocity"],
        step(weight, gradient, [velocity]) {
          const next = tf.add(tf.mul(velocity!, momentum), gradient);
          return [tf.sub(weight, tf.mul(next, rate)), next];
        },
      };
    case "rmsprop":
      return {
        slots: ["square"],
        step(weight, gradient, [square]) {
          const next = tf.add(tf.mul(square!, decay), tf.mul(tf.square(gradient), 1 - decay));
          return [tf.sub(weight, tf.mul(tf.div(gradient, tf.add(tf.sqrt(next), epsilon)), rate)), next];
        },
      };
    case "adagrad":
      return {
        slots: ["square"],
        step(weight, gradient, [square]) {
          const next = tf.add(square!, tf.square(gradient));
          return [tf.sub(weight, tf.mul(tf.div(gradient, tf.add(tf.sqrt(next), epsilon)), rate)), next];
        },
      };
    case "adam":
      return {
        slots: ["first", "second"],
        ...(backend.heap === undefined ? { step: plainAdam(backend) } : heapAdam(backend.tf, backend.heap)),
      };
  }

  /** Both moments begin at zero, and are scaled up for that while they are young. */
  function scales(step: number): { scale1: number; scale2: number } {
    return { scale1: 1 / (1 - beta1 ** step), scale2: 1 / (1 - beta2 ** step) };
  }

  function plainAdam({ tf }: Backend): Rule["step"] {
    return (weight, gradient, [first, second], step) => {
      const { scale1, scale2 } = scales(step);
      const m = tf.add(tf.mul(first!, beta1), tf.mul(gradient, 1 - beta1));
      const v = tf.add(tf.mul(second!, beta2), tf.mul(tf.square(gradient), 1 - beta2));
      const change = tf.div(m, tf.add(tf.sqrt(tf.mul(v, scale2)), epsilon));
      return [tf.sub(weight, tf.mul(change, rate * scale1)), m, v];
    };
  }

  /** One pass over memory in place of a dozen operations. */
  function heapAdam(tf: Backend["tf"], heap: Heap): Pick<Rule, "step" | "inPlace"> {
    /** The addresses of each weight: where it lies, its gradient and memories, and where the new ones go. */
    function pass(
      step: number,
      weights: () => { readonly addresses: readonly number[]; readonly size: number }[],
    ): void {
      const { scale1, scale2 } = scales(step);
      const values = {
        keep1: beta1,
        take1: 1 - beta1,
        keep2: beta2,
        take2: 1 - beta2,
        rate: -rate * scale1,
        scale2,
        epsilon,
      };
      const numbers = heap.make([adamNumbers.length]);
      const each = weights();
      heap.floats(numbers).set(adamNumbers.map((name) => values[name]));
      const call = heap.routine("adam", adam);
      for (const { addresses, size } of each) {
        call(...addresses, heap.at(numbers), size * Float32Array.BYTES_PER_ELEMENT);
      }
      heap.drop(numbers);
    }
    return {
      step(weight, gradient, [first, second], step) {
        const made: TensorInfo[] = [heap.make(weight.shape), heap.make(weight.shape), heap.make(weight.shape)];
        const addresses = (): number[] => [weight, gradient, first!, second!, ...made].map((tensor) => heap.at(tensor));
        pass(step, () => [{ addresses: addresses(), size: weight.size }]);
        return made.map((info) => tf.engine().makeTensorFromTensorInfo(info));
      },
      inPlace(weights, step) {
        pass(step, () =>
          weights.map(({ weight, gradient, memories, size }) => ({
            addresses: [weight, gradient, ...memories, weight, ...memories],
            size,
          })));
      },
    };
  }
}
