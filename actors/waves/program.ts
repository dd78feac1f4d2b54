// `shoal run waves`: an ensemble of wave simulations, and an actor that reads what they made.

import { createHash } from "node:crypto";
import { ShoalError, type System } from "../../runtime/mod.ts";
import { pictureSize, Reader, type Reading } from "./reader.ts";
import { Wave } from "./wave.ts";

/** The program's own flags, with their defaults. */
export const settings = {
  sims: { default: 32, about: "simulations" },
  grid: { default: 512, about: "points along each side" },
  steps: { default: 10, about: "samples of each simulation" },
  "simulate-workers": { default: 2, about: "actors that simulate" },
} as const;

const ownFlags: object = settings;

export type Settings = { readonly [K in keyof typeof settings]: number };

/** What `--json` prints. */
export interface WavesResult {
  readonly program: "waves";
  readonly sims: number;
  readonly grid: number;
  readonly samples: number;
  readonly bytes: number;
  readonly simulate: { readonly seconds: number };
  readonly read: { readonly seconds: number };
  readonly checksum: string;
}

const periodFirst = 40;
const periodLast = 80;

export default async function waves(
  system: System,
  settings: Settings,
  say: (line: string) => void,
): Promise<WavesResult> {
  for (const [flag, value] of Object.entries(settings)) {
    if (Object.hasOwn(ownFlags, flag) && value < 1) {
      throw new ShoalError("BadInput", `Cannot run waves --${flag} ${value}: expected at least 1`);
    }
  }
  const { sims, grid, steps } = settings;
  const simulations = await system.pool(Wave, { size: settings["simulate-workers"] });
  const reader = await system.spawn(Reader, undefined, { name: "reader" });
  say(`${sims} waves of ${steps} steps on a grid of ${grid} × ${grid}`);

  const began = performance.now();
  const inputs = periods(sims).map((period) => ({ period, grid, steps }));
  const fields = await simulations.map("run", inputs);
  const simulated = performance.now();

  const readings: Reading[] = [];
  for await (const reading of reader.stream("read", fields)) readings.push(reading);
  const read = performance.now();

  const samples = readings.reduce((sum, reading) => sum + reading.samples, 0);
  const bytes = readings.reduce((sum, reading) => sum + reading.bytes, 0);
  const checksum = createHash("sha256").update(readings.map((reading) => reading.digest).join()).digest("hex");
  const seconds = { simulate: (simulated - began) / 1000, read: (read - simulated) / 1000 };

  for (const line of draw(readings)) say(line);
  say(`simulated ${fields.length} waves, ${megabytes(bytes)} that never moved, in ${seconds.simulate.toFixed(2)} s`);
  say(`read      ${samples} samples by reference in ${seconds.read.toFixed(2)} s`);
  say(`checksum  ${checksum.slice(0, 16)}, the same on every runtime and store`);

  return {
    program: "waves",
    sims: fields.length,
    grid,
    samples,
    bytes,
    simulate: { seconds: seconds.simulate },
    read: { seconds: seconds.read },
    checksum,
  };
}

/** Equally spaced, the first and the last included. */
function periods(count: number): number[] {
  return Array.from({ length: count }, (_, i) => periodFirst + (periodLast - periodFirst) * i / Math.max(1, count - 1));
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
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
