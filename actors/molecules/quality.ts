// `shoal run quality`: how well each policy finds the best molecules, over many seeds, on recorded energies. Makes the
// tables of the README. Each campaign is written down when it ends: `shoal resume` runs those that are missing.

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { System } from "../../runtime/mod.ts";
import { campaign, campaignSettings, settingsOf } from "../campaign.ts";
import { type Found, learningOf, type Policy } from "../controller.ts";
import { Ensemble, type Learnt } from "./ensemble.ts";
import { type Neighbourhood, Neighbours } from "./neighbours.ts";
import { spaceOf } from "./space.ts";
import { readTable, recordedSpace } from "./table.ts";

export const settings = {
  "seeds": { default: 20, about: "campaigns of each kind", least: 1 },
  "ensemble-seeds": {
    default: 0,
    about: "campaigns with an ensemble of networks, at β 0, 0.5 and 1: about half a minute of computing each",
    least: 0,
  },
  "infer-workers": { default: 2, about: "actors that train and predict", least: 1 },
} as const;

interface Kind {
  readonly title: string;
  readonly policy: Policy;
  readonly initial: number;
  readonly batch: number;
  readonly max: number;
  /** An ensemble of networks, which adds this much of its spread to its mean; neighbours unless said. */
  readonly beta?: number;
}

const large = { initial: 16, batch: 16, max: 208 };

const kinds: readonly Kind[] = [
  { title: "greedy k-NN", policy: "sequential", ...large },
  { title: "greedy k-NN, never waiting", policy: "continuous", ...large },
  { title: "k-NN trained once", policy: "no-retrain", ...large },
  { title: "random", policy: "random", ...large },
  { title: "default settings", policy: "sequential", initial: 8, batch: 4, max: 24 },
  { title: "tuned settings", policy: "sequential", initial: 16, batch: 64, max: 200 },
  ...[0, 0.5, 1].map((beta): Kind => ({ title: `ensemble, β ${beta}`, policy: "sequential", ...large, beta })),
];

const topFraction = 0.02;
/** As `shoal run molecules` has them. */
const ensemble = { models: 8, epochs: 512, learningRate: 0.001 };

/** One campaign: a line of `quality.jsonl` in the run directory. */
interface Campaign {
  readonly title: string;
  readonly seed: number;
  readonly bestEv: number;
  readonly found: number;
  readonly relativeErrors: readonly number[];
}

export interface QualityRow {
  readonly title: string;
  readonly counts: string;
  readonly seeds: number;
  /** Means over the seeds. */
  readonly bestEv: number;
  readonly found: number;
  readonly of: number;
  readonly relativeError: number;
  /** What it found as a share of what the first kind found, with the same seeds. */
  readonly share: number;
}

export default async function quality(
  system: System,
  { seeds, "ensemble-seeds": ensembleSeeds, "infer-workers": workers }: {
    readonly seeds: number;
    readonly "ensemble-seeds": number;
    readonly "infer-workers": number;
  },
  say: (line: string) => void,
  directory?: string,
): Promise<{ program: "quality"; seeds: number; molecules: number; rows: QualityRow[] }> {
  const { candidates, fingerprints: { infer: fingerprints }, energies = new Float64Array() } = await spaceOf(
    system,
    readTable(recordedSpace),
    workers,
    say,
  );
  const near = await system.pool(Neighbours, { size: workers, input: { fingerprints } });
  const neighbours = learningOf<Neighbourhood>((task) => near.ask("train", task), (task) => near.ask("predict", task));
  const { models, ...how } = ensemble;
  const deep = await system.pool(Ensemble, { size: workers, input: { fingerprints, ...how } });
  const networks = learningOf<Learnt>((task) => deep.ask("train", task), (task) => deep.ask("predict", task));
  const values = Object.fromEntries(Object.entries(campaignSettings).map(([name, flag]) => [name, flag.default]));
  const usual = settingsOf(values as Parameters<typeof settingsOf>[0], system.seed);
  const of = Math.max(1, Math.floor(energies.length * topFraction));
  const best = new Set([...energies.keys()].sort((one, other) => energies[other]! - energies[one]!).slice(0, of));

  const run = ({ policy, initial, batch, max, beta }: Kind, seed: number): Promise<Found> =>
    campaign(system, {
      candidates: [...candidates.keys()],
      simulate: (row) => Promise.resolve({ value: energies[row]! }),
      learn: beta === undefined ? neighbours : networks,
      settings: {
        ...usual,
        policy,
        initial,
        batch,
        max,
        seed,
        ...(beta === undefined ? { models: 1 } : { models, beta, trainSlots: workers }),
      },
    });

  const path = directory === undefined ? undefined : join(directory, "quality.jsonl");
  const done = path === undefined ? [] : campaignsIn(path);
  if (done.length > 0) say(`kept: ${done.length} campaigns; the one that was under way runs again`);
  const once = async (kind: Kind, seed: number): Promise<void> => {
    if (done.some((each) => each.title === kind.title && each.seed === seed)) return;
    const { simulated, meanRelativeError } = await run(kind, seed);
    const ended: Campaign = {
      title: kind.title,
      seed,
      bestEv: Math.max(...simulated.map(({ value }) => value)),
      found: simulated.filter(({ row }) => best.has(row)).length,
      relativeErrors: meanRelativeError,
    };
    done.push(ended);
    if (path !== undefined) appendFileSync(path, `${JSON.stringify(ended)}\n`);
    if (kind.beta !== undefined) say(`${kind.title}, seed ${seed}: found ${ended.found} of the best ${of}`);
  };
  // Seed by seed, so that a run that is stopped has as many campaigns of one kind as of the other.
  const timesOf = ({ beta }: Kind): number => beta === undefined ? seeds : ensembleSeeds;
  for (const isEnsemble of [false, true]) {
    const alike = kinds.filter(({ beta }) => (beta !== undefined) === isEnsemble);
    for (let seed = 1; seed <= timesOf(alike[0]!); seed++) for (const kind of alike) await once(kind, seed);
  }
  const rows = kinds.filter((kind) => timesOf(kind) > 0).map((kind) => rowOf(kind, done, of));
  for (const row of rows) {
    say(
      `${row.title.padEnd(27)} ${row.counts.padEnd(10)} best ${row.bestEv.toFixed(2)} eV, found ${
        row.found.toFixed(1)
      } of the best ${of}, ${row.share.toFixed(2)} of ${kinds[0]!.title} (${row.seeds} seeds)`,
    );
  }
  return { program: "quality", seeds, molecules: candidates.length, rows };
}

function rowOf({ title, initial, batch, max }: Kind, done: readonly Campaign[], of: number): QualityRow {
  const own = done.filter((each) => each.title === title);
  const others = done.filter((each) => each.title === kinds[0]!.title && own.some(({ seed }) => seed === each.seed));
  const found = mean(own.map((each) => each.found));
  return {
    title,
    counts: `${initial}/${batch}/${max}`,
    seeds: own.length,
    bestEv: mean(own.map(({ bestEv }) => bestEv)),
    found,
    of,
    relativeError: mean(own.flatMap(({ relativeErrors }) => relativeErrors)),
    share: found / mean(others.map((each) => each.found)),
  };
}

/** What an earlier life of the run has finished; its last line may be cut. */
function campaignsIn(path: string): Campaign[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as Campaign];
    } catch {
      return [];
    }
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
