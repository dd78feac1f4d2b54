// Numbers for the tests of training: they look random, and are the same everywhere.

/** Numbers in −1 to 1. */
export function numbers(count: number, seed: number): Float32Array {
  let state = seed * 7919 + 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x40000000 - 1;
  });
}

/** The trainer that several processes make alike. */
export const exampleInput = {
  model: { module: "cnn", input: { grid: 12, kernel: 3 } },
  backend: "wasm",
  learningRate: 0.003,
  seed: 11,
} as const;
