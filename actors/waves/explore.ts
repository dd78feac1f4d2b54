// `shoal run explore`: a campaign of its own on the general part: waves are simulated where an ensemble of surrogates
// disagrees, until it knows how strong a wave of any period is.

import { Actor, random, type System } from "../../runtime/mod.ts";
import { campaign, type CampaignFlags, campaignSettings, settingsOf, type Values } from "../campaign.ts";
import type { Outcome } from "../simulation.ts";
import type { Predictions, PredictTask, TrainTask } from "../trainer.ts";
import { propagate } from "./wave.ts";

const own = {
  "candidates": { default: 400, about: "periods to choose from", least: 2 },
  "grid": { default: 32, about: "points along each side", least: 1 },
  // The values themselves do not matter, where the surrogates disagree is where to look.
  "beta": { default: 1000, fraction: true, about: "how much the surrogates' disagreement counts" },
} as const;

export const settings: CampaignFlags<typeof own> = { ...campaignSettings, ...own };

/** The simulation: how strong a wave is after a few steps. */
export class Strength extends Actor {
  static readonly module: string = import.meta.url;

  simulate({ period, grid }: { period: number; grid: number }): Outcome {
    const field = new Float64Array(4 * 2 * grid * grid);
    propagate({ period, grid, steps: 4 }, field);
    const last = field.subarray(-grid * grid);
    return { value: Math.sqrt(last.reduce((sum, height) => sum + height * height, 0) / last.length) };
  }
}

/** What a surrogate learned: points, by row, of a random part of what is known. */
type Points = readonly { readonly row: number; readonly value: number }[];

/** The trainer: straight lines between points. Each of the ensemble has seen others. */
export class Surrogate extends Actor {
  static readonly module: string = import.meta.url;

  async train({ seed, set }: TrainTask): Promise<Points> {
    const [rows, values] = [(await this.store.get(set.rows)).data, (await this.store.get(set.values)).data];
    const points = [...rows].map((row, index) => ({ row, value: values[index]! }));
    const seen = random(seed).shuffled(points).slice(0, Math.max(2, Math.ceil(points.length * 0.7)));
    return seen.sort((one, other) => one.row - other.row);
  }

  async predict({ model, from, to }: PredictTask<Points>): Promise<Predictions> {
    const draft = await this.store.allocate("float64", [to - from]);
    for (let row = from; row < to; row++) {
      const after = Math.min(model.length - 1, Math.max(1, model.findIndex((point) => point.row >= row)));
      const [left, right] = [model[after - 1]!, model[after]!];
      draft.data[row - from] = left.value + (right.value - left.value) * (row - left.row) / (right.row - left.row);
    }
    return await draft.seal();
  }
}

export default async function explore(
  system: System,
  values: Values<typeof settings>,
  say: (line: string) => void,
  directory?: string,
): Promise<object> {
  const { candidates: count, grid } = values;
  const simulations = await system.pool(Strength, { size: values["simulate-workers"] });
  const surrogates = await system.pool(Surrogate, { size: values["train-workers"] + values["infer-workers"] });
  const found = await campaign(system, {
    candidates: Array.from({ length: count }, (_, i) => ({ period: 2 + 60 * i / (count - 1), grid })),
    simulate: (candidate, signal) => simulations.ask("simulate", candidate, { signal }),
    learn: { train: (task) => surrogates.ask("train", task), predict: (task) => surrogates.ask("predict", task) },
    settings: settingsOf(values, system.seed),
    directory,
    say,
  });
  return { program: "explore", simulated: found.simulated.length, meanRelativeError: found.meanRelativeError };
}
