// What the steps of one durable actor publish: it stands in the actor's state until the log has it, so that it leaves
// with the commit and not before, and is there once however often the step runs. How far the actor has read does too.

import { Buffer } from "node:buffer";
import { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import type { TopicOptions } from "../topic.ts";
import type { Item } from "./publishing.ts";

/** What stands in a state: plain JSON. */
export interface KeptTopics {
  readonly published: { readonly [topic: string]: KeptTopic };
  /** How far each of its readings was when the step ended. */
  readonly read: KeptReadings;
}

/** By the name of the reading, for each publisher; null where it was closed. */
export type KeptReadings = { readonly [reading: string]: { readonly [publisher: string]: number } | null };

export const noReadings: KeptReadings = {};

export interface KeptTopic {
  readonly options: TopicOptions;
  /** How many entries its steps have published. */
  readonly step: number;
  readonly waiting: readonly KeptItem[];
}

interface KeptItem {
  readonly step: number;
  /** In base64. */
  readonly frame: string;
  readonly tensors?: readonly TensorRef[];
  readonly isEnd: boolean;
}

export interface StepTopicsParts {
  /** Where it all leaves; settles when the log has it. */
  publish(topic: string, options: TopicOptions, item: Item): PromiseLike<void>;
  /** How far its readings are. */
  readings(): KeptReadings;
  /** How far they are for good. */
  read(committed: KeptReadings): void;
}

export interface StepTopics {
  began(): void;
  publish(topic: string, options: TopicOptions, item: Omit<Item, "step">): void;
  /** What the state is to hold, at the end of a step; nothing where it has nothing to do with topics. */
  sealed(): KeptTopics | undefined;
  /** The same again, for a state that is read between two steps. */
  readonly last: KeptTopics | undefined;
  /** The tensors that it references. */
  tensors(): readonly TensorRef[];
  committed(kept: KeptTopics | undefined): void;
}

const waitingMax = 16_384;
const noTensors: readonly TensorRef[] = [];

export function stepTopics(before: KeptTopics | undefined, parts: StepTopicsParts): StepTopics {
  let last = before;
  let working: { [topic: string]: KeptTopic } | undefined;
  /** What has left, and what the log has. */
  const left = new Map<string, number>();
  const held = new Map<string, number>();

  function withoutHeld(topics: { readonly [topic: string]: KeptTopic }): { [topic: string]: KeptTopic } {
    return Object.fromEntries(
      Object.entries(topics).map(([topic, kept]) => {
        const has = held.get(topic) ?? 0;
        if (kept.waiting.length === 0 || kept.waiting[0]!.step > has) return [topic, kept];
        return [topic, { ...kept, waiting: kept.waiting.filter(({ step }) => step > has) }];
      }),
    );
  }

  return {
    began() {
      working = undefined;
    },
    publish(topic, options, { frame, tensors, isEnd }) {
      working ??= { ...last?.published };
      const own = working[topic] ?? { options, step: 0, waiting: [] };
      if (own.waiting.length >= waitingMax) {
        const text = `Cannot publish to ${topic}: ${own.waiting.length} entries wait for this step to be committed`;
        throw new ShoalError("CapacityExceeded", `${text}; publish fewer in one step`);
      }
      const step = own.step + 1;
      const item = {
        step,
        frame: Buffer.from(frame).toString("base64"),
        ...tensors === undefined ? {} : { tensors },
        isEnd,
      };
      // A step's own list grows in place: it is nobody else's yet.
      const isOwn = own !== last?.published[topic];
      const waiting = isOwn ? own.waiting as KeptItem[] : [...own.waiting];
      waiting.push(item);
      working[topic] = { options, step, waiting };
    },
    sealed() {
      // Most durable actors have nothing to do with topics.
      if (last === undefined && working === undefined && parts.readings() === noReadings) return undefined;
      const published = withoutHeld(working ?? last?.published ?? {});
      working = undefined;
      const read = parts.readings();
      const isNone = last === undefined && Object.keys(published).length === 0 && Object.keys(read).length === 0;
      return last = isNone ? undefined : { published, read };
    },
    get last() {
      return last;
    },
    tensors: () =>
      last === undefined
        ? noTensors
        : Object.values(last.published).flatMap(({ waiting }) => waiting.flatMap(({ tensors = [] }) => tensors)),
    committed(kept) {
      if (kept === undefined) return;
      parts.read(kept.read);
      for (const [topic, { options, waiting }] of Object.entries(kept.published)) {
        for (const { step, frame, tensors, isEnd } of waiting) {
          if (step <= (left.get(topic) ?? 0)) continue;
          left.set(topic, step);
          const item = { frame: new Uint8Array(Buffer.from(frame, "base64")), tensors, step, isEnd };
          const has = (): void => void held.set(topic, Math.max(step, held.get(topic) ?? 0));
          // What the store does not take now is there again in the next process.
          parts.publish(topic, options, item).then(has, () => {});
        }
      }
    },
  };
}
