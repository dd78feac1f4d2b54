// The cases of the suite `threads`: what crosses between two threads, and how it compares with what a bare loop does.

import type { Bar, Case, Contender, Parameters, Result } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";

const sumTo = (n: number): number => n * (n + 1) / 2;

function holding(reached: NonNullable<Bar["reached"]>, isEnough: (is: number) => boolean): Bar["holds"] {
  return (...results) => {
    const is = reached(...results);
    return is === undefined ? undefined : isEnough(is);
  };
}

/** Ours against one other of the same runtime. */
function against(text: string, factor: number, library: string, better: "more" | "less"): Bar {
  const reached: NonNullable<Bar["reached"]> = (own, others) => {
    const other = others.find((one) => one.library === library && one.runtime === own.runtime);
    return other === undefined ? undefined : own.median / other.median;
  };
  return { text, reached, holds: holding(reached, better === "more" ? (is) => is >= factor : (is) => is <= factor) };
}

/** Ours against the best of those that pool threads, on whatever runtime they run. */
const toBestPool: NonNullable<Bar["reached"]> = (own, others) => {
  const best = others.filter(({ library }) => isPool(library)).map(({ median }: Result) => median);
  return best.length === 0 ? undefined : own.median / Math.max(...best);
};
const bestPool: Bar = {
  text: "≥ 2 × the best of piscina, tinypool and workerpool",
  reached: toBestPool,
  holds: holding(toBestPool, (is) => is >= 2),
};

const pools = ["piscina", "tinypool", "workerpool"];
const isPool = (library: string): boolean => pools.includes(library);
const isFor = (...libraries: string[]) => ({ library }: Contender): boolean => libraries.includes(library);

function counted(count: number, check: number): (answer: Answer) => string | undefined {
  return (answer) => {
    if (answer["count"] !== count) return `counted ${answer["count"]} of ${count}`;
    if (answer["check"] !== check) return `summed ${answer["check"]}, expected ${check}`;
    return (answer["misplaced"] ?? 0) === 0 ? undefined : `${answer["misplaced"]} out of order`;
  };
}

/** Thousands a second. */
const rate = (answer: Answer): number => numberOf(answer, "count") / numberOf(answer, "seconds") / 1e3;
const micros = (answer: Answer): number => numberOf(answer, "seconds") / numberOf(answer, "count") * 1e6;

export function threadCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const build = (name: string, rest: (p: (key: string) => number) => Omit<Case, "name" | "parameters">): Case => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    return { name, parameters, ...rest((key) => numberOf(parameters, key)) };
  };
  const rated = (title: string, count: number, bars: readonly Bar[]): Omit<Case, "name" | "parameters"> => ({
    title,
    unit: "k/s",
    better: "more",
    timeoutMs: 120_000,
    value: rate,
    fault: counted(count, sumTo(count)),
    extras: {},
    bars,
  });
  const taking = (title: string, fault: Case["fault"], bars: readonly Bar[]): Omit<Case, "name" | "parameters"> => ({
    title,
    unit: "µs",
    better: "less",
    timeoutMs: 120_000,
    value: micros,
    fault,
    extras: {},
    bars,
  });
  return [
    build("tells", (p) => ({
      ...rated("messages from one thread to another, which counts and sums them", p("count"), [
        against("≥ 0.7 × a bare loop of batched messages", 0.7, "bare", "more"),
        against("≥ 20 × calls by Comlink", 20, "comlink", "more"),
      ]),
      isFor: isFor("shoal", "bare", "numbers", "comlink"),
    })),
    build("asks", (p) => ({
      ...rated(`answered questions, ${p("inFlight")} in flight`, p("count"), [
        against("≥ 0.6 × a bare echo of batched messages", 0.6, "bare", "more"),
      ]),
      isFor: isFor("shoal", "bare", "numbers", "comlink"),
    })),
    build("round-trip", (p) => ({
      ...taking("there and back, one at a time", counted(p("count"), sumTo(p("count"))), [
        against("≤ 1.3 × a bare message there and back", 1.3, "bare", "less"),
      ]),
      isFor: isFor("shoal", "bare", "comlink"),
    })),
    build("handover", (p) => ({
      ...taking(
        `${p("bytes") / 1e6} MB made known to another thread, which looks at it and answers`,
        counted(p("count"), sumTo(p("count"))),
        [against("≤ 2 × a bare message that moves the buffer", 2, "bare", "less")],
      ),
      isFor: isFor("shoal", "bare", "comlink"),
    })),
    build("tasks", (p) => ({
      ...rated(`tasks that do nothing, ${p("inFlight")} at a time over ${p("workers")} threads`, p("count"), [
        bestPool,
      ]),
      isFor: isFor("shoal", ...pools),
    })),
  ];
}
