// The cases of the suite `actors`: what each is run with (workload.json), what it must answer, and the bars to clear.

import type { Bar, Case, Parameters, Result } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";

const MB = 1e6;
const sumTo = (n: number): number => n * (n + 1) / 2;

/** Millions a second. */
const rate = (answer: Answer): number => numberOf(answer, "count") / numberOf(answer, "seconds") / 1e6;

function best(results: readonly Result[]): number | undefined {
  return results.length === 0 ? undefined : Math.max(...results.map(({ median }) => median));
}

/** Our rate against the best of those peers that count. */
function against(text: string, factor: number, counts: (peer: Result) => boolean): Bar {
  return {
    text,
    holds(own, peers) {
      const other = best(peers.filter(counts));
      return other === undefined ? undefined : own.median >= factor * other;
    },
  };
}

function limit(text: string, holds: (own: Result) => boolean): Bar {
  return { text, holds };
}

const of = (...libraries: string[]) => ({ library }: Result): boolean => libraries.includes(library);

/** Compares what was answered with what the work must lead to. */
function counted(count: number, check: number): (answer: Answer) => string | undefined {
  return (answer) => {
    if (answer["count"] !== count) return `counted ${answer["count"]} of ${count}`;
    if (answer["check"] !== check) return `summed ${answer["check"]}, expected ${check}`;
    return (answer["misplaced"] ?? 0) === 0 ? undefined : `${answer["misplaced"]} out of order`;
  };
}

/** The load of the timer's case has no fixed length: all that was sent must have come. */
function timerFault(answer: Answer): string | undefined {
  const sent = numberOf(answer, "sent");
  return numberOf(answer, "ticks") > 0 && sent > 0 ? counted(sent, sumTo(sent))(answer) : "no tick, or no load";
}

/** The cases with these parameters, in the order in which they run. */
export function actorCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const parametersOf = (name: string): Parameters => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    return parameters;
  };
  const build = (name: string, rest: (p: (key: string) => number) => Omit<Case, "name" | "parameters">): Case => {
    const parameters = parametersOf(name);
    return { name, parameters, ...rest((key) => numberOf(parameters, key)) };
  };
  const rated = (title: string, fault: Case["fault"], bars: readonly Bar[]): Omit<Case, "name" | "parameters"> => ({
    title,
    unit: "M/s",
    better: "more",
    timeoutMs: 120_000,
    value: rate,
    fault,
    extras: {},
    bars,
  });
  return [
    build("ping-pong", (p) =>
      rated("round trips between two actors", counted(p("count"), sumTo(p("count"))), [
        against("≥ 1.5 × the best", 1.5, () => true),
      ])),
    build("tells", (p) =>
      rated("messages from one actor to another", counted(p("count"), sumTo(p("count"))), [
        against("ahead of all that have bounds or fairness", 1, ({ fair }) => fair),
        against("≥ 0.5 × xstate", 0.5, of("xstate")),
      ])),
    build("fan-out", (p) =>
      rated(
        `messages to ${p("actors")} actors and back, both ways counted`,
        counted(2 * p("actors") * p("rounds"), p("actors") * sumTo(p("rounds"))),
        [against("≥ 2 × the best", 2, () => true)],
      )),
    build("asks", (p) =>
      rated(
        `answered questions, ${p("inFlight")} in flight, a deadline each`,
        counted(p("count"), sumTo(p("count"))),
        [against("ahead of Pekko", 1, of("pekko")), against("≥ 2 × Erlang", 2, of("erlang"))],
      )),
    build("timer", (p) => ({
      title: `99th percentile of the lateness of a ${p("periodMs")} ms timer under a flood of tells`,
      unit: "ms",
      better: "less",
      timeoutMs: 60_000,
      warmUp: { durationMs: Math.min(500, p("durationMs")) },
      value: (answer) => numberOf(answer, "p99Ms"),
      fault: timerFault,
      extras: { worstMs: (answer) => numberOf(answer, "worstMs"), tellsMillionsASecond: rate },
      bars: [limit("≤ 2 ms", ({ median }) => median <= 2)],
    })),
    build("restarts", (p) => ({
      // After the nth crash, life n + 1 answers: any other sum means a crash without a restart, or one too many.
      ...rated(
        "crashes and restarts of one actor, each confirmed by the new life",
        (answer) => counted(p("count"), sumTo(p("count")) + p("count"))(answer),
        [],
      ),
      unit: "k/s",
      value: (answer) => rate(answer) * 1e3,
      extras: { grownMB: (answer) => numberOf(answer, "bytes") / MB },
      bars: [
        limit("≥ 40 k/s", ({ median }) => median >= 40),
        limit("no leak: the live memory grows by less than 1 MB", ({ extras }) => (extras["grownMB"]?.median ?? 0) < 1),
      ],
    })),
    build("spawns", (p) => ({
      title: "seconds until a million actors are spawned, at the rate of those that were",
      unit: "s",
      better: "less",
      timeoutMs: 180_000,
      warmUp: { count: Math.min(100_000, p("count")) },
      value: (answer) => numberOf(answer, "seconds") * 1e6 / p("count"),
      fault: counted(p("count"), sumTo(p("count"))),
      extras: {},
      bars: [limit("a million in ≤ 1.5 s", ({ median }) => median <= 1.5)],
    })),
    build("idle", (p) => ({
      title: "live bytes for each idle actor, with what the program holds of it",
      unit: "bytes",
      better: "less",
      timeoutMs: 180_000,
      warmUp: { count: Math.min(10_000, p("count")) },
      value: (answer) => numberOf(answer, "bytesEach"),
      fault: counted(p("count"), sumTo(p("count"))),
      extras: {},
      bars: [limit("≤ 300 bytes", ({ median }) => median <= 300)],
    })),
    build("backlog", (p) => ({
      title: `growth of resident memory, ${p("count")} tells to a receiver that takes ${p("workMicros")} µs each`,
      unit: "MB",
      better: "less",
      timeoutMs: 180_000,
      fresh: true,
      warmUp: { count: Math.min(10_000, p("count")) },
      value: (answer) => numberOf(answer, "grownBytes") / MB,
      fault: counted(p("count"), sumTo(p("count"))),
      extras: { seconds: (answer) => numberOf(answer, "seconds") },
      bars: [limit("≤ 50 MB, none lost, in order", ({ max }) => max <= 50)],
    })),
  ];
}
