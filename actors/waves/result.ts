// What a run of waves came to: the object that `--json` ends with, and the lines that people read.

import type { Forecast } from "./forecast.ts";
import type { Learnt } from "./learner.ts";
import { floorSeconds, type Plan, trainersOf } from "./plan.ts";
import { pictureSize, type Reading } from "./reader.ts";
import { samplesTogether, type Simulated } from "./wave.ts";
import { shownBytes, shownTimes, type Times, timesOfAll } from "./times.ts";

export interface WavesResult {
  readonly program: "waves";
  readonly sims: number;
  readonly grid: number;
  readonly samples: number;
  /** Of inputs and targets. */
  readonly bytes: number;
  /** GiB of inputs alone, as published tables count. */
  readonly label: number;
  /** Processes that did some of it. */
  readonly nodes: number;
  readonly store: string;
  readonly transport: string;
  readonly online: boolean;
  readonly launchSeconds: number;
  /** From the first simulation to the last training. */
  readonly totalSeconds: number;
  /** What launch and I/O took above emulated compute; nothing where nothing is emulated, or all goes on at a time. */
  readonly overheadSeconds: number | null;
  readonly simulate: {
    readonly seconds: number;
    readonly computeSeconds: number;
    /** What emulated compute takes, however fast all else is. */
    readonly floorSeconds: number;
    readonly put: Times;
    /** What was waited for those who learn and had fallen behind. */
    readonly creditSeconds: number;
  };
  readonly train: {
    readonly seconds: number;
    readonly computeSeconds: number;
    readonly get: Times;
    readonly backend: string;
    readonly models: readonly {
      readonly kernel: number;
      readonly parameters: number;
      readonly loss: number | null;
      readonly samples: number;
      readonly seconds: number;
    }[];
  };
  readonly read: { readonly seconds: number; readonly get: Times };
  readonly forecast: Forecast | null;
  readonly checksum: string;
}

/** What was measured, by phase. */
export interface Measured {
  readonly seconds: {
    readonly launch: number;
    readonly simulate: number;
    readonly train: number;
    readonly read: number;
    /** From the first simulation to the last training. */
    readonly total: number;
  };
  readonly simulated: readonly Simulated[];
  readonly learnt: readonly Learnt[];
  readonly readings: readonly Reading[];
  readonly forecast: Forecast | undefined;
}

const bytesPerGiB = 2 ** 30;

export function resultOf(plan: Plan, measured: Measured): WavesResult {
  const { seconds, simulated, learnt, readings } = measured;
  const bytes = readings.reduce((sum, reading) => sum + reading.bytes, 0);
  return {
    program: "waves",
    sims: simulated.length,
    grid: plan.grid,
    samples: readings.reduce((sum, reading) => sum + reading.samples, 0),
    bytes,
    label: bytes / 2 / bytesPerGiB,
    nodes: new Set([...simulated, ...learnt].map(({ process }) => process)).size,
    store: storeOf(simulated),
    transport: plan.transport,
    online: plan.online,
    launchSeconds: seconds.launch,
    totalSeconds: seconds.total,
    overheadSeconds: overheadOf(plan, measured),
    simulate: {
      seconds: seconds.simulate,
      computeSeconds: simulated.reduce((sum, { computeSeconds }) => sum + computeSeconds, 0),
      floorSeconds: floorSeconds(plan),
      put: timesOfAll(simulated.map(({ put }) => put)),
      creditSeconds: simulated.reduce((sum, { creditSeconds }) => sum + creditSeconds, 0),
    },
    train: {
      seconds: seconds.train,
      computeSeconds: learnt.reduce((sum, { computeSeconds }) => sum + computeSeconds, 0),
      get: timesOfAll(learnt.map(({ get }) => get)),
      backend: learnt[0]?.backend ?? "none",
      models: learnt.map(({ kernel, parameters, loss, samples, seconds }) => ({
        kernel,
        parameters,
        loss: loss ?? null,
        samples,
        seconds,
      })),
    },
    read: { seconds: seconds.read, get: timesOfAll([waitedOf(readings)]) },
    forecast: measured.forecast ?? null,
    checksum: readings.at(-1)?.checksum ?? "",
  };
}

/** Each trainer waits for its own samples, at the same time as the others. */
function overheadOf(plan: Plan, { seconds, learnt }: Measured): number | null {
  const floor = floorSeconds(plan);
  if (floor === 0 || plan.online) return null;
  const waited = learnt.reduce((sum, { get }) => sum + get.sum, 0) / trainersOf(plan);
  const overhead = seconds.launch + seconds.simulate - floor + waited;
  // A run that was resumed has not waited for what it had before.
  return overhead < 0 ? null : overhead;
}

export function linesOf(plan: Plan, measured: Measured, result: WavesResult): string[] {
  const { simulate, train, read, forecast, samples, checksum } = result;
  const where = plan.transport === "inline" ? "the head" : result.store;
  const models = train.models.map(({ kernel, parameters, loss, samples, seconds }) =>
    loss === null
      ? `read      ${samples} samples, number by number, in ${seconds.toFixed(2)} s`
      : `trained   kernel ${kernel}, ${parameters} parameters: loss ${loss.toExponential(2)} after ${plan.epochs} × ` +
        `${samples} samples, in ${seconds.toFixed(2)} s`
  );
  const last = forecast?.error.length ?? 0;
  const percent = (part: number | undefined): string => `${((part ?? 0) * 100).toFixed((part ?? 0) < 0.1 ? 1 : 0)} %`;
  return [
    ...draw(plan, measured.readings),
    `launched  in ${result.launchSeconds.toFixed(2)} s`,
    `simulated ${result.sims} waves, ${shownBytes(result.bytes)} into ${where}, in ${simulate.seconds.toFixed(2)} s` +
    `${simulate.floorSeconds > 0 ? ` (the emulated compute alone ${simulate.floorSeconds.toFixed(1)})` : ""}; ` +
    `put ${shownTimes(simulate.put)}`,
    ...models,
    `          get ${shownTimes(train.get)}; ${measured.learnt[0]?.said ?? ""}`,
    ...result.overheadSeconds === null ? [] : [
      `overhead  ${result.overheadSeconds.toFixed(2)} s for launch and I/O, above the emulated compute`,
    ],
    ...forecast === null ? [] : [
      `foretold  ${last} steps with kernel ${forecast.kernel}: ${percent(forecast.error[0])} wrong after one, ` +
      `${percent(forecast.error[last - 1])} after ${last}; if nothing changed, ${percent(forecast.unchanged[0])} and ` +
      percent(forecast.unchanged[last - 1]),
    ],
    `read      ${samples} samples once more, for their checksum, in ${read.seconds.toFixed(2)} s`,
    `checksum  ${checksum}, the same on every runtime, store and transport`,
  ];
}

/** Where the samples lay. */
function storeOf(simulated: readonly Simulated[]): string {
  const refs = simulated.flatMap(({ samples }) => samples);
  return refs.find(({ inline }) => inline === undefined)?.where ?? "inline:";
}

function waitedOf(
  readings: readonly Reading[],
): { readonly count: number; readonly sum: number; readonly max: number } {
  const seconds = readings.map(({ getSeconds }) => getSeconds);
  return { count: seconds.length, sum: seconds.reduce((sum, each) => sum + each, 0), max: Math.max(0, ...seconds) };
}

const shades = [" ", "░", "▒", "▓", "█"];

/** The first and the last wave side by side; every other row, since letters are twice as high as wide. */
function draw({ grid, steps, online }: Plan, readings: readonly Reading[]): string[] {
  const transfers = Math.ceil(steps / samplesTogether(grid, steps, online));
  const shown = [readings[transfers - 1], readings.at(-1)].filter((reading) => reading !== undefined);
  const lines: string[] = [];
  for (let row = 0; row < pictureSize; row += 2) {
    const pictures = shown.map(({ picture }) => {
      let line = "";
      for (let column = 0; column < pictureSize; column++) {
        const value = picture[row * pictureSize + column]!;
        // The root lifts the outer rings, which are faint.
        const height = (Math.sign(value) * Math.sqrt(Math.abs(value)) + 1) / 2;
        line += shades[Math.min(shades.length - 1, Math.max(0, Math.floor(height * shades.length)))];
      }
      return line;
    });
    lines.push(`  ${pictures.join("    ")}`);
  }
  return lines;
}
