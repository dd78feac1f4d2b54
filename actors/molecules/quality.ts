// `shoal run quality`: how well each policy finds the best molecules, over many seeds, on recorded energies. Makes the
// tables of the README.

import type { System } from "../../runtime/mod.ts";
import { campaign, campaignSettings, settingsOf } from "../campaign.ts";
import type { Found, Policy } from "../controller.ts";
import { Neighbours } from "./neighbours.ts";
import { spaceOf } from "./space.ts";
import { readTable, recordedSpace } from "./table.ts";

export const settings = {
  "seeds": { default: 20, about: "campaigns of each kind", least: 1 },
  "infer-workers": { default: 2, about: "actors that train and predict", least: 1 },
} as const;

interface Kind {
  readonly title: string;
  readonly policy: Policy;
  readonly initial: number;
  readonly batch: number;
  readonly max: number;
}

const large = { initial: 16, batch: 16, max: 208 };

const kinds: readonly Kind[] = [
  { title: "greedy k-NN", policy: "sequential", ...large },
  { title: "greedy k-NN, never waiting", policy: "continuous", ...large },
  { title: "k-NN trained once", policy: "no-retrain", ...large },
  { title: "random", policy: "random", ...large },
  { title: "default settings", policy: "sequential", initial: 8, batch: 4, max: 24 },
  { title: "tuned settings", policy: "sequential", initial: 16, batch: 64, max: 200 },
];

const topFraction = 0.02;

export interface QualityRow {
  readonly title: string;
  readonly counts: string;
  /** Means over the seeds. */
  readonly bestEv: number;
  readonly found: number;
  readonly of: number;
  readonly relativeError: number;
}

export default async function quality(
  system: System,
  { seeds, "infer-workers": workers }: { readonly seeds: number; readonly "infer-workers": number },
  say: (line: string) => void,
): Promise<{ program: "quality"; seeds: number; molecules: number; rows: QualityRow[] }> {
  const { candidates, fingerprints, energies = new Float64Array() } = await spaceOf(
    system,
    readTable(recordedSpace),
    workers,
    say,
  );
  const pool = await system.pool(Neighbours, { size: workers, input: { fingerprints } });
  const values = Object.fromEntries(Object.entries(campaignSettings).map(([name, flag]) => [name, flag.default]));
  const usual = settingsOf(values as Parameters<typeof settingsOf>[0], system.seed);
  const of = Math.max(1, Math.floor(energies.length * topFraction));
  const best = new Set([...energies.keys()].sort((one, other) => energies[other]! - energies[one]!).slice(0, of));

  const run = ({ policy, initial, batch, max }: Kind, seed: number): Promise<Found> =>
    campaign(system, {
      candidates: [...candidates.keys()],
      simulate: (row) => Promise.resolve({ value: energies[row]! }),
      learn: { train: (task) => pool.ask("train", task), predict: (task) => pool.ask("predict", task) },
      settings: { ...usual, policy, initial, batch, max, seed, models: 1 },
    });

  const rows: QualityRow[] = [];
  for (const kind of kinds) {
    const found: Found[] = [];
    for (let seed = 1; seed <= seeds; seed++) found.push(await run(kind, seed));
    const errors = found.flatMap(({ meanRelativeError }) => meanRelativeError);
    const row = {
      title: kind.title,
      counts: `${kind.initial}/${kind.batch}/${kind.max}`,
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
