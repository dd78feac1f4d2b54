// What was measured, as text for people: a table a case, our ratio to the best of the others, and the bars.

import type { Case, Result, Spread } from "./case.ts";
import { type Outcome, spread } from "./rounds.ts";

const figure = (value: number): string =>
  Number.isFinite(value) ? value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2) : "–";

const range = ({ min, max }: Spread): string => `${figure(min)} – ${figure(max)}`;

/** Above 1 is better, also where less is better: then the other's figure is divided by this one. */
export function ratio(of: Case, own: Spread, other: Spread): number {
  return of.better === "more" ? own.median / other.median : other.median / own.median;
}

function fromBest(of: Case, results: readonly Result[]): Result[] {
  return [...results].sort((a, b) => of.better === "more" ? b.median - a.median : a.median - b.median);
}

/** The best of those that are not ours. */
export function bestPeer(of: Case, results: readonly Result[]): Result | undefined {
  return fromBest(of, results.filter(({ own, isLimit }) => !own && !isLimit))[0];
}

function rows(lines: readonly (readonly string[])[]): string[] {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    `  ${line.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join("  ")}`
      .trimEnd()
  );
}

/** The lines of one case. */
export function caseLines(of: Case, outcome: Outcome): string[] {
  const peer = bestPeer(of, outcome.results);
  const extras = Object.keys(of.extras);
  const lines = rows([
    ["", of.unit, "min – max", "÷ best peer", ...extras, "disturbed"],
    ...fromBest(of, outcome.results).map((result) => [
      result.contender,
      figure(result.median),
      range(result),
      result.own && peer !== undefined ? figure(ratio(of, result, peer)) : "",
      ...extras.map((name) => figure(result.extras[name]?.median ?? NaN)),
      marks(result),
    ]),
  ]);
  return [
    `${of.name}: ${of.title} (${of.better} is better)`,
    ...lines,
    ...outcome.notRun.map(({ contender, reason }) => `  not run: ${contender}: ${reason}`),
    ...limitLines(of, outcome.results),
    ...barLines(of, outcome.results),
    "",
  ];
}

/** How many rounds others on the machine disturbed. */
function marks({ rounds }: Result): string {
  const disturbed = rounds.filter((round) => round.disturbed).length;
  return disturbed === 0 ? "" : `${disturbed} of ${rounds.length}`;
}

/** Ours as parts of what the machine can do, round by round: what disturbs one round disturbs both. */
function limitLines(of: Case, results: readonly Result[]): string[] {
  const limits = results.filter(({ isLimit }) => isLimit);
  return results.filter(({ own }) => own).flatMap((result) =>
    limits.filter((limit) => limit.runtime === result.runtime && (of.isOf?.(result, limit) ?? true)).map((limit) => {
      const ratios = result.rounds.map(({ value }, index) => {
        const other = limit.rounds[index]?.value ?? NaN;
        return of.better === "more" ? value / other : other / value;
      });
      const { median, ...between } = spread(ratios.filter((each) => Number.isFinite(each)));
      return `  ${result.contender} ÷ ${limit.contender}: ${figure(median)} (${range({ median, ...between })})`;
    })
  );
}

function barLines(of: Case, results: readonly Result[]): string[] {
  const peers = results.filter(({ own }) => !own);
  const ours = results.filter(({ own }) => own);
  return results.filter(({ own }) => own).flatMap((result) =>
    of.bars.filter((bar) => bar.isFor?.(result) ?? true).map((bar) => {
      const holds = bar.holds(result, peers, ours);
      const verdict = holds === undefined ? "open" : holds ? "pass" : "MISS";
      const reached = bar.reached?.(result, peers, ours);
      const stands = reached === undefined ? "" : `: ${figure(reached)}`;
      return `  ${verdict}  ${result.contender}: ${bar.text}${stands}`;
    })
  );
}
