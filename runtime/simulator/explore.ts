// Many runs of a program under many seeds; and of the first that fails, the smallest set of faults that still fails it.

import { type Fault, faultKinds } from "./faults.ts";
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
  const counts = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<Fault["kind"], number>;
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
