// The requests that a store makes, each in one version that every broker from 2.4 to 4.x answers.
import type { Buffer } from "node:buffer";
import type { Api } from "./connection.ts";
import { KafkaTrouble } from "./trouble.ts";
import { type Sink, sink, type Source } from "./wire.ts";

/** A request, and how its answer is read. */
export interface Request<T> {
  readonly api: Api;
  readonly body: Sink;
  read(answer: Source): T;
}

/** One partition's part of an answer. */
export interface Fetched {
  readonly topic: string;
  readonly partition: number;
  readonly error: number;
  /** What stands below it is acknowledged; nobody sees more. */
  readonly end: number;
  /** What stood below it is gone. */
  readonly start: number;
  readonly records: Buffer;
}

export interface Wanted {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly bytesMax: number;
}

export interface Metadata {
  readonly brokers: readonly { readonly node: number; readonly host: string; readonly port: number }[];
  readonly controller: number;
  readonly topics: readonly {
    readonly error: number;
    readonly topic: string;
    readonly leaders: readonly { readonly partition: number; readonly error: number; readonly leader: number }[];
  }[];
}

export interface TopicWanted {
  readonly topic: string;
  readonly partitions: number;
  /** -1: as many as the cluster makes unless told. */
  readonly replicas: number;
  readonly configuration: Readonly<Record<string, string>>;
}

const acksOfAll = -1;
/** Consecutive entries of one topic. */
function byTopic<T extends { readonly topic: string }>(all: readonly T[]): [string, T[]][] {
  const topics = new Map<string, T[]>();
  for (const one of all) topics.set(one.topic, [...(topics.get(one.topic) ?? []), one]);
  return [...topics];
}

export function metadata(topics: readonly string[]): Request<Metadata> {
  const body = sink();
  body.array(topics, (topic) => body.text(topic)).int8(0);
  return {
    api: { key: 3, version: 4 },
    body,
    read(answer) {
      answer.int32();
      const brokers = answer.array(() => {
        const broker = { node: answer.int32(), host: answer.text() ?? "", port: answer.int32() };
        answer.text();
        return broker;
      });
      answer.text();
      const controller = answer.int32();
      const found = answer.array(() => {
        const error = answer.int16();
        const topic = answer.text() ?? "";
        answer.int8();
        const leaders = answer.array(() => {
          const one = { error: answer.int16(), partition: answer.int32(), leader: answer.int32() };
          answer.array(() => answer.int32());
          answer.array(() => answer.int32());
          return one;
        });
        return { error, topic, leaders };
      });
      return { brokers, controller, topics: found };
    },
  };
}

/** Appends a batch to a partition; answers the offset of its first record. */
export function produce(
  topic: string,
  partition: number,
  batch: readonly Uint8Array[],
  timeoutMs: number,
): Request<number> {
  const bytes = batch.reduce((sum, piece) => sum + piece.byteLength, 0);
  const body = sink().text(undefined).int16(acksOfAll).int32(timeoutMs).int32(1).text(topic).int32(1).int32(partition)
    .int32(bytes).raw(...batch);
  return {
    api: { key: 0, version: 7 },
    body,
    read(answer) {
      answer.int32();
      answer.text();
      answer.int32();
      answer.int32();
      const error = answer.int16();
      const offset = answer.int64();
      if (error !== 0) throw new KafkaTrouble(error, `append to ${topic}`);
      return offset;
    },
  };
}

/** What stands in partitions from offsets on; waits up to `waitMs` where nothing does in any of them. */
export function fetch(all: readonly Wanted[], waitMs: number, bytesMax: number): Request<Fetched[]> {
  const body = sink().int32(-1).int32(waitMs).int32(waitMs > 0 ? 1 : 0).int32(bytesMax).int8(0);
  body.array(byTopic(all), ([topic, some]) => {
    body.text(topic).array(some, ({ partition, offset, bytesMax }) => {
      body.int32(partition).int64(offset).int64(-1).int32(bytesMax);
    });
  });
  return {
    api: { key: 1, version: 5 },
    body,
    read(answer) {
      answer.int32();
      return answer.array(() => {
        const topic = answer.text() ?? "";
        return answer.array((): Fetched => {
          const partition = answer.int32();
          const error = answer.int16();
          const end = answer.int64();
          answer.int64();
          const start = answer.int64();
          answer.array(() => [answer.int64(), answer.int64()]);
          return { topic, partition, error, end, start, records: answer.bytes() };
        });
      }).flat();
    },
  };
}

/** Where a partition begins: what stood before is gone. */
export const beginning = (topic: string, partition: number): Request<number> => offsets(topic, partition, -2);

/** The first offset of what was written at or after a time; where there is none, where the next one will stand. */
export function offsetAt(topic: string, partition: number, time: number): Request<number> {
  return offsets(topic, partition, time);
}

export const ending = (topic: string, partition: number): Request<number> => offsets(topic, partition, -1);

function offsets(topic: string, partition: number, time: number): Request<number> {
  return {
    api: { key: 2, version: 1 },
    body: sink().int32(-1).int32(1).text(topic).int32(1).int32(partition).int64(time),
    read(answer) {
      answer.int32();
      answer.text();
      answer.int32();
      answer.int32();
      const error = answer.int16();
      if (error !== 0) throw new KafkaTrouble(error, `read ${topic}`);
      answer.int64();
      return answer.int64();
    },
  };
}

export function producerId(): Request<{ readonly id: number; readonly epoch: number }> {
  return {
    api: { key: 22, version: 0 },
    body: sink().text(undefined).int32(60_000),
    read(answer) {
      answer.int32();
      const error = answer.int16();
      if (error !== 0) throw new KafkaTrouble(error, "become a producer");
      return { id: answer.int64(), epoch: answer.int16() };
    },
  };
}

/** The outcome of each topic, in order: 0 is none. */
export function createTopics(all: readonly TopicWanted[], timeoutMs: number): Request<(readonly [number, string])[]> {
  const body = sink();
  body.array(all, ({ topic, partitions, replicas, configuration }) => {
    body.text(topic).int32(partitions).int16(replicas).int32(0);
    body.array(Object.entries(configuration), ([name, value]) => body.text(name).text(value));
  }).int32(timeoutMs).int8(0);
  return {
    api: { key: 19, version: 4 },
    body,
    read(answer) {
      answer.int32();
      return answer.array((): readonly [number, string] => {
        answer.text();
        return [answer.int16(), answer.text() ?? ""];
      });
    },
  };
}

export function deleteTopics(topics: readonly string[], timeoutMs: number): Request<void> {
  const body = sink();
  body.array(topics, (topic) => body.text(topic)).int32(timeoutMs);
  return {
    api: { key: 20, version: 1 },
    body,
    read(answer) {
      answer.int32();
      answer.array(() => {
        const topic = answer.text() ?? "";
        const error = answer.int16();
        if (error !== 0 && error !== 3) throw new KafkaTrouble(error, `delete topic ${topic}`);
      });
    },
  };
}

/** What each topic is configured with. */
export function configurations(topics: readonly string[]): Request<Map<string, Map<string, string>>> {
  const ofTopics = 2;
  const body = sink();
  body.array(topics, (topic) => body.int8(ofTopics).text(topic).int32(-1)).int8(0);
  return {
    api: { key: 32, version: 1 },
    body,
    read(answer) {
      answer.int32();
      return new Map(answer.array(() => {
        const error = answer.int16();
        const message = answer.text();
        answer.int8();
        const topic = answer.text() ?? "";
        const found = answer.array((): [string, string] => {
          const entry: [string, string] = [answer.text() ?? "", answer.text() ?? ""];
          answer.int8();
          answer.int8();
          answer.int8();
          answer.array(() => [answer.text(), answer.text(), answer.int8()]);
          return entry;
        });
        if (error !== 0) throw new KafkaTrouble(error, `look up how topic ${topic} is configured`, message);
        return [topic, new Map(found)];
      }));
    },
  };
}

/** Takes away what stands below an offset. */
export function deleteRecords(topic: string, partition: number, offset: number, timeoutMs: number): Request<void> {
  return {
    api: { key: 21, version: 0 },
    body: sink().int32(1).text(topic).int32(1).int32(partition).int64(offset).int32(timeoutMs),
    read(answer) {
      answer.int32();
      answer.int32();
      answer.text();
      answer.int32();
      answer.int32();
      answer.int64();
      const error = answer.int16();
      if (error !== 0) throw new KafkaTrouble(error, `delete records of ${topic}`);
    },
  };
}
