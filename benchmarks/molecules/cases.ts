// The cases of the suite `molecules`: what a campaign costs beside the simulations that it runs.

import type { Bar, Case, Parameters, Result } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";

const programMsMax = 3;
const shellPartMin = 0.93;
const busyPartMin = 0.9;
const roundSecondsMax = 2;
const betweenMsMax = { process: 2, store: 10 } as const;

const limitOf = (own: Result, peers: readonly Result[]): Result | undefined =>
  peers.find(({ isLimit, runtime }) => isLimit && runtime === own.runtime);

/** The cases with these parameters, in the order in which they run. */
export function moleculeCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const build = (
    name: string,
    rest: Pick<Case, "title" | "unit" | "better" | "value" | "extras" | "bars" | "rounds">,
  ): Case => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    const count = numberOf(parameters, "count");
    return {
      name,
      parameters,
      timeoutMs: 600_000,
      fault: (answer) => answer["count"] === count ? undefined : `${answer["count"]} of ${count} ended well`,
      isOf: (own, limit) => own.runtime === limit.runtime,
      ...rest,
    };
  };
  const slots = numberOf(workload["xtb"] ?? {}, "slots");
  const each = (what: string) => (answer: Answer): number => numberOf(answer, what) / numberOf(answer, "count") * 1e3;
  const below = (ms: number, library: string): Bar => ({
    text: `at most ${ms} ms`,
    isFor: (own) => (own.library === "process") === (library === "process"),
    holds: ({ median }) => median <= ms,
  });
  return [
    build("programs", {
      title: "programs that do nothing, over two slots: time until the next",
      unit: "ms",
      better: "less",
      value: each("seconds"),
      extras: { "own CPU ms": each("cpuSeconds") },
      bars: [{
        text: `at most ${programMsMax} ms more than programs that are started by hand`,
        holds(own, peers) {
          const limit = limitOf(own, peers);
          return limit === undefined ? undefined : own.median - limit.median <= programMsMax;
        },
      }],
    }),
    build("between", {
      title: "from the end of a simulation to the start of the next, as the run recorded them; medians",
      unit: "ms",
      better: "less",
      value: (answer) => numberOf(answer, "medianMs"),
      extras: {
        "p90 ms": (answer) => numberOf(answer, "p90Ms"),
        "worst ms": (answer) => numberOf(answer, "worstMs"),
      },
      bars: [below(betweenMsMax.process, "process"), below(betweenMsMax.store, "store")],
    }),
    build("xtb", {
      title: "ionization energies by Open Babel and xtb, over two slots",
      unit: "molecules/s",
      better: "more",
      rounds: 3,
      value: (answer) => numberOf(answer, "count") / numberOf(answer, "seconds"),
      extras: { "cores busy": (answer) => numberOf(answer, "programSeconds") / numberOf(answer, "seconds") },
      bars: [
        {
          text: `at least ${shellPartMin} × the loop in the shell`,
          holds(own, peers) {
            const limit = limitOf(own, peers);
            return limit === undefined ? undefined : own.median >= shellPartMin * limit.median;
          },
        },
        {
          text: `programs keep ${busyPartMin * slots} cores busy`,
          holds: (own) => (own.extras["cores busy"]?.median ?? 0) >= busyPartMin * slots,
        },
      ],
    }),
    build("neighbours", {
      title: "one round of inference by k nearest neighbours over 130,000 molecules, against 200",
      unit: "s",
      better: "less",
      value: (answer) => numberOf(answer, "seconds"),
      extras: { "CPU s": (answer) => numberOf(answer, "cpuSeconds") },
      bars: [{ text: `at most ${roundSecondsMax} s`, holds: ({ median }) => median <= roundSecondsMax }],
    }),
  ];
}
