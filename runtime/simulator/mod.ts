// What users import from "shoal/simulator": their own campaign, in virtual time, under faults, from a seed.

export { type SimulatedBackend } from "../../stores/simulated/backend.ts";
export { type FolderOptions, simulatedFolder } from "../../stores/simulated/folder.ts";
export { type ServerOptions, simulatedServer } from "../../stores/simulated/server.ts";
export { type Exploration, explore, type ExploreOptions } from "./explore.ts";
export type { Fault, FaultKind, FaultRates } from "./faults.ts";
export type { Foreign } from "./foreign.ts";
export type { MakeBackend } from "./home.ts";
export type { NetworkCounts } from "./network.ts";
export type { Line, Part } from "./part.ts";
export { replay } from "./replay.ts";
export type { Happening, SimulatedNodes, SimulatedWorld } from "./scene.ts";
export { type Difference, simulate, type Simulated, type SimulateOptions, type Simulation } from "./simulate.ts";
export { table } from "./table.ts";
