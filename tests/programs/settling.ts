// Optimisation without learning, on the same campaign: which damping lets a spring settle fastest? What is "trained" is
// only the best one so far, and what is "predicted" is how near to it a candidate lies.
import { Actor, type System } from "shoal";
import { campaign, type CampaignFlags, campaignSettings, type Outcome, settingsOf, type Values } from "shoal/actors";
import type { Predictions, PredictTask, TrainTask } from "shoal/actors";

const own = { candidates: { default: 200, about: "dampings to choose from", least: 2 } } as const;
export const settings: CampaignFlags<typeof own> = { ...campaignSettings, ...own };

export class Spring extends Actor {
  static readonly module: string = import.meta.url;

  /** The less it moves in all, the better. */
  simulate(damping: number): Outcome {
    let position = 1, speed = 0, moved = 0;
    for (let step = 0; step < 2000; step++) {
      speed += (-position - damping * speed) * 0.01;
      position += speed * 0.01;
      moved += position * position;
    }
    return { value: -moved };
  }
}

export class Climber extends Actor {
  static readonly module: string = import.meta.url;

  async train({ set }: TrainTask): Promise<number> {
    const [rows, values] = [(await this.store.get(set.rows)).data, (await this.store.get(set.values)).data];
    return rows[values.indexOf(Math.max(...values))]!;
  }

  async predict({ model: best, from, to }: PredictTask<number>): Promise<Predictions> {
    const draft = await this.store.allocate("float64", [to - from]);
    for (let row = from; row < to; row++) draft.data[row - from] = -Math.abs(row - best);
    return await draft.seal();
  }
}

export default async function (
  system: System,
  values: Values<typeof settings>,
  say: (line: string) => void,
  directory?: string,
): Promise<object> {
  const springs = await system.pool(Spring, { size: values["simulate-workers"] });
  const climber = await system.spawn(Climber);
  const candidates = Array.from({ length: values.candidates }, (_, i) => 3 * (i + 1) / values.candidates);
  const { simulated } = await campaign(system, {
    candidates,
    simulate: (damping, signal) => springs.ask("simulate", damping, { signal }),
    learn: { train: (task) => climber.ask("train", task), predict: (task) => climber.ask("predict", task) },
    settings: { ...settingsOf(values, system.seed), models: 1 },
    directory,
    say,
  });
  const best = simulated.reduce((best, each) => each.value > best.value ? each : best);
  return { damping: candidates[best.row], simulated: simulated.length };
}
