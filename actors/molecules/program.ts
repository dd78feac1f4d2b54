// `shoal run molecules`: finds the molecules with the highest ionization energy. Simulations compute energies, a model
// learns from them, and the controller's agents decide what to simulate next.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ShoalError, type System } from "../../runtime/mod.ts";
import { campaign, type CampaignFlags, campaignSettings, settingsOf, type Values } from "../campaign.ts";
import { bestFigure } from "../figure.ts";
import { type Found, type Learning, learningOf, type Success, type Valued } from "../controller.ts";
import { Ensemble, type Learnt } from "./ensemble.ts";
import { type Candidate, Molecule, type MoleculeInput } from "./molecule.ts";
import { type Neighbourhood, Neighbours } from "./neighbours.ts";
import { type Space, spaceOf } from "./space.ts";
import { readTable, recordedSpace } from "./table.ts";
import { canCompute } from "./xtb.ts";

const own = {
  // Where energies are looked up, simulations take no time: only those that wait for models learn anything from them.
  "policy": {
    default: "sequential",
    about: "when simulations wait for models",
    choices: ["continuous", "sequential", "delay", "interleaved", "no-retrain", "random"],
  },
  "space": { default: "", about: "a table with a column smiles; the recorded one unless said", value: "FILE.tsv" },
  "column": { default: "", about: "its column of recorded energies; ie unless said", value: "NAME" },
  "simulator": {
    default: "auto",
    about: "xtb computes, recorded looks up; auto computes where xtb and obabel are",
    choices: ["auto", "xtb", "recorded"],
  },
  "model": {
    default: "knn",
    about: "the nearest neighbours, or an ensemble of networks with upper confidence bounds",
    choices: ["knn", "ensemble"],
  },
  "epochs": { default: 512, about: "how often a network of the ensemble sees its training set", least: 1 },
  "learning-rate": { default: 0.001, about: "of the networks" },
  "timeout": {
    default: 60,
    fraction: true,
    about: "seconds after which the programs of a simulation are ended",
    least: 1,
  },
} as const;

export const settings: CampaignFlags<typeof own> = { ...campaignSettings, ...own };

/** Whom it asks for. */
export const kinds = ["simulate", "train", "infer"] as const;

const topFraction = 0.02;
const bestShown = 20;

export default async function molecules(
  system: System,
  values: Values<typeof settings>,
  say: (line: string) => void,
  directory?: string,
): Promise<object> {
  const table = readTable(values.space === "" ? recordedSpace : values.space, values.column || undefined);
  const simulator = simulatorOf(values.simulator, table.energies !== undefined);
  const space = await spaceOf(system, table, values["infer-workers"] + values["simulate-workers"], say);
  say(
    `${space.candidates.length} molecules; energies are ${
      simulator === "recorded" ? "looked up among recorded ones, of earlier xtb runs" : "computed by Open Babel and xtb"
    }`,
  );

  const input: MoleculeInput = {
    simulator,
    timeoutMs: values.timeout * 1000,
    ...(values.space === "" ? {} : { space: values.space }),
    ...(values.column === "" ? {} : { column: values.column }),
    ...(directory === undefined ? {} : { log: join(directory, "xtb.log") }),
  };
  const supervision = { on: "resume" } as const; // that a molecule fails is no reason to start an actor anew
  const simulations = await system.pool(Molecule, {
    size: values["simulate-workers"],
    task: "simulate",
    input,
    supervision,
  });
  const found = await campaign(system, {
    candidates: space.candidates,
    simulate: (candidate, signal) => simulations.ask("simulate", candidate, { signal }),
    learn: await learning(system, values, space),
    // A model of neighbours is the same however often it is trained.
    settings: { ...settingsOf(values, system.seed), ...(values.model === "knn" ? { models: 1 } : {}) },
    directory,
    say,
    show: ({ smiles }, value) => `${value.toFixed(2)} eV ${smiles}`,
  });
  return report(found, space, simulator, say, directory);
}

/** Pools of the model's actors, and how the campaign asks them. */
async function learning(
  system: System,
  values: Values<typeof settings>,
  { fingerprints }: Space,
): Promise<Learning<unknown>> {
  const { "train-workers": trainers, "infer-workers": predictors, epochs, "learning-rate": learningRate } = values;
  const supervision = { on: "resume" } as const;
  if (values.model === "knn") {
    const of = (task: "train" | "infer", size: number) =>
      system.pool(Neighbours, { task, size, input: { fingerprints: fingerprints[task] }, supervision });
    const [train, predict] = [await of("train", trainers), await of("infer", predictors)];
    return learningOf<Neighbourhood>((task) => train.ask("train", task), (task) => predict.ask("predict", task));
  }
  const of = (task: "train" | "infer", size: number) =>
    system.pool(Ensemble, {
      task,
      size,
      input: { fingerprints: fingerprints[task], epochs, learningRate },
      supervision,
    });
  const [train, predict] = [await of("train", trainers), await of("infer", predictors)];
  return learningOf<Learnt>((task) => train.ask("train", task), (task) => predict.ask("predict", task));
}

function simulatorOf(wanted: string, isRecorded: boolean): "xtb" | "recorded" {
  if (wanted === "recorded" && !isRecorded) {
    throw new ShoalError(
      "BadInput",
      "Cannot look up energies: the space has no column ie; name one by --column, or take --simulator xtb",
    );
  }
  if (wanted === "recorded" || (wanted === "auto" && !canCompute() && isRecorded)) return "recorded";
  if (canCompute()) return "xtb";
  const cure = "apt-get install xtb openbabel, or a space with a column of energies";
  throw new ShoalError("BadInput", `Cannot compute energies: xtb or obabel is not on the PATH; ${cure}`);
}

/** Writes the tables and says what was found. */
function report(
  found: Found,
  { candidates, energies, fingerprints, bytes }: Space,
  simulator: "xtb" | "recorded",
  say: (line: string) => void,
  directory: string | undefined,
): object {
  const named = ({ row, value }: Valued) => ({ smiles: candidates[row]!.smiles, ieEv: value });
  const best = [...found.simulated].sort((one, other) => other.value - one.value || one.row - other.row);
  const top = energies === undefined ? undefined : topOf(energies, best);
  if (directory !== undefined) write(directory, found, best, candidates);

  const { total, simulate, train, infer } = found.seconds;
  const { train: own, infer: apart } = fingerprints;
  const ownBytes = own.bytes + (apart.id === own.id ? 0 : apart.bytes);
  const failed = found.failed === 0 ? "none failed" : `${found.failed} more failed`;
  say(`simulated      ${found.simulated.length} molecules, ${failed}, in ${total.toFixed(2)} s`);
  for (const each of best.slice(0, 1).map(named)) say(`best simulated ${each.ieEv.toFixed(2)} eV  ${each.smiles}`);
  const predicted = found.bestPredicted && named(found.bestPredicted);
  if (predicted !== undefined) {
    say(`best predicted ${predicted.ieEv.toFixed(2)} eV  ${predicted.smiles}, not simulated`);
  }
  if (top !== undefined) say(`found          ${top.found} of the best ${top.of} (${topFraction * 100} %)`);
  if (simulator === "recorded") {
    say("energies       recorded ones; with xtb and Open Babel installed they are computed");
  }

  return {
    program: "molecules",
    simulator,
    simulated: found.simulated.length,
    failed: found.failed,
    iterations: found.iterations,
    bestSimulated: best.slice(0, 1).map(named)[0] ?? null,
    bestPredicted: predicted ?? null,
    topFraction: top ?? null,
    meanRelativeError: found.meanRelativeError,
    seconds: { total, simulate, train, infer },
    utilisation: found.utilisation,
    resumed: found.resumed,
    store: {
      url: fingerprints.train.where,
      putBytes: found.putBytes + ownBytes + bytes,
      getBytes: found.getBytes + bytes,
      simulate: { putBytes: bytes, getBytes: bytes },
      ...found.bytes,
    },
  };
}

/** How many of the best molecules of the space were simulated, where all of it is known. */
function topOf(energies: Float64Array, simulated: readonly Success[]): { fraction: number; found: number; of: number } {
  const of = Math.max(1, Math.floor(energies.length * topFraction));
  const rows = [...energies.keys()].filter((row) => Number.isFinite(energies[row]));
  const best = new Set(rows.sort((one, other) => energies[other]! - energies[one]!).slice(0, of));
  return { fraction: topFraction, found: simulated.filter(({ row }) => best.has(row)).length, of };
}

function write(directory: string, found: Found, best: readonly Success[], candidates: readonly Candidate[]): void {
  const began = Math.min(...found.simulated.map(({ receivedAt }) => receivedAt));
  const rows = found.simulated.map(({ row, value, basis, receivedAt }) =>
    `${candidates[row]!.smiles},${value},${basis},${((receivedAt - began) / 1000).toFixed(3)}`
  );
  writeFileSync(join(directory, "training_data.csv"), ["smiles,ie,basis,time", ...rows, ""].join("\n"));
  const shown = best.slice(0, bestShown).map(({ row, value }) => `${candidates[row]!.smiles},${value}`);
  writeFileSync(join(directory, "best.svg"), bestFigure(found.simulated, "eV"));
  writeFileSync(join(directory, "best_molecules.csv"), ["smiles,ie", ...shown, ""].join("\n"));
}
