// A prediction one can see: after training, the best network says how a wave goes on, each answer asked about in its
// turn, and the truth stands beside it.

import type { System, TensorRef } from "../../runtime/mod.ts";
import { Predictor } from "../training/predictor.ts";
import { pair, propagate } from "./wave.ts";

/** What was foretold, and how wrong it was, step by step. */
export interface Forecast {
  readonly kernel: number;
  readonly period: number;
  /** Root mean square error as a part of the truth's own root mean square. */
  readonly error: readonly number[];
  /** The same, of saying that nothing changes. */
  readonly unchanged: readonly number[];
}

export interface Fields {
  readonly grid: number;
  /** At the last step. */
  readonly truth: Float64Array;
  readonly predicted: Float32Array;
}

export interface ForecastInput {
  readonly kernel: number;
  readonly weights: TensorRef<"uint8">;
  readonly grid: number;
  readonly steps: number;
  readonly period: number;
}

export async function forecast(
  system: System,
  { kernel, weights, grid, steps, period }: ForecastInput,
): Promise<{ readonly forecast: Forecast; readonly fields: Fields }> {
  const cells = grid * grid;
  const truth = new Float64Array(steps * pair * cells);
  propagate({ period, grid, steps }, truth);
  const first = truth.subarray(0, cells);
  const targetOf = (step: number): Float64Array => truth.subarray((2 * step + 1) * cells, (2 * step + 2) * cells);

  const model = { module: "cnn", input: { grid, kernel } };
  const predictor = await system.spawn(Predictor, { model, weights });
  const from = await system.store.put({ data: first.slice(), dtype: "float64", shape: [grid, grid] });
  const rolled = await predictor.ask("rollout", { from, steps });
  const tensor = await system.store.get(rolled);
  const answers = tensor.data.slice();
  tensor.done();
  await Promise.all([system.store.release(rolled), system.store.release(from), system.stop(predictor)]);

  const answerOf = (step: number): Float32Array => answers.subarray(step * cells, (step + 1) * cells);
  const numbers = Array.from({ length: steps }, (_, step) => step);
  return {
    forecast: {
      kernel,
      period,
      error: numbers.map((step) => errorOf(answerOf(step), targetOf(step))),
      unchanged: numbers.map((step) => errorOf(first, targetOf(step))),
    },
    fields: { grid, truth: targetOf(steps - 1).slice(), predicted: answerOf(steps - 1).slice() },
  };
}

function errorOf(said: ArrayLike<number>, truth: Float64Array): number {
  let [wrong, whole] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    wrong += (said[i]! - truth[i]!) ** 2;
    whole += truth[i]! ** 2;
  }
  return Math.sqrt(wrong / whole);
}
