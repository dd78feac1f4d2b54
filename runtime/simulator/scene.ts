// What a simulation plays in: one node, or a whole system of nodes with its network and store. Types only.

import type { Environment } from "../environment.ts";
import type { System } from "../system.ts";
import type { NetworkCounts } from "./network.ts";

/** What a program may do to the nodes of its simulation. */
export interface SimulatedNodes {
  /** The program's own first, `main`. */
  readonly names: readonly string[];
  /** Ends a node's process as SIGKILL does. It stays away until it is started again. */
  kill(node: string): void;
  /** Starts a process for a node. One that is there still is not asked: whoever comes later is the node. */
  start(node: string): Promise<void>;
  restart(node: string): Promise<void>;
  /** Holds a node's process still, with all that it has open, until `resume`: a zombie, if it was started meanwhile. */
  pause(node: string): void;
  resume(node: string): void;
  /** Lets nothing come through from some nodes to others, nor back unless `isOneWay`; the answer mends it. */
  partition(from: string | readonly string[], to: string | readonly string[], isOneWay?: boolean): () => void;
  heal(): void;
  /** The system as the process of a node sees it. */
  system(node: string): System;
}

/** The world as a program in a simulation sees it. */
export interface SimulatedWorld {
  /** Virtual milliseconds since the simulation began. */
  now(): number;
  readonly nodes: SimulatedNodes;
}

/** One thing that happened. */
export interface Happening {
  readonly step: number;
  readonly timeMs: number;
  readonly who: string;
  readonly what: string;
  /** Where it happened, and where it went, where there are nodes. */
  readonly node?: string;
  readonly to?: string;
  /** Says more, for who reads it. */
  readonly details?: string;
  /** What became of the node's process. */
  readonly process?: "starts" | "ends" | "pauses" | "wakes";
}

export type Told = Omit<Happening, "step" | "timeMs" | "details"> & {
  /** Says more, for who reads it. */
  readonly details?: () => string;
};

export interface Scene {
  /** As the program sees it; nothing while the program's own process is gone. */
  readonly system: System | undefined;
  readonly world: SimulatedWorld;
  /** Lets something go wrong before this step, and answers whether anything did. */
  strike(step: number): boolean;
  /** Whose clock code has that runs now. */
  clock(): Environment;
  /** Does something as the program would. */
  asProgram<T>(call: () => T): T;
  /** What happened must have come to its end before the next thing happens: they are others'. */
  readonly isApart: boolean;
  readonly packets?: NetworkCounts;
  /** Ends what is left; done when it settles. */
  close(): Promise<void>;
}
