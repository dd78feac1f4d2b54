// The requests that a store makes, and what it wants to know of their answers.
import type { Buffer } from "node:buffer";
import type { Producer } from "./batch.ts";
import { type Fetched, fetchWire, produceWire, type Wire, wire } from "./kafkajs.ts";
import { errors, KafkaTrouble } from "./trouble.ts";

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
    readonly leaders: readonly { readonly partition: number; readonly leader: number }[];
  }[];
}

export interface TopicWanted {
  readonly topic: string;
  readonly partitions: number;
  /** -1: as many as the cluster makes unless told. */
  readonly replicas: number;
  readonly configuration: Readonly<Record<string, string>>;
}

const uncommittedToo = 0;
const ofTopics = 2;

/** The answer, or what the broker has against it. */
function good<T extends { readonly errorCode: number }>(answer: T | undefined, what: string): T {
  if (answer === undefined) throw new KafkaTrouble(-1, what);
  if (answer.errorCode !== 0) throw new KafkaTrouble(answer.errorCode, what);
  return answer;
}

export function metadata(topics: readonly string[]): Wire<Metadata> {
  return wire("Metadata", { topics, allowAutoTopicCreation: false }, (answer) => ({
    brokers: answer.brokers.map(({ nodeId: node, host, port }) => ({ node, host, port })),
    controller: answer.controllerId,
    topics: answer.topicMetadata.map(({ topicErrorCode: error, topic, partitionMetadata }) => ({
      error,
      topic,
      leaders: partitionMetadata.map(({ partitionId: partition, leader }) => ({ partition, leader })),
    })),
  }));
}

/** Appends a batch to a partition; answers the offset of its first record. */
export function produce(topic: string, partition: number, batch: readonly Buffer[], timeoutMs: number): Wire<number> {
  return produceWire(topic, partition, batch, timeoutMs, ({ topics }) => {
    return Number(good(topics[0]?.partitions[0], `append to ${topic}`).baseOffset);
  });
}

/** What stands in a partition from an offset on, if it is there; waits up to `waitMs` where nothing does yet. */
export function fetch({ topic, partition, offset, bytesMax }: Wanted, waitMs: number): Wire<Fetched> {
  const topics = [{ topic, partitions: [{ partition, fetchOffset: offset, maxBytes: bytesMax }] }];
  const minBytes = waitMs > 0 ? 1 : 0;
  const given = { maxWaitTime: waitMs, minBytes, maxBytes: bytesMax, isolationLevel: uncommittedToo, topics };
  return fetchWire(given, (found) => {
    const { error, records } = found;
    if (error !== 0 && error !== errors.offsetOutOfRange) throw new KafkaTrouble(error, `read ${topic}`);
    return { ...found, records: records.filter((record) => record.offset >= offset) };
  });
}

/** Where a partition begins: what stood before is gone. */
export const beginning = (topic: string, partition: number): Wire<number> => offsets(topic, partition, -2);

/** The first offset of what was written at or after a time; where there is none, where the next one will stand. */
export function offsetAt(topic: string, partition: number, time: number): Wire<number> {
  return offsets(topic, partition, time);
}

export const ending = (topic: string, partition: number): Wire<number> => offsets(topic, partition, -1);

function offsets(topic: string, partition: number, timestamp: number): Wire<number> {
  const given = { isolationLevel: uncommittedToo, topics: [{ topic, partitions: [{ partition, timestamp }] }] };
  return wire("ListOffsets", given, ({ responses }) => {
    return Number(good(responses[0]?.partitions[0], `read ${topic}`).offset);
  });
}

export function producerId(): Wire<Producer> {
  return wire("InitProducerId", { transactionalId: null, transactionTimeout: 60_000 }, (answer) => {
    const { producerId: id, producerEpoch: epoch } = good(answer, "become a producer");
    return { id, epoch };
  });
}

/** The outcome of each topic, by its name: 0 is none. */
export function createTopics(
  all: readonly TopicWanted[],
  timeout: number,
): Wire<ReadonlyMap<string, readonly [number, string]>> {
  const topics = all.map(({ topic, partitions, replicas, configuration }) => ({
    topic,
    numPartitions: partitions,
    replicationFactor: replicas,
    configEntries: Object.entries(configuration).map(([name, value]) => ({ name, value })),
  }));
  return wire(
    "CreateTopics",
    { topics, timeout },
    ({ topicErrors }) =>
      new Map(
        topicErrors.map(({ topic, errorCode, errorMessage }) => [topic, [errorCode, errorMessage ?? ""] as const]),
      ),
  );
}

export function deleteTopics(topics: readonly string[], timeout: number): Wire<void> {
  return wire("DeleteTopics", { topics, timeout }, ({ topicErrors }) => {
    for (const one of topicErrors) if (one.errorCode !== 3) good(one, `delete topic ${one.topic}`);
  });
}

/** What each topic is configured with. */
export function configurations(topics: readonly string[]): Wire<Map<string, Map<string, string>>> {
  const resources = topics.map((name) => ({ type: ofTopics, name, configNames: [] }));
  return wire(
    "DescribeConfigs",
    { resources, includeSynonyms: false },
    (answer) =>
      new Map(answer.resources.map(({ errorCode, errorMessage, resourceName, configEntries }) => {
        if (errorCode !== 0) {
          throw new KafkaTrouble(
            errorCode,
            `look up how topic ${resourceName} is configured`,
            errorMessage ?? undefined,
          );
        }
        return [
          resourceName,
          new Map(configEntries.map(({ configName, configValue }) => [configName, configValue ?? ""])),
        ];
      })),
  );
}

/** Takes away what stands below an offset. */
export function deleteRecords(topic: string, partition: number, offset: number, timeout: number): Wire<void> {
  const topics = [{ topic, partitions: [{ partition, offset }] }];
  return wire("DeleteRecords", { topics, timeout }, (answer) => {
    good(answer.topics[0]?.partitions[0], `delete records of ${topic}`);
  });
}
