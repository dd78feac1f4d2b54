// `shoal run waves`: an ensemble of wave simulations feeds an ensemble of networks that learn how waves go on. How the
// samples get from one to the other is configuration.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ActorRef, Pool, System } from "../../runtime/mod.ts";
import { forecastFigure } from "../figure.ts";
import type { BackendName } from "../training/network.ts";
import { type Forecast, forecast } from "./forecast.ts";
import { Learner, type LearnerTask, type Learnt } from "./learner.ts";
import { Marks } from "./marks.ts";
import type { Online } from "./online.ts";
import { apart as placesApart, placesOf } from "./places.ts";
import { estimate, onlineOf, type Plan, planOf, settings, trainersOf, type WavesSettings } from "./plan.ts";
import { Reader, type Reading } from "./reader.ts";
import { linesOf, type Measured, resultOf, type WavesResult } from "./result.ts";
import { Shelf } from "./shelf.ts";
import { Wave } from "./wave.ts";

export { settings };
/** Whom it asks for. */
export const kinds = ["simulate", "train"] as const;

/** References that one message carries. */
const pageMax = 1_000;

/** Who does the work. */
interface Crew {
  readonly simulations: Pool<Wave>;
  readonly learners: Pool<Learner>;
  readonly shelf: ActorRef<Shelf>;
  readonly reader: ActorRef<Reader>;
}

/** What was done, and the seconds of each part since the one before; of those at a time, since both began. */
type Done = Pick<Measured, "simulated" | "learnt" | "readings"> & {
  readonly seconds: Omit<Measured["seconds"], "launch">;
};

export default async function waves(
  system: System,
  given: WavesSettings,
  say: (line: string) => void,
  directory?: string,
): Promise<WavesResult> {
  const plan = planOf(given);
  for (const line of estimate(plan)) say(line);
  const clock = stopwatch();
  const online = plan.online ? onlineOf(plan) : undefined;
  const crew = await launched(system, plan, online, directory);
  const launch = clock();
  const tasks = plan.kernels.map((kernel, index) => taskOf(plan, kernel, index, system.seed));
  const done = online === undefined
    ? await apart(plan, crew, tasks)
    : await together(system, plan, crew, tasks, online);
  const foretold = await foretell(system, plan, done.learnt, directory);
  const measured: Measured = { ...done, seconds: { ...done.seconds, launch }, forecast: foretold };
  const result = resultOf(plan, measured);
  for (const line of linesOf(plan, measured, result)) say(line);
  return result;
}

async function launched(system: System, plan: Plan, online: Online | undefined, directory?: string): Promise<Crew> {
  // What comes while it is learnt from comes once: a run that was interrupted begins anew.
  const isMarked = directory !== undefined && online === undefined && plan.trainer === "tfjs" && plan.epochs > 0;
  const [shelf, marks, reader, places] = await Promise.all([
    system.spawn(Shelf, undefined, { name: "shelf" }),
    isMarked ? system.spawn(Marks, undefined, { name: "marks" }) : undefined,
    system.spawn(Reader, undefined, { name: "reader" }),
    placesOf(system),
  ]);
  const { busy, others } = online === undefined
    ? { busy: places.pool, others: places.pool }
    : await placesApart(system, places, trainersOf(plan));
  const simulating = system.pool(Wave, { ...others, task: "simulate", size: plan["simulate-workers"] });
  const learning = system.pool(Learner, {
    ...busy,
    task: "train",
    size: trainersOf(plan),
    input: {
      shelf,
      trains: plan.epochs > 0,
      trainer: plan.trainer === "pytorch" ? "pytorch" : "tfjs",
      ...marks !== undefined && { marks },
      ...online !== undefined && { online },
      ...plan.backend !== "auto" && { backend: plan.backend as BackendName },
    },
    // That one task is refused is no reason to open the backend anew.
    supervision: { on: "resume" },
  });
  const [simulations, learners] = await Promise.all([simulating, learning]);
  return { simulations, learners, shelf, reader };
}

/** First all is simulated, then it is learnt from, and then read once more, for its checksum. */
async function apart(plan: Plan, { simulations, learners, shelf, reader }: Crew, tasks: LearnerTask[]): Promise<Done> {
  const { grid } = plan;
  const clock = stopwatch();
  const inputs = inputsOf(plan);
  const simulated = plan.transport === "inline"
    // What passed through a head is gone with it: a resumed run makes it again.
    ? await simulations.map("simulate", inputs.map((input) => ({ ...input, shelf })))
    : await simulations.map("simulate", inputs, { name: "simulate" });
  const refs = simulated.flatMap(({ samples }) => samples);
  for (let at = 0; at < refs.length; at += pageMax) await shelf.ask("place", refs.slice(at, at + pageMax));
  const simulate = clock();
  const learnt = await learners.map("learn", tasks, { name: "train" });
  const train = clock();
  const readings = await all(reader.stream("readAll", { shelf, grid }));
  const read = clock();
  return { simulated, learnt, readings, seconds: { simulate, train, read, total: simulate + train } };
}

/** Those who learn, and the one who sums up, are there before the first simulation begins. */
async function together(
  system: System,
  plan: Plan,
  { simulations, learners, shelf, reader }: Crew,
  tasks: LearnerTask[],
  online: Online,
): Promise<Done> {
  const { grid, epochs } = plan;
  const clock = stopwatch();
  const since = async <T>(work: Promise<T>): Promise<readonly [T, number]> => [await work, clock.whole()];
  const turns = turnsOf(plan);
  const learning = since(learners.map("learn", tasks));
  const summing = reader.stream("readComing", { shelf, grid, online, keeps: epochs > 1 });
  const reading = since(all(summing, ({ samples }) => turns.passed(samples)));
  const simulating = since(Promise.all(
    inputsOf(plan).map(async (input) => {
      await turns.reached(input.index);
      return await simulations.ask("simulate", { ...input, online });
    }),
  ));
  const closing = simulating.then(() => system.topic(online.topic).close());
  const [[simulated, simulate], [learnt, train], [readings, read]] = await Promise.all([
    simulating,
    learning,
    reading,
    closing,
  ]);
  return { simulated, learnt, readings, seconds: { simulate, train, read, total: Math.max(simulate, train) } };
}

function inputsOf({ periods, grid, steps, "step-seconds": stepSeconds }: Plan) {
  return periods.map((period, index) => ({ index, period, grid, steps, stepSeconds }));
}

function taskOf(plan: Plan, kernel: number, index: number, seed: number): LearnerTask {
  const { grid, samples, epochs, batch, "learning-rate": learningRate } = plan;
  return { index, kernel, grid, samples, epochs, batch, learningRate, seed: seed + index };
}

/** Rolls the best network out from a wave in the middle, and draws it in the run directory. */
async function foretell(
  system: System,
  plan: Plan,
  learnt: readonly Learnt[],
  directory: string | undefined,
): Promise<Forecast | undefined> {
  const trained = learnt.filter(({ loss, weights }) => loss !== undefined && weights !== undefined);
  const [best] = [...trained].sort((one, other) => one.loss! - other.loss!);
  if (best === undefined) return undefined;
  const { grid, steps, periods } = plan;
  const period = periods[Math.floor(periods.length / 2)]!;
  const found = await forecast(system, { kernel: best.kernel, weights: best.weights!, grid, steps, period });
  if (directory !== undefined) {
    writeFileSync(join(directory, "forecast.svg"), forecastFigure(found.forecast, found.fields), { mode: 0o600 });
  }
  return found.forecast;
}

async function all(stream: AsyncIterable<Reading>, told?: (reading: Reading) => void): Promise<Reading[]> {
  const readings: Reading[] = [];
  for await (const reading of stream) {
    readings.push(reading);
    told?.(reading);
  }
  return readings;
}

/**
 * When a simulation may begin: what one that is slow has not made yet is summed up before what came after it, which lies
 * in the store until then. So no other gets further ahead of it than there are workers, and one.
 */
function turnsOf({ steps, "simulate-workers": workers }: Plan): {
  reached(index: number): Promise<void>;
  passed(samples: number): void;
} {
  const waiting = new Map<number, () => void>();
  let summed = 0;
  const isDue = (index: number): boolean => index <= summed / steps + workers;
  return {
    reached: (index) => isDue(index) ? Promise.resolve() : new Promise((resolve) => waiting.set(index, resolve)),
    passed(samples) {
      summed += samples;
      for (const [index, resolve] of waiting) {
        if (!isDue(index)) continue;
        waiting.delete(index);
        resolve();
      }
    },
  };
}

/** Each call answers the seconds since the one before. */
function stopwatch(): { (): number; whole(): number } {
  const began = performance.now();
  let last = began;
  const lap = (): number => {
    const now = performance.now();
    const seconds = (now - last) / 1000;
    last = now;
    return seconds;
  };
  return Object.assign(lap, { whole: () => (performance.now() - began) / 1000 });
}
