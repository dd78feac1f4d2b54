// What a simulated store is to whoever simulates: a backend that outlives those who open it, and that can end in ways
// which take what was not declared to survive them. Types only.
import type { Abilities, OpenOptions, Store, TensorRef } from "../store.ts";
import type { Kept } from "./logs.ts";
import type { Mishap, Way } from "./way.ts";

export interface SimulatedBackend {
  readonly abilities: Abilities;
  /** What can go wrong with its calls. */
  readonly mishaps: readonly Mishap["kind"][];
  /** Opens it for one process, whose calls go this way. */
  open(options: OpenOptions, way?: Way): Promise<Store>;
  /** Ends what it runs on and starts it again; answers how many acknowledged changes that has taken. */
  end(level: "server" | "power"): number;
}

/** What one run has there. */
export interface Part {
  readonly memory: Store;
  readonly kept: Kept;
  /** A tensor stands from now on, unless an end takes it. */
  stands(ref: TensorRef): void;
}
