// Ready actors and the programs made of them, as plain values.

export { campaign, type CampaignFlags, campaignSettings, settingsOf, type Values } from "./campaign.ts";
export type * from "./controller.ts";
export { bestFigure } from "./figure.ts";
export { Ensemble } from "./molecules/ensemble.ts";
export { Fingerprints } from "./molecules/fingerprints.ts";
export { Molecule } from "./molecules/molecule.ts";
export { Neighbours } from "./molecules/neighbours.ts";
export { chemistryPrograms } from "./molecules/xtb.ts";
export { program, type ProgramOptions, text } from "./programs/program.ts";
export { recipe, type RecipeOptions } from "./programs/recipe.ts";
export type * from "./simulation.ts";
export type { Predictions, PredictTask, TrainingSet, TrainTask } from "./trainer.ts";
export type { Arrival } from "./training/arrivals.ts";
export { type Backend, openBackend } from "./training/backends.ts";
export { default as cnn } from "./training/cnn.ts";
export type { ModelBuilder, ModelSource } from "./training/models.ts";
export type * from "./training/network.ts";
export { buildNative } from "./training/native/build.ts";
export { nativeBackend, type NativeFound, nativeFound } from "./training/native/place.ts";
export { network } from "./training/networks.ts";
export { type Evaluation, Evaluator, Predictor } from "./training/predictor.ts";
export { type Archive, pack, unpack } from "./training/safetensors.ts";
export type { NetworkInput } from "./training/setup.ts";
export { type Progress, type SavedModel, type Trained, Trainer, type TrainerTask } from "./training/trainer.ts";
export { Reader, type Reading } from "./waves/reader.ts";
export { Strength, Surrogate } from "./waves/explore.ts";
export { sine } from "./waves/sine.ts";
export { propagate, type Simulated, type Simulation, Wave, type WaveInput } from "./waves/wave.ts";

/** A program that `shoal run NAME` knows. */
export interface BuiltIn {
  readonly about: string;
  /** The URL of its module. */
  readonly module: string;
}

// The extension is that of this module: sources run as they are, and so does what is compiled from them.
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));

export const programs: { readonly [name: string]: BuiltIn } = {
  energies: {
    about: "ionization energies of small molecules by xtb: the table that molecules has on machines without xtb",
    module: new URL(`./molecules/energies${extension}`, import.meta.url).href,
  },
  explore: {
    about: "simulates waves where an ensemble of surrogates disagrees: a campaign of its own in eighty lines",
    module: new URL(`./waves/explore${extension}`, import.meta.url).href,
  },
  molecules: {
    about: "finds the molecules with the highest ionization energy: simulations, a model, and a controller",
    module: new URL(`./molecules/program${extension}`, import.meta.url).href,
  },
  patterns: {
    about: "how fast tensors get from those who write to those who read: 1:1, 1:many, many:1",
    module: new URL(`./waves/patterns${extension}`, import.meta.url).href,
  },
  quality: {
    about: "how well each policy of molecules finds the best, over many seeds",
    module: new URL(`./molecules/quality${extension}`, import.meta.url).href,
  },
  waves: {
    about: "an ensemble of wave simulations feeds networks that learn how waves go on",
    module: new URL(`./waves/program${extension}`, import.meta.url).href,
  },
};

/** A benchmark that `shoal bench NAME` knows: programs of above in processes of their own, and what comes of it. */
export const benches: { readonly [name: string]: BuiltIn } = {
  "producer-consumer": {
    about: "simulations feed trainers: each way of moving the samples, beside published figures",
    module: new URL(`./waves/bench${extension}`, import.meta.url).href,
  },
};
