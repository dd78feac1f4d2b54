// What a simulated world is like: its nodes, what is broken in it, and who listens. Limits are so small that plans of
// sixty operations reach them.

import type { Command, DeliveryLimits, Event } from "../../runtime/delivery/events.ts";
import type { advance } from "../../runtime/delivery/node.ts";
import type { Rules } from "../../runtime/delivery/state.ts";
import type { DriverRules } from "./scene.ts";
import type { Asked } from "./laws/law.ts";
import type { Op } from "./plan.ts";
import type { Process } from "./process.ts";
import type { Scene } from "./scene.ts";
import type { Level, StoreRules } from "./store.ts";

export interface WorldOptions {
  readonly nodes: number;
  readonly rules: Rules;
  readonly driver?: Partial<DriverRules>;
  readonly store?: Partial<StoreRules>;
  readonly limits?: Partial<DeliveryLimits>;
  /** What the store declares to survive: all that it may lose is what is not under this. */
  readonly survives?: Level;
  /** A node that never comes back once faults stop. */
  readonly gone?: number;
  /** Which laws are asked; all unless said. */
  readonly asked?: Asked;
  readonly run?: string;
  /** Told all that a process takes in and gives back. */
  readonly heard?: (process: Process, events: readonly Event[], commands: readonly Command[]) => void;
  /** Another run's world, with which this one shares its store. */
  readonly beside?: Scene;
  /** Told each thing that happens, for the table of a failing schedule. */
  readonly trace?: (line: string) => void;
  /** Told each operation before it is done; none when faults stop. */
  readonly onStep?: (op: Op | undefined) => void;
  /** The core, or something in its place. */
  readonly advance?: typeof advance;
  /** How often each thing happened. */
  readonly counts?: Map<string, number>;
}

export const smallLimits: DeliveryLimits = {
  mailboxMessagesMax: 3,
  mailboxBytesMax: 60,
  outboxMessagesMax: 8,
  outboxBytesMax: 120,
  messageBytesMax: 40,
  frameMessagesMax: 3,
  firstMessagesMax: 2,
  callsMax: 3,
  answersMax: 12,
  resendTicksMax: 4,
  suspendProbesMax: 3,
  commitRecordsMax: 3,
  replayMessagesMax: 4,
  replayBytesMax: 100,
  endedActorsMax: 16,
};
