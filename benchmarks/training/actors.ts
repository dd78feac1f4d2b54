// What two threads of this machine give at most: numbers multiplied and added, in registers, and nothing else.

import { Actor } from "shoal";

export class Spin extends Actor {
  static readonly module: string = import.meta.url;

  /** Eight sums at once, so that no unit waits for another's result. */
  spin(rounds: number): number {
    let [a, b, c, d, e, f, g, h] = [1, 2, 3, 4, 5, 6, 7, 8];
    for (let round = 0; round < rounds; round++) {
      a = a * 0.999 + 0.001;
      b = b * 0.998 + 0.002;
      c = c * 0.997 + 0.003;
      d = d * 0.996 + 0.004;
      e = e * 0.995 + 0.005;
      f = f * 0.994 + 0.006;
      g = g * 0.993 + 0.007;
      h = h * 0.992 + 0.008;
    }
    return a + b + c + d + e + f + g + h;
  }
}
