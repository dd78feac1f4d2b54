// The cases of the suite `records`: what the run directory costs, as a part of the same work without one.

import type { Bar, Case, Parameters, Result } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";

const rate = (answer: Answer): number => numberOf(answer, "count") / numberOf(answer, "seconds");
const partMin = 0.97;

const part: NonNullable<Bar["reached"]> = (own, peers) => {
  const limit = peers.find(({ isLimit, runtime }) => isLimit && runtime === own.runtime);
  return limit === undefined ? undefined : own.median / limit.median;
};
const bar: Bar = {
  text: `at least ${partMin} × of the same work that is not recorded`,
  reached: part,
  holds(...results) {
    const is = part(...results);
    return is === undefined ? undefined : is >= partMin;
  },
};

/** The cases with these parameters, in the order in which they run. */
export function recordCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const build = (
    name: string,
    title: string,
    bars: readonly Bar[],
    records: (answer: Answer, of: Parameters) => number,
  ): Case => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    const count = numberOf(parameters, "count");
    return {
      name,
      title,
      unit: "tasks/s",
      better: "more",
      parameters,
      warmUp: { count: Math.ceil(count / 10) },
      timeoutMs: 120_000,
      value: rate,
      fault(answer) {
        if (answer["count"] !== count) return `counted ${answer["count"]} of ${count}`;
        const sum = count * (count - 1) / 2;
        return answer["check"] === sum ? undefined : `summed ${answer["check"]}, expected ${sum}`;
      },
      extras: {
        "records/s": (answer) => records(answer, parameters),
        "CPU µs/task": (answer) => numberOf(answer, "cpuSeconds") / numberOf(answer, "count") * 1e6,
      },
      bars,
      isOf: (own: Result, limit: Result) => own.runtime === limit.runtime,
    };
  };
  return [
    build(
      "records",
      "tasks of 1 ms that say 10 lines each",
      [bar],
      (answer, of) => rate(answer) * numberOf(of, "lines"),
    ),
    // No bar: an answer is on the disk before it is handed on, which costs what it costs, once a task.
    build("tasks", "tasks of 1 ms whose answers are recorded by name", [], (answer) => rate(answer) * 2),
  ];
}
