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
