// Those who read what simulations have written, out of a store; and both without one, in memory of their own.

import { Actor, type TensorRef } from "shoal";
import { propagate } from "shoal/actors";
import { preads } from "./preads.ts";

export interface Size {
  readonly periods: readonly number[];
  readonly grid: number;
  readonly steps: number;
}

/** How many numbers a simulation makes. */
export const numbersOf = ({ grid, steps }: Pick<Size, "grid" | "steps">): number => steps * 2 * grid * grid;

/** Every number is read, by sums that do not wait for each other, as those of numpy. */
export function sumOf(values: Float64Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length - values.length % 4;
  for (let at = 0; at < whole; at += 4) {
    a += values[at]!;
    b += values[at + 1]!;
    c += values[at + 2]!;
    d += values[at + 3]!;
  }
  for (let at = whole; at < values.length; at++) a += values[at]!;
  return a + b + c + d;
}

/** What one has read. */
export interface Looked {
  readonly numbers: number;
  readonly sum: number;
}

export class Looker extends Actor {
  static readonly module: string = import.meta.url;
  readonly #own: Float64Array[] = [];

  async read(refs: readonly TensorRef<"float64">[]): Promise<Looked> {
    let [numbers, sum] = [0, 0];
    for await (const tensor of this.store.getMany(refs)) {
      sum += sumOf(tensor.data);
      numbers += tensor.data.length;
      tensor.done();
    }
    return { numbers, sum };
  }

  /** Fills memory of its own with what it will read. */
  fill({ periods, grid, steps }: Size): void {
    for (const [index, period] of periods.entries()) {
      this.#own[index] ??= new Float64Array(numbersOf({ grid, steps }));
      propagate({ period, grid, steps }, this.#own[index]);
    }
    this.#own.length = periods.length;
  }

  look(): Looked {
    let [numbers, sum] = [0, 0];
    for (const field of this.#own) {
      sum += sumOf(field);
      numbers += field.length;
    }
    return { numbers, sum };
  }
}

/** Reads a file, as bare as can be. */
export class Loop extends Actor {
  static readonly module: string = import.meta.url;

  read(
    { path, bytes, isSummed }: { readonly path: string; readonly bytes: number; readonly isSummed: boolean },
  ): number {
    return preads(path, bytes, isSummed);
  }
}

export interface Make {
  readonly period: number;
  readonly grid: number;
  readonly steps: number;
  readonly round: number;
}

/** Simulates into memory of its own, which it keeps for the next round. */
export class Maker extends Actor {
  static readonly module: string = import.meta.url;
  readonly #fields: Float64Array[] = [];
  #round = -1;
  #made = 0;

  make({ period, grid, steps, round }: Make): number {
    if (round !== this.#round) [this.#round, this.#made] = [round, 0];
    const length = numbersOf({ grid, steps });
    const kept = this.#fields[this.#made];
    const field = kept?.length === length ? kept : new Float64Array(length);
    this.#fields[this.#made++] = field;
    propagate({ period, grid, steps }, field);
    return field.length;
  }
}
