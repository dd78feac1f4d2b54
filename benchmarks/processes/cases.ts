// The cases of the suite `processes`: how long several processes take to be one system, and what lies in one of them to
// be at hand in another.

import type { Case, Parameters } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";

export function processCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const build = (
    name: string,
    title: string,
    rounds: number,
    unit: "s" | "ms",
    most: number,
    value: (answer: Answer) => number,
  ): Case => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    const count = numberOf(parameters, "count");
    return {
      name,
      title,
      parameters,
      rounds,
      unit,
      better: "less",
      timeoutMs: 600_000,
      value,
      fault: (answer) => answer["count"] === count ? undefined : `${answer["count"]} of ${count}`,
      extras: {},
      bars: [{ text: `at most ${most} ${unit}`, holds: ({ median }) => median <= most }],
    };
  };
  const seconds = (answer: Answer): number => numberOf(answer, "seconds");
  const each = (answer: Answer): number => numberOf(answer, "seconds") / numberOf(answer, "count") * 1e3;
  const { count: nodes } = workload["join"] ?? {};
  return [
    build("join", `${nodes} processes of one host, from the first start until all have joined`, 3, "s", 20, seconds),
    build("ready", "actors spawned in two processes, until each has answered", 5, "s", 1, seconds),
    build(
      "tensor",
      "100 MB put into shm:, asked about in another process and opened there, one at a time; the median of a round",
      3,
      "ms",
      2,
      (answer) => numberOf(answer, "medianMs"),
    ),
    build("find", "actors of four processes, found by their names one at a time", 1, "ms", 1, each),
  ];
}
