// The actors of a campaign whose simulations do nothing but last: what lies between two of them is the campaign's own.

import { Actor } from "shoal";
import type { Outcome, Predictions, PredictTask, TrainTask } from "shoal/actors";

const now = (): number => performance.timeOrigin + performance.now();

export class Lasting extends Actor {
  static readonly module: string = import.meta.url;

  async simulate({ row, millis }: { readonly row: number; readonly millis: number }): Promise<Outcome> {
    const startedAt = now();
    await new Promise((resolve) => setTimeout(resolve, millis));
    return { value: row, startedAt, endedAt: now() };
  }
}

/** A model that costs next to nothing, trained after each simulation. */
export class Guess extends Actor {
  static readonly module: string = import.meta.url;

  async train({ set }: TrainTask): Promise<number> {
    return Math.max(...(await this.store.get(set.values)).data);
  }

  async predict({ model, from, to }: PredictTask<number>): Promise<Predictions> {
    const draft = await this.store.allocate("float64", [to - from]);
    for (let row = from; row < to; row++) draft.data[row - from] = -Math.abs(row - model);
    return await draft.seal();
  }
}
