// What stands beside the cell of a durable actor: where its running step is, and what it waits for.

import type { Cell } from "../cells/cell.ts";
import type { Carrying } from "../cells/post.ts";
import type { Random } from "../random.ts";
import type { Birth, Kept } from "./states.ts";
import { type StepTopics, stepTopics } from "../topics/steps.ts";
import type { Timers } from "./timers.ts";

/** A durable actor beside its cell. */
export interface Keeping {
  readonly birth: Birth;
  /** What its last step left, sealed or committed: when it is to be read back, all is committed. */
  last: Kept | undefined;
  readonly timers: Timers;
  readonly topics: StepTopics;
  /** Waits for what it has done to be committed, to begin anew. */
  reloaded: (() => void) | undefined;
  isReloading: boolean;
  isBorn: (() => void) | undefined;
  owesSnapshot: boolean;
  /** Whether a handler runs. */
  inStep: boolean;
  /** Which step runs, and when it happens, for as often as it runs. */
  input: string;
  now: number;
  world: { readonly random: Random; readonly now: number } | undefined;
  /** Why the running step has failed without its handler's knowledge. */
  fault: Error | undefined;
}

export function newKeeping(birth: Birth, last: Kept | undefined, timers: Timers, topics: StepTopics): Keeping {
  return {
    birth,
    last,
    timers,
    topics,
    reloaded: undefined,
    isReloading: false,
    isBorn: undefined,
    owesSnapshot: false,
    inStep: false,
    input: "",
    now: 0,
    world: undefined,
    fault: undefined,
  };
}

/** What it keeps for its topics; `carrying` is who carries that. */
export function keepingTopics(cell: Cell, last: Kept | undefined, carrying: () => Carrying<Cell>): StepTopics {
  return stepTopics(last?.topics, {
    publish: (topic, options, item) => carrying().publish(cell, topic, options, item),
    readings: () => carrying().readings(cell),
    read: (committed) => carrying().read(cell, committed),
  });
}

/** What its fields are, and what it keeps beside them. */
export function keptWith(own: Kept, topics: Kept["topics"]): Kept {
  return topics === undefined ? own : { ...own, topics };
}
