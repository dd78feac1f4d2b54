// Many schedules, one by one: which seeds make which plans, what the first failure is, and how it is told.

import { rules } from "../../runtime/delivery/rules.ts";
import type { Rules } from "../../runtime/delivery/state.ts";
import { fc } from "../suite.ts";
import { Violation } from "./laws.ts";
import { type Kind, type Op, planOf, plans } from "./plan.ts";
import { runPlan, type WorldOptions } from "./world.ts";

export interface Schedules {
  readonly seed: number;
  readonly count: number;
  readonly length: number;
  readonly rules?: Rules;
  readonly limits?: WorldOptions["limits"];
  readonly nodes?: number;
  readonly without?: readonly Kind[];
  readonly counts?: Map<string, number>;
}

export interface Failure {
  readonly index: number;
  readonly plan: readonly Op[];
  readonly options: WorldOptions;
  readonly violation: Violation;
}

/** Two or three nodes by turns; in every fourth schedule one of them does not come back. */
function optionsOf(index: number, { rules: given, limits, nodes, counts }: Schedules): WorldOptions {
  const size = nodes ?? 2 + (index % 2);
  return {
    nodes: size,
    rules: given ?? rules,
    ...(limits === undefined ? {} : { limits }),
    ...(counts === undefined ? {} : { counts }),
    ...(index % 4 === 3 ? { gone: (index >> 2) % size } : {}),
  };
}

/** The violation that a plan leads to, if any; what is no violation is a fault of the test. */
export function violationOf(plan: readonly Op[], options: WorldOptions): Violation | undefined {
  try {
    runPlan(plan, options);
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  }
}

/** Runs schedules until one breaks a law, of those that are asked about. */
export function firstFailure(schedules: Schedules, laws?: readonly string[]): Failure | undefined {
  for (let index = 0; index < schedules.count; index++) {
    const plan = planOf(schedules.seed + index, schedules.length, schedules.without);
    const options = optionsOf(index, schedules);
    const violation = violationOf(plan, options);
    if (violation === undefined || (laws !== undefined && !laws.includes(violation.law))) continue;
    return { index, plan, options, violation };
  }
  return undefined;
}

/** The smallest plan that fast-check finds to break the same law. */
export function shrunk({ plan, options, violation }: Failure): readonly Op[] {
  const breaks = (ops: readonly Op[]): boolean => violationOf(ops, options)?.law === violation.law;
  const result = fc.check(fc.property(plans(fc, plan.length), (ops) => !breaks(ops)), {
    numRuns: 1,
    examples: [[[...plan]]],
    seed: 1,
  });
  return result.counterexample?.[0] ?? plan;
}

/** What happened, operation by operation, as a table that a person can follow. */
export function table(plan: readonly Op[], options: WorldOptions): string {
  const rows: string[] = [];
  let operation = "";
  const violation = violationOf(plan, {
    ...options,
    trace: (line) => {
      rows.push(`${operation.padEnd(18)}│ ${line}`);
      operation = "";
    },
    onStep: (op) => operation = op === undefined ? "drain" : op.join(" "),
  });
  return [`${"operation".padEnd(18)}│ what happened`, ...rows, `${"".padEnd(18)}│ ${violation?.message ?? "holds"}`]
    .join("\n");
}

/** Throws the first failure of the shipped core, shrunk and told. */
export function demand(schedules: Schedules): void {
  const failure = firstFailure(schedules);
  if (failure === undefined) return;
  const plan = shrunk(failure);
  const lines = table(plan, failure.options).split("\n");
  const shown = lines.length > 120 ? [...lines.slice(0, 60), "…", ...lines.slice(-60)] : lines;
  throw new Error(
    [
      `Schedule ${failure.index} of seed ${schedules.seed} breaks ${failure.violation.message}`,
      `shrunk from ${failure.plan.length} to ${plan.length} operations: ${JSON.stringify(plan)}`,
      ...shown,
    ].join("\n"),
  );
}
