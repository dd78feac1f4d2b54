// `shoal run quality`: how well each policy finds the best molecules, over many seeds, on recorded energies. Makes the
// tables of the README.

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
    about: "campaigns with an ensemble of networks, at β 0, 0.5 and 1: about two minutes of computing each",
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

export interface QualityRow {
  readonly title: string;
  readonly counts: string;
  readonly seeds: number;
  /** Means over the seeds. */
  readonly bestEv: number;
  readonly found: number;
  readonly of: number;
  readonly relativeError: number;
}

export default async function quality(
  system: System,
  { seeds, "ensemble-seeds": ensembleSeeds, "infer-workers": workers }: {
    readonly seeds: number;
    readonly "ensemble-seeds": number;
    readonly "infer-workers": number;
  },
  say: (line: string) => void,
): Promise<{ program: "quality"; seeds: number; molecules: number; rows: QualityRow[] }> {
  const { candidates, fingerprints, energies = new Float64Array() } = await spaceOf(
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

  const rows: QualityRow[] = [];
  for (const kind of kinds) {
    const found: Found[] = [];
    const times = kind.beta === undefined ? seeds : ensembleSeeds;
    if (times === 0) continue;
    for (let seed = 1; seed <= times; seed++) found.push(await run(kind, seed));
    const errors = found.flatMap(({ meanRelativeError }) => meanRelativeError);
    const row = {
      title: kind.title,
      counts: `${kind.initial}/${kind.batch}/${kind.max}`,
      seeds: times,
      bestEv: mean(found.map(({ simulated }) => Math.max(...simulated.map(({ value }) => value)))),
      found: mean(found.map(({ simulated }) => simulated.filter(({ row }) => best.has(row)).length)),
      of,
      relativeError: mean(errors),
    };
    rows.push(row);
    say(
      `${row.title.padEnd(27)} ${row.counts.padEnd(10)} best ${row.bestEv.toFixed(2)} eV, found ${
        row.found.toFixed(1)
      } of the best ${of}`,
    );
  }
  return { program: "quality", seeds, molecules: candidates.length, rows };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
