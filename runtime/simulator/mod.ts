// What users import from "shoal/simulator": their own campaign, in virtual time, under faults, from a seed.

export { type Exploration, explore, type ExploreOptions, replay, table } from "./explore.ts";
export type { Fault, FaultRates } from "./faults.ts";
export type { Foreign } from "./foreign.ts";
export {
  type Difference,
  type Happening,
  simulate,
  type Simulated,
  type SimulateOptions,
  type Simulation,
} from "./simulate.ts";
