// One entry on its way into its publisher's log: what it is, what it weighs, and what its publisher is answered.

import { isShoalError, type ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { Parked } from "../mailbox.ts";
import type { Held } from "./retained.ts";

/** What is to be published. */
export interface Item {
  /** With room for its head. */
  readonly frame: Uint8Array;
  readonly tensors: readonly TensorRef[] | undefined;
  /** Of a durable publisher: counts what its steps have published. */
  readonly step: number;
  readonly isEnd: boolean;
}

/** One entry on its way into the log, and what its publisher was answered. */
export class Publishing extends Parked {
  readonly item: Item;
  held: Held | undefined;
  isAwaited = false;

  constructor(item: Item, held: Held | undefined) {
    super(undefined, undefined, undefined, weightOf(item));
    this.item = item;
    this.held = held;
  }

  // oxlint-disable-next-line no-thenable
  override then<A = void, B = never>(
    resolved?: ((value: void) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.isAwaited = true;
    return super.then(resolved, rejected);
  }
}

/** What an entry takes beside its frame. */
const overheadBytes = 64;

function weightOf({ frame, tensors = [] }: Item): number {
  let weight = frame.length + overheadBytes;
  for (const tensor of tensors) weight += tensor.bytes;
  return weight;
}

export const entriesIn = (batch: readonly Publishing[]): number =>
  batch.reduce((count, { item }) => item.isEnd ? count : count + 1, 0);

/** The store has looked at the frames and does not take them: asking again would not help. */
export const refusals: ReadonlySet<string> = new Set([
  "CapacityExceeded",
  "TooLarge",
  "BadInput",
  "Unauthorized",
  "ShuttingDown",
]);

/** No later attempt would fare better, */
const final: ReadonlySet<string> = new Set(["TooLarge", "BadInput", "Incompatible"]);
/** or none is made here: whoever goes on from what was committed makes it. */
const elsewhere: ReadonlySet<string> = new Set(["Fenced", "Ended", "ShuttingDown"]);

/** Whether an entry stays in line after an error: a step has committed it, and a later attempt may do. */
export const keeps = ({ item }: Publishing, error: unknown): boolean =>
  item.step > 0 && !(isShoalError(error) && (final.has(error.code) || elsewhere.has(error.code)));

/** Whether an error takes for good what a step had committed. */
export const isDropped = ({ item }: Publishing, { code }: ShoalError): boolean => item.step > 0 && final.has(code);
