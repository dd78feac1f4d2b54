// The topics that a place stands on: made where they are not there, and looked at before anything is written, because what
// the broker would drop or refuse in the middle of a run is better known at its start.
import { ShoalError } from "../error.ts";
import type { Client } from "./client.ts";
import { beginning, configurations, createTopics, deleteTopics, type TopicWanted } from "./requests.ts";
import { errors, isNumber, KafkaTrouble } from "./trouble.ts";

//   <place>.control   one partition: claims, and which tensors are gone. Compacted: each key is written once, and taken
//                     away by who has superseded it
//   <place>.logs      streams, each in the partition that its name says
//   <place>.tensors   a record for each tensor that was sealed, with its bytes where they are few
//   <place>.chunks    the bytes of the others

export const kinds = ["control", "logs", "tensors", "chunks"] as const;
export type Kind = (typeof kinds)[number];

export interface TopicsOptions {
  readonly client: Client;
  readonly place: string;
  /** For topics that are made. */
  readonly partitions: number;
  readonly replicas: number;
}

export interface Topic {
  readonly name: string;
  readonly partitions: number;
  /** The largest batch that it takes. */
  readonly batchBytesMax: number;
}

export interface Topics {
  readonly of: Readonly<Record<Kind, Topic>>;
  /** Each record is on the disk before it is acknowledged. */
  readonly isFlushed: boolean;
  /** There was none of them before. */
  readonly isMade: boolean;
}

const madeBytesMax = 24 * 2 ** 20;
const neededBytesMin = 2 ** 16;
const makeMs = 10_000;
/** What a broker says of a topic that it has not heard of yet. */
const passing: readonly number[] = [errors.unknownTopic, errors.leaderNotAvailable, errors.notLeader];

/** Whether a text may be the name of a place: with a kind behind it, it is a topic's. */
export const isPlace = (text: string): boolean => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$/.test(text);

export const nameOf = (place: string, kind: Kind): string => `${place}.${kind}`;

function wanted(place: string, kind: Kind, partitions: number, replicas: number): TopicWanted {
  const kept = { "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": `${madeBytesMax}` };
  const policy = kind === "control" ? "compact" : "delete";
  // What is superseded goes soon: whoever opens the store reads all of it.
  const compaction = kind === "control" ? { "segment.bytes": "33554432", "min.cleanable.dirty.ratio": "0.1" } : {};
  // By the broker's clock: how old a chunk is decides whether its tensor may still be under way.
  const clock = kind === "chunks" ? { "message.timestamp.type": "LogAppendTime" } : {};
  const configuration = { ...kept, ...clock, ...compaction, "cleanup.policy": policy, "compression.type": "producer" };
  return { topic: nameOf(place, kind), partitions: kind === "control" ? 1 : partitions, replicas, configuration };
}

export async function topicsOf({ client, place, partitions, replicas }: TopicsOptions): Promise<Topics> {
  const names = kinds.map((kind) => nameOf(place, kind));
  let found = await client.topics(names);
  const isMissing = (kind: Kind): boolean =>
    found.some(({ topic, error }) => topic === nameOf(place, kind) && error === errors.unknownTopic);
  const missing = kinds.filter(isMissing);
  // What is there already is looked at before anything is made beside it.
  const before = await looked(client, place, kinds.filter((kind) => !isMissing(kind)), found);
  if (missing.length === 0) return { ...before, isMade: false } as Topics;
  const all = missing.map((kind) => wanted(place, kind, partitions, replicas));
  const outcomes = await client.controlling(() => createTopics(all, makeMs));
  for (const [topic, [number, message]] of outcomes) {
    // Somebody else has made it meanwhile: it is looked at below, whoever made it.
    if (number !== 0 && number !== errors.topicExists) {
      throw new KafkaTrouble(number, `make topic ${topic}`, message);
    }
  }
  found = await settled(client, names);
  const isMade = [...outcomes.values()].every(([number]) => number === 0) && missing.length === kinds.length;
  return { ...await looked(client, place, kinds, found), isMade } as Topics;
}

/** How some of a place's topics are. Throws where one cannot be used, or would not keep a run. */
async function looked(
  client: Client,
  place: string,
  some: readonly Kind[],
  found: Awaited<ReturnType<Client["topics"]>>,
): Promise<{ readonly of: Partial<Topics["of"]>; readonly isFlushed: boolean }> {
  const names = some.map((kind) => nameOf(place, kind));
  for (const { topic, error } of found) {
    if (names.includes(topic) && error !== 0) throw new KafkaTrouble(error, `use topic ${topic}`);
  }
  const said = names.length === 0
    ? new Map<string, Map<string, string>>()
    : await client.anyone(() => configurations(names));
  const of: Partial<Record<Kind, Topic>> = {};
  for (const kind of some) {
    const name = nameOf(place, kind);
    const partitions = found.find(({ topic }) => topic === name)?.leaders.length ?? 0;
    of[kind] = { name, partitions, batchBytesMax: checked(name, kind, said.get(name) ?? new Map(), partitions) };
  }
  return { of, isFlushed: names.every((name) => said.get(name)?.get("flush.messages") === "1") };
}

/** A topic that was just made is not known to every broker at once. */
async function settled(client: Client, names: readonly string[]): ReturnType<Client["topics"]> {
  for (let waitedMs = 0;; waitedMs += 50) {
    const found = await client.topics(names);
    const isKnown = found.every(({ error, leaders }) => error === 0 && leaders.every(({ leader }) => leader >= 0));
    const mayBe = found.every(({ error }) => error === 0 || passing.includes(error));
    if (!mayBe || waitedMs > makeMs || (isKnown && await answers(client, found))) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Whether those who are said to lead know it themselves. */
async function answers(client: Client, found: Awaited<ReturnType<Client["topics"]>>): Promise<boolean> {
  try {
    await Promise.all(
      found.flatMap(({ topic, leaders }) =>
        leaders.map(({ partition }) => client.leading(topic, partition, "ask", () => beginning(topic, partition)))
      ),
    );
    return true;
  } catch (error) {
    if (isNumber(error, ...passing)) return false;
    throw error;
  }
}

/** The largest batch that a topic takes. Throws BadInput where it would not keep a run. */
function checked(name: string, kind: Kind, said: ReadonlyMap<string, string>, partitions: number): number {
  const bad = (what: string, cure: string): ShoalError =>
    new ShoalError("BadInput", `Cannot open store: topic ${name} ${what}; ${cure}`);
  const alter = (setting: string): string =>
    `kafka-configs.sh --alter --entity-type topics --entity-name ${name} --add-config ${setting} changes it`;
  const policy = said.get("cleanup.policy") ?? "delete";
  if (kind !== "control" && policy.includes("compact")) {
    throw bad(`has cleanup.policy=${policy}, which would take away most of the run`, alter("cleanup.policy=delete"));
  }
  if (policy.includes("delete")) {
    for (const limit of ["retention.ms", "retention.bytes"]) {
      const value = Number(said.get(limit) ?? -1);
      if (value < 0) continue;
      throw bad(`has ${limit}=${value}, which would delete the run while it goes on`, alter(`${limit}=-1`));
    }
  }
  const bytes = Number(said.get("max.message.bytes") ?? 0);
  if (bytes < neededBytesMin) {
    const why = `takes records of ${bytes} bytes at most, and ${neededBytesMin} are wanted at least`;
    throw bad(why, alter(`max.message.bytes=${madeBytesMax}`));
  }
  if (kind === "control" && partitions !== 1) {
    throw bad(
      `has ${partitions} partitions, and what must be in one order needs exactly one`,
      "make it again with one",
    );
  }
  return bytes;
}

/** Takes a place away whole. */
export async function removePlace(client: Client, place: string): Promise<void> {
  const names = kinds.map((kind) => nameOf(place, kind));
  await client.controlling(() => deleteTopics(names, makeMs));
  // Not every broker knows of it at once, and one that does not would name them to whoever asks next.
  for (let waitedMs = 0; waitedMs <= makeMs; waitedMs += 50) {
    if ((await client.topics(names)).every(({ error }) => error === errors.unknownTopic)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
