// How an actor was made that another node has asked for: what is needed to make it again when its process is gone. Types
// only.

import type { SpawnOptions } from "../system.ts";

export interface Recipe {
  /** Its address, which it keeps. */
  readonly id: string;
  readonly class: string;
  /** What it is constructed with, as it crosses between nodes. */
  readonly input: Uint8Array;
  readonly options: SpawnOptions;
  /** The node whose actor spawned it; empty for one that was spawned by a program. */
  readonly parent: string;
  /** The number of what was reserved for it; 0 for nothing. */
  readonly lease: number;
}

/** Whoever outlives a process, and keeps what its successor is to make again. */
export interface Recipes {
  spawned(recipe: Recipe): void;
  ended(id: string): void;
}
