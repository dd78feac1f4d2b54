// Chance in training: the order of the examples, and what the layers draw, from the seed and the place in the training
// alone, so that a training that is resumed draws what it would have drawn.

/** Numbers in [0, 1) that are the same for the same words. */
export function dice(...words: readonly number[]): () => number {
  let state = 0x9e3779b9;
  // Fractions and large numbers count with all their bits.
  for (const half of new Uint32Array(Float64Array.from(words).buffer)) state = mixed(state ^ half);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    return (mixed(state) >>> 0) / 2 ** 32;
  };
}

function mixed(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  value = Math.imul(value ^ (value >>> 15), 0x735a2d97);
  return value ^ (value >>> 15);
}

/** The numbers below `count` in an order of this seed and epoch. */
export function shuffled(count: number, seed: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  const draw = dice(seed, epoch);
  for (let last = count - 1; last > 0; last--) {
    const chosen = Math.floor(draw() * (last + 1));
    [order[last], order[chosen]] = [order[chosen]!, order[last]!];
  }
  return order;
}

/**
 * Runs something that ends at once with dice in place of `Math.random`. Initializers and dropout of TensorFlow.js draw
 * their seeds there where the model names none, and take no other generator.
 */
export function drawing<T>(draw: () => number, run: () => T): T {
  const { random } = Math;
  Math.random = draw;
  try {
    return run();
  } finally {
    Math.random = random;
  }
}
