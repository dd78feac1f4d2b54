// The simulation: a circular wave on a square grid, written step by step straight into the store's memory.

import { Actor, type TensorRef } from "../../runtime/mod.ts";
import { sine } from "./sine.ts";

export interface WaveInput {
  readonly period: number;
  readonly grid: number;
  readonly steps: number;
  /** How long each step takes beside what it computes: the rest of a simulation that this one stands for. */
  readonly stepSeconds?: number;
}

/** A field, and what it took. */
export interface Simulated {
  readonly field: TensorRef<"float64">;
  readonly computeSeconds: number;
  /** Room in the store, and the field's sealing there. */
  readonly putSeconds: number;
}

/** Each sample is a pair: the wave at one step, and what it has become at the next. */
export const pair = 2;

/** Simulates one wave a message. What leaves is a reference: the field itself stays where it was computed. */
export class Wave extends Actor {
  static readonly module: string = import.meta.url;

  async run(wave: WaveInput): Promise<TensorRef<"float64">> {
    return (await this.simulate(wave)).field;
  }

  async simulate(wave: WaveInput): Promise<Simulated> {
    const began = performance.now();
    const field = await this.store.allocate("float64", [wave.steps, pair, wave.grid, wave.grid]);
    const allocated = performance.now();
    propagate(wave, field.data);
    await emulated(wave, this.signal);
    const computed = performance.now();
    const ref = await field.seal();
    const putSeconds = (allocated - began + performance.now() - computed) / 1000;
    return { field: ref, computeSeconds: (computed - allocated) / 1000, putSeconds };
  }
}

/** Lets the time of the emulated compute pass, unless nobody waits for it any more. */
async function emulated({ steps, stepSeconds = 0 }: WaveInput, signal: AbortSignal): Promise<void> {
  for (let step = 0; step < steps && stepSeconds > 0 && !signal.aborted; step++) {
    await new Promise((resolve) => setTimeout(resolve, stepSeconds * 1000));
  }
}

/** u(r, t) = sin(2r − ωt) / (r + 1) for x and y in [−2π, 2π], as (step, input or target, y, x). */
export function propagate({ period, grid, steps }: WaveInput, out: Float64Array): void {
  const cells = grid * grid;
  const omega = 2 * Math.PI / period;
  const distance = distances(grid);
  for (let step = 0; step < steps; step++) {
    const input = step * pair * cells;
    const target = input + cells;
    for (let i = 0; i < cells; i++) {
      const r = distance[i]!;
      out[target + i] = sine(2 * r - omega * (step + 1)) / (r + 1);
    }
    // What a step ends with is what the next one begins with.
    if (step > 0) out.copyWithin(input, input - cells, input);
    else for (let i = 0; i < cells; i++) out[input + i] = sine(2 * distance[i]!) / (distance[i]! + 1);
  }
}

function distances(grid: number): Float64Array {
  const result = new Float64Array(grid * grid);
  const spacing = grid === 1 ? 0 : 4 * Math.PI / (grid - 1);
  for (let row = 0; row < grid; row++) {
    const y = row * spacing - 2 * Math.PI;
    for (let column = 0; column < grid; column++) {
      const x = column * spacing - 2 * Math.PI;
      result[row * grid + column] = Math.sqrt(x * x + y * y);
    }
  }
  return result;
}
