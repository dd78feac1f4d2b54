// The tables of `shoal bench producer-consumer`, as Markdown.

import { likeness, published } from "./published.ts";
import type { Pattern, Row, Spread } from "./rows.ts";

export function tableOf(
  rows: readonly Row[],
  patterns: readonly Pattern[],
  observations: readonly string[],
  missed: readonly string[],
): string[] {
  const isBeside = rows.some((row) => besideOf(row) !== "");
  return [
    "## Simulations feed trainers",
    "",
    "Seconds, medians with least and most. Put and get are the waits of all who simulate or train, summed; in brackets",
    "the longest, and behind them GB/s: what was put, or got by all trainers together, over these waits. The label is",
    "what published tables call the size: GiB of inputs alone.",
    "",
    ...table(
      [
        "implementation",
        "nodes",
        "simulations, grid",
        "GB",
        "label",
        "launch",
        "simulation run",
        "put",
        "GB/s",
        "training run",
        "get",
        "GB/s",
        ...isBeside ? ["published: run / I/O, run / I/O"] : [],
      ],
      rows.map((row) => [
        row.way,
        String(row.nodes),
        `${row.sims}, ${row.grid}²`,
        (row.bytes / 1e9).toPrecision(3),
        row.label.toPrecision(3),
        seconds(row.launch),
        seconds(row.simulate),
        `${seconds(row.put)} [${row.putMax.median.toPrecision(2)}]`,
        number(row.putRate.median),
        seconds(row.train),
        `${seconds(row.get)} [${row.getMax.median.toPrecision(2)}]`,
        number(row.getRate.median),
        ...isBeside ? [besideOf(row)] : [],
      ]),
    ),
    "",
    "Published, on A100 nodes of Polaris (their simulations wait 5 s each, which is in their run):",
    "",
    ...table(
      ["implementation", "nodes", "simulations, grid", "simulation run / I/O", "training run / I/O"],
      published.map(({ implementation, nodes, sims, grid, simulate, simulateIo, train, trainIo }) => [
        implementation,
        String(nodes),
        `${sims}, ${grid}²`,
        `${simulate} / ${simulateIo ?? "–"}`,
        `${train} / ${trainIo ?? "–"}`,
      ]),
    ),
    ...patterns.length === 0 ? [] : [
      "",
      "## Patterns, GB/s by the size of a transfer",
      "",
      "Each is bytes over seconds, and in brackets the mean of each transfer's own rate; reading counts every number.",
      "",
      ...table(
        ["pattern", "transfer", "store", "write", "read"],
        patterns.map(({ pattern, transferBytes, way, write, read, writeMean, readMean }) => [
          pattern,
          `${(transferBytes / 1e6).toFixed(1)} MB`,
          way,
          `${rate(write)} [${writeMean.median.toPrecision(2)}]`,
          `${rate(read)} [${readMean.median.toPrecision(2)}]`,
        ]),
      ),
    ],
    "",
    "## What it shows",
    "",
    ...observations.map((sentence) => `- ${sentence}`),
    ...missed.length === 0 ? [] : ["", "Not measured:", "", ...missed.map((line) => `- ${line}`)],
  ];
}

function besideOf({ way, nodes, sims, grid }: Row): string {
  const like = published.find((each) =>
    each.implementation === likeness(way) && each.nodes === nodes && each.sims === sims && each.grid === grid
  );
  if (like === undefined) return "";
  const { implementation, simulate, simulateIo, train, trainIo } = like;
  return `${implementation}: ${simulate} / ${simulateIo ?? "–"}, ${train} / ${trainIo ?? "–"}`;
}

const number = (value: number): string => value >= 100 ? value.toFixed(0) : value.toPrecision(value < 0.01 ? 1 : 2);
const between = ({ least, most }: Spread): string => `${number(least)}–${number(most)}`;
const seconds = (spread: Spread): string => `${number(spread.median)} (${between(spread)})`;
const rate = (spread: Spread): string => `${number(spread.median)} (${between(spread)})`;

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  return [line(heads), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)];
}
