// Many runs of a program under many seeds; and of the first that fails, the smallest set of faults that still fails it.

import type { Fault } from "./faults.ts";
import { simulate, type Simulated, type SimulateOptions, type Simulation } from "./simulate.ts";

export interface ExploreOptions extends Omit<SimulateOptions, "seed"> {
  /** The first seed; the others follow it. */
  readonly seed?: number;
  readonly runs: number;
  /** Whether a run was as it should be; without it, any that ended with a value was. */
  readonly isRight?: (simulation: Simulation<unknown>) => boolean;
}

export interface Exploration {
  readonly runs: number;
  /** How often each kind of fault happened: one that never did has proven nothing. */
  readonly faults: Readonly<Record<Fault["kind"], number>>;
  /** The run that failed, made small; nothing where none did. */
  readonly failure: Simulation<unknown> | undefined;
}

/** Looks for a seed under which a program goes wrong. */
export async function explore(program: Simulated<unknown>, options: ExploreOptions): Promise<Exploration> {
  const { seed: first = 1, runs, isRight = ({ outcome }) => outcome === "done", ...rest } = options;
  const counts = { crash: 0, unavailable: 0, full: 0, slow: 0 };
  for (let run = 0; run < runs; run++) {
    const simulation = await simulate(program, { ...rest, seed: first + run });
    for (const { kind } of simulation.faults) counts[kind]++;
    if (isRight(simulation)) continue;
    const failure = await shrink(program, rest, simulation, isRight);
    return { runs: run + 1, faults: counts, failure };
  }
  return { runs, faults: counts, failure: undefined };
}

/** Leaves out halves, quarters, … of the faults, as long as what is left still fails. */
async function shrink(
  program: Simulated<unknown>,
  options: Omit<SimulateOptions, "seed">,
  failed: Simulation<unknown>,
  isRight: (simulation: Simulation<unknown>) => boolean,
): Promise<Simulation<unknown>> {
  const { seed } = failed;
  const attempt = async (faults: readonly Fault[]): Promise<Simulation<unknown> | undefined> => {
    const again = await simulate(program, { ...options, seed, faults });
    return isRight(again) ? undefined : again;
  };
  let best = await attempt(failed.faults) ?? failed;
  for (let size = Math.ceil(best.faults.length / 2); size >= 1;) {
    let smaller: Simulation<unknown> | undefined;
    for (let from = 0; from < best.faults.length && smaller === undefined; from += size) {
      smaller = await attempt([...best.faults.slice(0, from), ...best.faults.slice(from + size)]);
    }
    if (smaller !== undefined) best = smaller;
    else if (size === 1) break;
    else size = Math.ceil(size / 2);
    size = Math.min(size, best.faults.length);
  }
  return best;
}

/** Runs a recorded run again, and stops where it goes another way. The record must hold all that happened. */
export function replay<T>(
  program: Simulated<T>,
  recorded: Simulation<T>,
  options: Omit<SimulateOptions, "seed" | "faults" | "expected"> = {},
): Promise<Simulation<T>> {
  const { seed, faults, happenings } = recorded;
  if (happenings[0] !== undefined && happenings[0].step > 0) {
    throw new RangeError(
      `Cannot replay: the record begins at step ${happenings[0].step}; keep more with happeningsMax`,
    );
  }
  return simulate(program, { ...options, seed, faults, expected: happenings });
}

/** What happened, as a table for people: the last steps of a run, and how it went. */
export function table(simulation: Simulation<unknown>): string {
  const { seed, outcome, error, happenings, faults, foreign, difference } = simulation;
  const rows = happenings.map(({ step, timeMs, who, what }) => [String(step), `${timeMs.toFixed(0)} ms`, who, what]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  const lines = rows.map(([step, time, who, what]) =>
    `${step!.padStart(widths[0]!)}  ${time!.padStart(widths[1]!)}  ${who!.padEnd(widths[2]!)}  ${what}`
  );
  const why = error === undefined ? "" : `: ${error instanceof Error ? error.message : String(error)}`;
  lines.push(`seed ${seed} ${outcome}${why}`, `faults ${JSON.stringify(faults)}`);
  if (difference !== undefined) {
    const { expected, happened } = difference;
    const shown = (what: typeof expected): string =>
      what === undefined ? "nothing" : `${what.who} ${what.what} at step ${what.step}`;
    lines.push(`expected ${shown(expected)}, and there was ${shown(happened)}`);
  }
  if (foreign !== undefined) {
    lines.push(`${foreign.actor ?? "the program"} used ${foreign.what}: take this.now() and this.random instead`);
  }
  return lines.join("\n");
}
