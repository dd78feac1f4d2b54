// The cases of the suite `topics`: what is published in one thread and read in another, and what durable actors commit.

import type { Bar, Case, Parameters } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";

const sumTo = (n: number): number => n * (n + 1) / 2;

function fault(count: number): (answer: Answer) => string | undefined {
  return (answer) => {
    if (answer["count"] !== count) return `counted ${answer["count"]} of ${count}`;
    if (answer["check"] !== sumTo(count)) return `summed ${answer["check"]}, expected ${sumTo(count)}`;
    return (answer["misplaced"] ?? 0) === 0 ? undefined : `${answer["misplaced"]} out of order`;
  };
}

/** Where nothing waits for the disk. */
const committed: Bar = {
  text: "≥ 50 k/s where nothing waits for a disk",
  isFor: ({ library }) => library.startsWith("redis") || library.includes("fsync=never"),
  holds: ({ median }) => median >= 50,
};

export function topicCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const build = (name: string, title: string, bars: readonly Bar[], isOfLogs: boolean): Case => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    return {
      name,
      title,
      parameters,
      unit: "k/s",
      better: "more",
      timeoutMs: 120_000,
      value: (answer) => numberOf(answer, "count") / numberOf(answer, "seconds") / 1e3,
      fault: fault(numberOf(parameters, "count")),
      extras: {},
      bars,
      isFor: ({ isLimit }) => isOfLogs || isLimit !== true,
      isOf: (own, limit) => own.runtime === limit.runtime && own.library === limit.library,
    };
  };
  return [
    build("topic", "entries published in one thread and read in another as they come", [], true),
    build("late", "entries read from the start, all of them published before", [], true),
    build("durable", "messages that a durable actor has committed and answered, 1,024 in flight", [committed], false),
    build("durable-tells", "tells that a durable actor has committed", [committed], false),
  ];
}
