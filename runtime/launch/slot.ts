// A worker's place in a run, whatever process has it: who has it now, and how that one is let go in order.

import { ShoalError } from "../../stores/error.ts";
import type { Change, Member } from "../nodes/registry.ts";
import type { StopOptions } from "../system.ts";
import type { Crew } from "./crews.ts";
import { inTime } from "./patience.ts";
import type { Start } from "./start.ts";

export interface Slot {
  readonly node: string;
  readonly crew: Crew;
  /** Among those of its crew. */
  readonly number: number;
  /** The latest start, unless it is known to have come to nothing. */
  start: Start | undefined;
  /** Whoever has joined last. */
  member: Member | undefined;
  /** Nodes of processes that were given up, which live on in this one. */
  readonly guests: Set<string>;
  /** The one that was started last has joined. */
  isIn: boolean;
  /** Processes that were started to be it. */
  starts: number;
  /** How often in a row nobody joined. */
  failures: number;
  /** Since when, while the store answered. */
  failingSince: number;
}

/** The place of the nth worker, which nobody has had. */
export function emptySlot(node: string, crew: Crew, number: number): Slot {
  const nobody = { start: undefined, member: undefined, isIn: false, starts: 0, failures: 0, failingSince: 0 };
  return { node, crew, number, guests: new Set(), ...nobody };
}

/** What is asked of the node that leads, and of the others. */
export interface Asking {
  request(node: string, what: string, argument: unknown): Promise<unknown>;
  note(node: string, what: string, argument: unknown): void;
  reached(node: string): Promise<void>;
}

export interface EndingParts {
  readonly asking: Asking;
  readonly stopTimeoutMs: number;
  readonly changed: (change: Change) => void;
}

/** What was sent to it is in its mailboxes before these are drained, and its answers are here after that. */
export async function drainSlot(slot: Slot, parts: EndingParts, stopping: StopOptions): Promise<void> {
  const { node, start, isIn } = slot;
  const { asking, stopTimeoutMs } = parts;
  if (!isIn || start === undefined) return;
  const { ended } = start.process;
  const drained = await inTime(stopping, stopTimeoutMs, async () => {
    if (stopping.now !== true) await Promise.race([asking.reached(node), ended]);
    await Promise.race([asking.request(node, "drain", stopping), ended]);
    await Promise.race([asking.reached(node), ended]);
  });
  if (!drained) start.process.signal("SIGKILL");
}

/** Settles when its process has ended: by itself where it can, and at once where it never joined. */
export async function endSlot(slot: Slot, parts: EndingParts, stopping: StopOptions): Promise<void> {
  const { node, start, isIn, member } = slot;
  const { asking, stopTimeoutMs, changed } = parts;
  if (start === undefined) return;
  if (isIn) asking.note(node, "leave", stopping);
  else start.settle(new ShoalError("ShuttingDown", `Cannot start node ${node}: the system is closing`));
  const { ended } = start.process;
  if (!isIn || !await inTime(stopping, stopTimeoutMs, () => ended)) start.process.signal("SIGKILL");
  await ended;
  if (member !== undefined) changed({ type: "gone", member, lost: [] });
}
