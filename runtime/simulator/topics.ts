// Topics before a port: what an actor publishes is compared, and what it reads is kept for when it is played again.

import type {
  Topic,
  TopicCursor,
  TopicEntry,
  TopicReading,
  TopicReadOptions,
  TopicResult,
  TopicSharing,
} from "../topic.ts";
import { type Form, iterableOver, type Port } from "./part.ts";
import { readError, writeError } from "./written.ts";

const asItIs = { keep: (step: unknown) => step, make: (kept: unknown) => kept as never };

/** Options as far as they are data. */
function plain(options: object): unknown {
  const isData = ([, value]: [string, unknown]): boolean => typeof value !== "function" && value !== undefined;
  const entries = Object.entries(options).filter(isData);
  return Object.fromEntries(entries.map(([key, value]) => [key, value instanceof AbortSignal ? "signal" : value]));
}

function readingOver(port: Port, name: string, real: () => TopicReading<unknown>): TopicReading<unknown> {
  const what = `reading of topic ${name}`;
  return {
    get cursor() {
      return port.now(`looks how far its ${what} is`, null, () => real().cursor);
    },
    take: (entriesMax, options) =>
      port.later<readonly TopicEntry<unknown>[]>(
        `takes from a ${what}`,
        [entriesMax ?? null, options ?? null],
        () => real().take(entriesMax, options),
      ),
    close: () => port.later(`ends a ${what}`, null, () => real().close()),
    [Symbol.asyncIterator]: () => iterableOver(port, what, real, asItIs)[Symbol.asyncIterator](),
  };
}

/** One topic, as an actor sees it. */
export function topicOver(port: Port, name: string, options: object, real: (() => Topic) | undefined): Topic {
  let topic: Topic | undefined;
  port.act(`uses topic ${name}`, plain(options), () => void (topic = real!()));
  return {
    name,
    publish: (value, options) => port.later(`publishes to ${name}`, value, () => topic!.publish(value, options)),
    end: () => port.later(`ends what it publishes to ${name}`, null, () => topic!.end()),
    close: () => port.later(`closes topic ${name}`, null, () => topic!.close()),
    read(options: TopicReadOptions = {}) {
      let reading: TopicReading<unknown> | undefined;
      port.act(`reads topic ${name}`, plain(options), () => void (reading = topic!.read(options)));
      return readingOver(port, name, () => reading!);
    },
  };
}

const results: Form<IteratorResult<TopicResult<never>, undefined>> = {
  keep({ done = false, value }) {
    return value?.error === undefined ? { done, value } : { done, value, error: writeError(value.error) };
  },
  make(kept) {
    const { error, ...step } = kept as IteratorResult<TopicResult<never>> & { error?: string };
    return error === undefined ? step : { ...step, value: { ...step.value, error: readError(error) } };
  },
};

/** Entries that a pool shares. */
export function sharingOver(port: Port, what: string, real: () => TopicSharing<never>): TopicSharing<never> {
  let made: TopicSharing<never> | undefined;
  port.act(`begins to ${what}`, null, () => void (made = real()));
  return {
    get cursor() {
      return port.now<TopicCursor>(`looks how far to ${what} is done`, null, () => made!.cursor);
    },
    [Symbol.asyncIterator]: () => iterableOver(port, what, () => made!, results)[Symbol.asyncIterator](),
  };
}
