// Many schedules, one by one: which seeds make which plans, what the first failure is, and how it is told.

import { rules } from "../../runtime/delivery/rules.ts";
import type { Rules } from "../../runtime/delivery/state.ts";
import { fc } from "../suite.ts";
import type { Violation } from "./laws/law.ts";
import { type Kind, type Op, planOf, plans, type Weights } from "./plan.ts";
import { violationOf, type Way } from "./ways.ts";
import type { WorldOptions } from "./options.ts";

/** What each schedule's world is like, where it is not as usual. */
export type Ways = Partial<
  Pick<WorldOptions, "driver" | "store" | "limits" | "survives" | "asked" | "advance" | "counts">
>;

export interface Schedules extends Ways {
  readonly seed: number;
  readonly count: number;
  readonly length: number;
  readonly rules?: Rules;
  readonly nodes?: number;
  readonly without?: readonly Kind[];
  /** How often each kind of operation comes, where it is not as usual. */
  readonly weights?: Weights;
  readonly way?: Way | undefined;
}

export interface Failure {
  readonly index: number;
  readonly plan: readonly Op[];
  readonly options: WorldOptions;
  readonly violation: Violation;
  readonly way: Way | undefined;
}

/** Two or three nodes by turns; in every fourth schedule one of them does not come back. */
function optionsOf(index: number, schedules: Schedules): WorldOptions {
  const {
    seed: _seed,
    count: _count,
    length: _length,
    without: _without,
    weights: _weights,
    rules: given,
    nodes,
    way: _way,
    ...ways
  } = schedules;
  const size = nodes ?? 2 + (index % 2);
  const gone = index % 4 === 3 ? { gone: (index >> 2) % size } : {};
  return { ...ways, ...gone, nodes: size, rules: given ?? rules };
}

/** Runs schedules until one breaks a law, of those that are asked about. */
export function firstFailure(schedules: Schedules, laws?: readonly string[]): Failure | undefined {
  for (let index = 0; index < schedules.count; index++) {
    const plan = planOf(schedules.seed + index, schedules.length, schedules.without, schedules.weights);
    const options = optionsOf(index, schedules);
    const violation = violationOf(plan, options, schedules.way);
    if (violation === undefined || (laws !== undefined && !laws.includes(violation.law))) continue;
    return { index, plan, options, violation, way: schedules.way };
  }
  return undefined;
}

/** The smallest plan that fast-check finds to break the same law. */
export function shrunk({ plan, options, violation, way }: Failure): readonly Op[] {
  const breaks = (ops: readonly Op[]): boolean => violationOf(ops, options, way)?.law === violation.law;
  const result = fc.check(fc.property(plans(fc, plan.length), (ops) => !breaks(ops)), {
    numRuns: 1,
    examples: [[[...plan]]],
    seed: 1,
  });
  return result.counterexample?.[0] ?? plan;
}

/** What happened, operation by operation, as a table that a person can follow. */
export function table(plan: readonly Op[], options: WorldOptions, way?: Way): string {
  const rows: string[] = [];
  let operation = "";
  const violation = violationOf(plan, {
    ...options,
    trace: (line) => {
      rows.push(`${operation.padEnd(18)}│ ${line}`);
      operation = "";
    },
    onStep: (op) => operation = op === undefined ? "drain" : op.join(" "),
  }, way);
  return [`${"operation".padEnd(18)}│ what happened`, ...rows, `${"".padEnd(18)}│ ${violation?.message ?? "holds"}`]
    .join("\n");
}

/** Throws the first failure of the shipped core, shrunk and told. */
export function demand(schedules: Schedules): void {
  const failure = firstFailure(schedules);
  if (failure === undefined) return;
  const plan = shrunk(failure);
  const lines = table(plan, failure.options, failure.way).split("\n");
  const shown = lines.length > 120 ? [...lines.slice(0, 60), "…", ...lines.slice(-60)] : lines;
  throw new Error(
    [
      `Schedule ${failure.index} of seed ${schedules.seed} breaks ${failure.violation.message}`,
      `shrunk from ${failure.plan.length} to ${plan.length} operations: ${JSON.stringify(plan)}`,
      ...shown,
    ].join("\n"),
  );
}
