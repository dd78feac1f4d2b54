// Random numbers from a seed, the same on every runtime: sfc32, seeded through a mixer.

/** A stream of random numbers. The same seed gives the same numbers everywhere. */
export interface Random {
  /** In [0, 1), with 32 random bits. */
  next(): number;
  /** A whole number in [0, bound). */
  below(bound: number): number;
  /** So many random hex digits. */
  hex(digits: number): string;
  /** The same elements in random order; the argument is left as it is. */
  shuffled<T>(values: readonly T[]): T[];
  /** A stream of its own that depends on the label only, not on what was drawn before. */
  fork(label: string): Random;
}

/** One that can be made again: from where it began. */
export interface SeededRandom extends Random {
  readonly origin: string;
}

/** Makes a stream of random numbers from a seed. */
export function random(seed: number | string): SeededRandom {
  const origin = String(seed);
  let a = mix(origin, 0x9e3779b9), b = mix(origin, 0x243f6a88), c = mix(origin, 0xb7e15162), counter = 1;

  function bits(): number {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  // The first numbers still show the seed's own pattern.
  for (let i = 0; i < 12; i++) bits();

  const self: SeededRandom = {
    origin,
    next: () => bits() / 0x1_0000_0000,
    below(bound) {
      if (!Number.isSafeInteger(bound) || bound < 1 || bound > 0x1_0000_0000) {
        throw new RangeError(`Cannot draw below ${bound}: expected a whole number from 1 to 2^32`);
      }
      // Draws that would favour the small numbers are thrown away.
      const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound);
      let draw = bits();
      while (draw >= limit) draw = bits();
      return draw % bound;
    },
    hex(digits) {
      let text = "";
      while (text.length < digits) text += bits().toString(16).padStart(8, "0");
      return text.slice(0, digits);
    },
    shuffled(values) {
      const result = [...values];
      for (let i = result.length - 1; i > 0; i--) {
        const j = self.below(i + 1);
        [result[i], result[j]] = [result[j]!, result[i]!];
      }
      return result;
    },
    fork: (label) => random(`${origin}/${label}`),
  };
  return self;
}

function mix(text: string, start: number): number {
  let hash = start;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x85ebca6b);
    hash ^= hash >>> 13;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35);
  return hash ^ (hash >>> 15);
}
