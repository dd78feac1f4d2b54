// What a network is told it did wrong: the mean over all numbers of a batch.

import type { LossName } from "./network.ts";
import type { Operations, Scalar, Tensor } from "./tensorflow.ts";

/** Keeps logarithms away from 0. */
const least = 1e-7;

const known: Readonly<Record<LossName, (tf: Operations, answer: Tensor, target: Tensor) => Tensor>> = {
  mse: (tf, answer, target) => tf.squaredDifference(answer, target),
  mae: (tf, answer, target) => tf.abs(tf.sub(answer, target)),
  // A square near 0, a straight line farther away.
  huber(tf, answer, target) {
    const distance = tf.abs(tf.sub(answer, target));
    const near = tf.minimum(distance, 1);
    return tf.sub(tf.mul(near, distance), tf.mul(tf.square(near), 0.5));
  },
  crossentropy: (tf, answer, target) => tf.neg(tf.sum(tf.mul(target, tf.log(tf.clipByValue(answer, least, 1))), -1)),
  "binary-crossentropy"(tf, answer, target) {
    const sure = tf.clipByValue(answer, least, 1 - least);
    return tf.neg(tf.add(tf.mul(target, tf.log(sure)), tf.mul(tf.sub(1, target), tf.log(tf.sub(1, sure)))));
  },
};

export const lossNames: readonly string[] = Object.keys(known);

export function loss(tf: Operations, name: LossName): (answer: Tensor, target: Tensor) => Scalar {
  const each = known[name];
  return (answer, target) => tf.mean(each(tf, answer, target));
}
