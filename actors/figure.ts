// The figure of a campaign: the best value so far, against the simulations and against time. One SVG, no library.

import type { Success } from "./controller.ts";

const width = 900;
const height = 320;
const margin = { left: 60, right: 20, top: 30, bottom: 45 };

interface Panel {
  readonly left: number;
  readonly width: number;
  readonly title: string;
  readonly at: (success: Success, index: number) => number;
}

/** Each simulation is a dot, lighter where chance chose it; the line is the best so far. `unit` names the values. */
export function bestFigure(simulated: readonly Success[], unit: string): string {
  const ended = [...simulated].sort((one, other) => one.receivedAt - other.receivedAt);
  const began = ended[0]?.receivedAt ?? 0;
  const panels: Panel[] = [
    { left: 0, width: width / 2, title: "simulations", at: (_, index) => index + 1 },
    { left: width / 2, width: width / 2, title: "seconds", at: ({ receivedAt }) => (receivedAt - began) / 1000 },
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...panels.flatMap((panel) => drawn(panel, ended, unit)),
    "</svg>",
    "",
  ].join("\n");
}

function drawn({ left, width, title, at }: Panel, ended: readonly Success[], unit: string): string[] {
  const values = ended.map(({ value }) => value);
  const places = ended.map(at);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const end = Math.max(...places, 1e-9);
  const x = (place: number): number => left + margin.left + place / end * (width - margin.left - margin.right);
  const y = (value: number): number =>
    height - margin.bottom - (value - low) / (high - low || 1) * (height - margin.top - margin.bottom);
  let best = -Infinity;
  const steps = ended.map(({ value }, index) => {
    const before = best;
    best = Math.max(best, value);
    const here = x(places[index]!).toFixed(1);
    return index === 0 ? `M${here} ${y(best).toFixed(1)}` : `L${here} ${y(before).toFixed(1)}V${y(best).toFixed(1)}`;
  });
  const text = (at: number, to: number, words: string, anchor: string): string =>
    `<text x="${at.toFixed(1)}" y="${to.toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
  return [
    ...ended.map(({ value, basis }, index) =>
      `<circle cx="${x(places[index]!).toFixed(1)}" cy="${y(value).toFixed(1)}" r="2.5" fill="${
        basis === 0 ? "#bbb" : "#2a6fb0"
      }"/>`
    ),
    `<path d="${steps.join("")}" fill="none" stroke="#c0392b" stroke-width="1.5"/>`,
    `<path d="M${x(0)} ${y(high)}V${y(low)}H${x(end)}" fill="none" stroke="black"/>`,
    text(x(0) - 6, y(low), low.toFixed(2), "end"),
    text(x(0) - 6, y(high) + 4, high.toFixed(2), "end"),
    text(x(0), y(high) - 10, `best so far, ${unit}`, "start"),
    text(x(0), height - margin.bottom + 18, "0", "middle"),
    text(x(end), height - margin.bottom + 18, end.toFixed(end < 10 ? 1 : 0), "middle"),
    text((x(0) + x(end)) / 2, height - 10, title, "middle"),
  ];
}

/** A field's values, row by row. */
interface Square {
  readonly grid: number;
  readonly values: ArrayLike<number>;
}

interface Foretold {
  readonly error: readonly number[];
  readonly unchanged: readonly number[];
}

const cellsShownMax = 48;

/** A field as it became, as it was foretold, and the difference; beside them the error by steps. */
export function forecastFigure(
  { error, unchanged }: Foretold,
  { grid, truth, predicted }: { grid: number; truth: Float64Array; predicted: Float32Array },
): string {
  const side = 190;
  const squares: readonly (readonly [string, ArrayLike<number>])[] = [
    ["truth", truth],
    ["predicted", predicted],
    ["difference", Float64Array.from(truth, (value, at) => predicted[at]! - value)],
  ];
  const most = truth.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
  const left = margin.left + squares.length * (side + 15);
  const right = width * 1.2 - margin.right;
  const high = Math.max(...error, ...unchanged);
  const low = height - margin.bottom;
  const x = (step: number): number => left + step / Math.max(1, error.length) * (right - left);
  const y = (value: number): number => low - value / (high || 1) * (low - margin.top - 20);
  const line = (values: readonly number[], colour: string): string =>
    `<path d="${
      [0, ...values].map((value, step) => `${step === 0 ? "M" : "L"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join(
        "",
      )
    }" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${
      width * 1.2
    } ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width * 1.2}" height="${height}" fill="white"/>`,
    ...squares.flatMap(([title, values], index) => {
      const at = margin.left + index * (side + 15);
      return [
        word(at + side / 2, margin.top + 10, title),
        ...square({ grid, values }, at, margin.top + 20, side, most),
      ];
    }),
    line(unchanged, "#999"),
    line(error, "#c0392b"),
    `<path d="M${left} ${margin.top + 20}V${low}H${right}" fill="none" stroke="black"/>`,
    word((left + right) / 2, margin.top + 10, "relative error: predicted (red), nothing changes (grey)"),
    word(left - 6, margin.top + 24, high.toPrecision(2), "end"),
    word(right, low + 18, String(error.length), "end"),
    word((left + right) / 2, low + 18, "steps"),
    "</svg>",
    "",
  ].join("\n");
}

const word = (x: number, y: number, text: string, anchor: string = "middle"): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${text}</text>`;

/** Blue below zero, red above; of a fine grid some points. */
function square({ grid, values }: Square, left: number, top: number, side: number, most: number): string[] {
  const cells = Math.min(grid, cellsShownMax);
  const size = side / cells;
  return Array.from({ length: cells * cells }, (_, at) => {
    const [row, column] = [Math.floor(at / cells), at % cells];
    const value = values[Math.floor(row * grid / cells) * grid + Math.floor(column * grid / cells)]!;
    const part = Math.max(-1, Math.min(1, value / most));
    const pale = Math.round(255 * (1 - Math.abs(part)));
    const colour = part < 0 ? `rgb(${pale},${pale},255)` : `rgb(255,${pale},${pale})`;
    return `<rect x="${(left + column * size).toFixed(1)}" y="${(top + row * size).toFixed(1)}" width="${
      (size + 0.1).toFixed(2)
    }" height="${(size + 0.1).toFixed(2)}" fill="${colour}"/>`;
  });
}
