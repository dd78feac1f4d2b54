// `shoal run waves`: an ensemble of wave simulations, and an actor that reads what they made.

import type { System } from "../../runtime/mod.ts";
import { pictureSize, Reader, type Reading } from "./reader.ts";
import { pair, Wave } from "./wave.ts";

/** The program's own flags, with their defaults. */
export const settings = {
  sims: { default: 32, about: "simulations", least: 1 },
  grid: { default: 512, about: "points along each side", least: 1 },
  steps: { default: 10, about: "samples of each simulation", least: 1 },
  "step-seconds": { default: 0.5, about: "emulated compute of a step; 0 leaves it out", value: "S" },
  "simulate-workers": { default: 2, about: "actors that simulate", least: 1 },
} as const;

export type Settings = { readonly [K in keyof typeof settings]: number };

/** How long something took that happened many times. */
export interface Times {
  readonly mean: number;
  readonly sum: number;
  readonly max: number;
}

/** What `--json` prints. */
export interface WavesResult {
  readonly program: "waves";
  readonly sims: number;
  readonly grid: number;
  readonly samples: number;
  readonly bytes: number;
  readonly nodes: number;
  readonly store: string;
  readonly transport: "store";
  readonly launchSeconds: number;
  readonly simulate: { readonly seconds: number; readonly computeSeconds: number; readonly put: Times };
  readonly read: { readonly seconds: number; readonly get: Times };
  readonly checksum: string;
}

const periodFirst = 40;
const periodLast = 80;

export default async function waves(
  system: System,
  settings: Settings,
  say: (line: string) => void,
): Promise<WavesResult> {
  const { sims, grid, steps, "step-seconds": stepSeconds, "simulate-workers": workers } = settings;
  for (const line of estimate(settings)) say(line);

  const launched = performance.now();
  const simulations = await system.pool(Wave, { size: workers });
  const reader = await system.spawn(Reader, undefined, { name: "reader" });

  const began = performance.now();
  const inputs = periods(sims).map((period) => ({ period, grid, steps, stepSeconds }));
  const simulated = await simulations.map("simulate", inputs, { name: "simulate" });
  const made = performance.now();

  const readings: Reading[] = [];
  for await (const reading of reader.stream("read", simulated.map(({ field }) => field))) readings.push(reading);
  const read = performance.now();

  const computeSeconds = simulated.reduce((sum, { computeSeconds }) => sum + computeSeconds, 0);
  const put = times(simulated.map(({ putSeconds }) => putSeconds));
  const get = times(readings.map(({ getSeconds }) => getSeconds));
  const samples = readings.reduce((sum, reading) => sum + reading.samples, 0);
  const bytes = readings.reduce((sum, reading) => sum + reading.bytes, 0);
  const checksum = readings.at(-1)?.checksum ?? "";
  const seconds = { launch: (began - launched) / 1000, simulate: (made - began) / 1000, read: (read - made) / 1000 };
  const store = simulated.find(({ field }) => field.inline === undefined)?.field.where ?? "inline:";

  for (const line of draw(readings)) say(line);
  say(
    `simulated ${simulated.length} waves, ${gigabytes(bytes)} into ${store}, in ${seconds.simulate.toFixed(2)} s; put ${
      shown(put)
    }`,
  );
  say(`read      ${samples} samples by reference in ${seconds.read.toFixed(2)} s; get ${shown(get)}`);
  say(`checksum  ${checksum}, the same on every runtime and store`);

  return {
    program: "waves",
    sims: simulated.length,
    grid,
    samples,
    bytes,
    nodes: 1,
    store,
    transport: "store",
    launchSeconds: seconds.launch,
    simulate: { seconds: seconds.simulate, computeSeconds, put },
    read: { seconds: seconds.read, get },
    checksum,
  };
}

/** What is to come, before it comes. */
function estimate({ sims, grid, steps, "step-seconds": stepSeconds, "simulate-workers": workers }: Settings): string[] {
  const bytes = sims * steps * pair * grid * grid * Float64Array.BYTES_PER_ELEMENT;
  const lines = [
    `${sims} waves of ${steps} steps on a grid of ${grid} × ${grid}: ${gigabytes(bytes)} with ${workers} workers`,
  ];
  const rounds = Math.ceil(sims / workers);
  if (stepSeconds > 0) {
    lines.push(
      `at least ${(rounds * steps * stepSeconds).toFixed(1)} s of emulated compute; --step-seconds 0 leaves it out`,
    );
  }
  return lines;
}

function times(seconds: readonly number[]): Times {
  const sum = seconds.reduce((sum, each) => sum + each, 0);
  return { mean: sum / Math.max(1, seconds.length), sum, max: Math.max(0, ...seconds) };
}

function shown({ mean, max }: Times): string {
  return `${(mean * 1000).toFixed(2)} ms each, ${(max * 1000).toFixed(2)} at most`;
}

/** Equally spaced, the first and the last included. */
function periods(count: number): number[] {
  return Array.from({ length: count }, (_, i) => periodFirst + (periodLast - periodFirst) * i / Math.max(1, count - 1));
}

function gigabytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

const shades = [" ", "░", "▒", "▓", "█"];

/** The first and the last wave side by side; every other row, since letters are twice as high as wide. */
function draw(readings: readonly Reading[]): string[] {
  const shown = [readings[0], readings.at(-1)].filter((reading) => reading !== undefined);
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
