// The rows of the table: what several rounds of one configuration came to, and what can be said of some of them beside
// others without a doubt.

import type { WavesResult } from "./result.ts";

/** The middle of some rounds, with the least and the most. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export interface Row {
  /** The store's scheme, or `inline`. */
  readonly way: string;
  readonly nodes: number;
  readonly sims: number;
  readonly grid: number;
  readonly samples: number;
  readonly bytes: number;
  readonly label: number;
  readonly launch: Spread;
  readonly simulate: Spread;
  /** Seconds of all who simulate. */
  readonly put: Spread;
  readonly putMax: Spread;
  readonly train: Spread;
  /** Seconds of all who train. */
  readonly get: Spread;
  readonly getMax: Spread;
  /** GB/s: all samples over the seconds of all who put them; what each trainer got over the seconds that all waited. */
  readonly putRate: Spread;
  readonly getRate: Spread;
  /** From the first simulation to the last training. */
  readonly total: Spread;
  readonly io: Spread;
  readonly backend: string;
  readonly rounds: number;
}

export interface Pattern {
  readonly way: string;
  readonly pattern: string;
  readonly transferBytes: number;
  /** Bytes over seconds, in GB/s. */
  readonly write: Spread;
  readonly read: Spread;
  /** The mean of each transfer's own rate. */
  readonly writeMean: Spread;
  readonly readMean: Spread;
  readonly rounds: number;
}

const bytesPerGB = 1e9;

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  const median = sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}

export function rowOf(way: string, nodes: number, rounds: readonly WavesResult[]): Row {
  const of = (value: (round: WavesResult) => number): Spread => spreadOf(rounds.map(value));
  const { sims, grid, samples, bytes, label, train } = rounds[0]!;
  return {
    way,
    nodes,
    sims,
    grid,
    samples,
    bytes,
    label,
    launch: of(({ launchSeconds }) => launchSeconds),
    simulate: of(({ simulate }) => simulate.seconds),
    put: of(({ simulate }) => simulate.put.sum),
    putMax: of(({ simulate }) => simulate.put.max),
    train: of(({ train }) => train.seconds),
    get: of(({ train }) => train.get.sum),
    getMax: of(({ train }) => train.get.max),
    putRate: of(({ bytes, simulate }) => bytes / simulate.put.sum / bytesPerGB),
    getRate: of(({ bytes, train }) => bytes * train.models.length / train.get.sum / bytesPerGB),
    total: of(({ totalSeconds }) => totalSeconds),
    io: of(({ simulate, train }) => simulate.put.sum + train.get.sum),
    backend: train.backend,
    rounds: rounds.length,
  };
}

const apart = (one: Spread, other: Spread): boolean => one.most < other.least || other.most < one.least;

interface Group {
  readonly title: string;
  readonly grid: number;
  readonly rows: readonly Row[];
}

const observationsMax = 5;

/** Sentences that the rows bear out: nothing is said of two whose spreads overlap. */
export function observations(rows: readonly Row[], patterns: readonly Pattern[]): string[] {
  const groups = groupsOf(rows);
  const said = [
    ...groups.flatMap((group) => fastest(group, "total", "from the first simulation to the last training")),
    ...groups.flatMap((group) => fastest(group, "io", "in I/O, summed over all who wait for it")),
    ...changes(groups),
    ...ofPatterns(patterns),
  ];
  const compared = groups.flatMap(({ rows }) => [...pairs(rows)]);
  const unclear = compared.filter(([one, other]) => !apart(one.io, other.io)).length;
  const undecided = compared.length === 0
    ? "There is nothing to compare: one way, one row for each size."
    : `Of ${compared.length} comparisons of I/O, ${unclear} are left open: their spreads overlap.`;
  const kept = said.slice(0, observationsMax - 1);
  return kept.length < 2 ? [...kept, undecided, countOf(rows)] : [...kept, undecided];
}

function countOf(rows: readonly Row[]): string {
  const backends = [...new Set(rows.map(({ backend }) => backend))].join(", ");
  return `Medians of ${rows[0]?.rounds ?? 0} rounds, after one that does not count; networks trained on: ${backends}.`;
}

function groupsOf(rows: readonly Row[]): Group[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.sims} simulations of ${row.grid}² on ${row.nodes} ${row.nodes === 1 ? "node" : "nodes"}`;
    groups.set(key, [...groups.get(key) ?? [], row]);
  }
  return [...groups].map(([title, own]) => ({ title, grid: own[0]!.grid, rows: own }));
}

function* pairs(rows: readonly Row[]): Generator<readonly [Row, Row]> {
  for (const [index, one] of rows.entries()) for (const other of rows.slice(index + 1)) yield [one, other];
}

const byMedian = (rows: readonly Row[], what: "total" | "io"): readonly Row[] =>
  [...rows].sort((one, other) => one[what].median - other[what].median);

function fastest({ title, rows }: Group, what: "total" | "io", words: string): string[] {
  const [best, ...others] = byMedian(rows, what);
  const beaten = others.filter((other) => best![what].most < other[what].least);
  if (best === undefined || beaten.length === 0) return [];
  const last = beaten.at(-1)!;
  const factor = last[what].median / best[what].median;
  const rest = beaten.length === others.length ? "" : `, ahead of ${beaten.map(({ way }) => way).join(", ")}`;
  return [
    `With ${title}, ${best.way} is fastest ${words}${rest}: ${shown(best[what].median)}, ` +
    `${factor.toPrecision(2)} × faster than ${last.way}.`,
  ];
}

/** Where one way is ahead of another at one size, and behind at a larger one. */
function changes(groups: readonly Group[]): string[] {
  const sorted = [...groups].sort((one, other) => one.grid - other.grid);
  for (const [index, small] of sorted.entries()) {
    for (const large of sorted.slice(index + 1)) {
      if (large.grid === small.grid) continue;
      for (const [one, other] of pairs(small.rows)) {
        const [then, there] = [one.way, other.way].map((way) => large.rows.find((row) => row.way === way));
        if (then === undefined || there === undefined) continue;
        if (!apart(one.io, other.io) || !apart(then.io, there.io)) continue;
        if ((one.io.median < other.io.median) === (then.io.median < there.io.median)) continue;
        const [ahead, behind] = one.io.median < other.io.median ? [one.way, other.way] : [other.way, one.way];
        return [
          `The order of I/O changes with size: ${ahead} is ahead of ${behind} at ${small.grid}², behind it at ${large.grid}².`,
        ];
      }
    }
  }
  return [];
}

function ofPatterns(patterns: readonly Pattern[]): string[] {
  const largest = Math.max(0, ...patterns.map(({ transferBytes }) => transferBytes));
  const large = patterns.filter(({ transferBytes }) => transferBytes === largest);
  return ["1:1", "1:many", "many:1"].flatMap((pattern) => {
    const own = large.filter((each) => each.pattern === pattern);
    const [best, next] = [...own].sort((one, other) => other.read.median - one.read.median);
    if (best === undefined || next === undefined || !apart(best.read, next.read)) return [];
    const factor = best.read.median / next.read.median;
    return [
      `${pattern} at ${(largest / 1e6).toFixed(1)} MB: ${best.way} is read fastest, ${
        best.read.median.toPrecision(2)
      } GB/s, ` +
      `${factor.toPrecision(2)} × the next, ${next.way}.`,
    ];
  });
}

const shown = (seconds: number): string =>
  seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 2 : 0)} ms` : `${seconds.toFixed(2)} s`;
