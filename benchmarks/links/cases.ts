// The cases of the suite `links`: what crosses between two processes of one host, and how it compares with what a bare
// loop over the same carrier does.

import type { Bar, Case, Parameters, Result } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";

const sumTo = (n: number): number => n * (n + 1) / 2;

/** What goes through a store's logs, and what the loops beside it go through. */
const logged = (library: string): boolean => library !== "socket" && library !== "bare socket";

/** Ours over one carrier against the bare loop over the same, on the same runtime. */
function against(library: string, text: string, factor: number, better: "more" | "less"): Bar {
  const reached: NonNullable<Bar["reached"]> = (own, others) => {
    const bare = others.find((one) => one.library === `bare ${library}` && one.runtime === own.runtime);
    return bare === undefined ? undefined : own.median / bare.median;
  };
  return {
    text: `${library}: ${text}`,
    isFor: (own) => own.library === library,
    reached,
    holds(...results) {
      const is = reached(...results);
      if (is === undefined) return undefined;
      return better === "more" ? is >= factor : is <= factor;
    },
  };
}

/** A bar on the figure itself. */
function medianOf(library: string, text: string): Omit<Bar, "holds"> {
  return {
    text: `${library}: ${text}`,
    isFor: (own) => own.library === library,
    reached: ({ median }) => median,
  };
}

function atLeast(library: string, text: string, value: number): Bar {
  return { ...medianOf(library, text), holds: (own) => own.median >= value };
}

function atMost(library: string, text: string, value: number): Bar {
  return { ...medianOf(library, text), holds: (own) => own.median <= value };
}

function counted(count: number): (answer: Answer) => string | undefined {
  return (answer) => {
    if (answer["count"] !== count) return `counted ${answer["count"]} of ${count}`;
    if (answer["check"] !== sumTo(count)) return `summed ${answer["check"]}, expected ${sumTo(count)}`;
    return (answer["misplaced"] ?? 0) === 0 ? undefined : `${answer["misplaced"]} out of order`;
  };
}

/** Thousands a second. */
const rate = (answer: Answer): number => numberOf(answer, "count") / numberOf(answer, "seconds") / 1e3;
const micros = (answer: Answer): number => numberOf(answer, "seconds") / numberOf(answer, "count") * 1e6;

export function linkCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const build = (name: string, unit: "k/s" | "µs", title: string, bars: readonly Bar[]): Case => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    const isLog = name.startsWith("log-");
    return {
      name,
      parameters,
      title,
      unit,
      better: unit === "µs" ? "less" : "more",
      timeoutMs: 180_000,
      value: unit === "µs" ? micros : rate,
      fault: counted(numberOf(parameters, "count")),
      extras: {},
      bars,
      isFor: ({ library }) => logged(library) === isLog,
      isOf: (own: Result, limit: Result) => limit.library === `bare ${own.library}`,
    };
  };
  return [
    build("tells", "k/s", "messages from one process to another, which counts and sums them", [
      against("socket", "≥ 0.6 × a bare loop of batched messages", 0.6, "more"),
      atLeast("socket", "≥ 1,000,000 a second", 1_000),
    ]),
    build("asks", "k/s", "answered questions, 1,000 in flight", [
      atLeast("socket", "≥ 150,000 a second", 150),
    ]),
    build("round-trip", "µs", "there and back, one at a time", [
      against("socket", "≤ 1.5 × a bare message there and back", 1.5, "less"),
    ]),
    build("log-tells", "k/s", "the same messages through a store's log", [
      against("redis", "≥ 0.5 × a bare loop of XADD and XREAD", 0.5, "more"),
      atLeast("file", "≥ 200,000 a second", 200),
    ]),
    build("log-asks", "k/s", "answered questions through a store's log, 1,000 in flight", []),
    build("log-round-trip", "µs", "there and back through a store's log, one at a time", [
      against("redis", "≤ 2 × a bare pair of XADD and XREAD", 2, "less"),
      against("kafka", "≤ 1.5 × a bare ping-pong by kafkajs", 1.5, "less"),
      atMost("file", "≤ two looks, 5 ms each", 10_000),
    ]),
  ];
}
