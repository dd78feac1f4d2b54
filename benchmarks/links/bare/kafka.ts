// Two Kafka topics of one partition each, through kafkajs: one send at a time, of all texts that have gathered; each
// consumer starts at the end and commits nothing.

import { createRequire } from "node:module";
import type { Carriers } from "./carrier.ts";

interface Batch {
  readonly batch: { readonly messages: readonly { readonly value: { toString(): string } | null }[] };
}

interface Consumer {
  connect(): Promise<void>;
  subscribe(to: { topic: string; fromBeginning: boolean }): Promise<void>;
  run(how: { autoCommit: boolean; eachBatch: (batch: Batch) => Promise<void> }): Promise<void>;
  disconnect(): Promise<void>;
}

interface Producer {
  connect(): Promise<void>;
  send(what: { topic: string; acks: number; messages: { value: string }[] }): Promise<unknown>;
  disconnect(): Promise<void>;
}

interface Admin {
  connect(): Promise<void>;
  createTopics(what: { topics: { topic: string; numPartitions: number }[]; waitForLeaders: boolean }): Promise<boolean>;
  deleteTopics(what: { topics: string[] }): Promise<void>;
  disconnect(): Promise<void>;
}

interface Client {
  admin(): Admin;
  producer(options: { allowAutoTopicCreation: boolean }): Producer;
  consumer(options: { groupId: string; maxWaitTimeInMs: number; minBytes: number }): Consumer;
}

interface Library {
  readonly Kafka: new (options: { brokers: string[]; clientId: string; logLevel: number }) => Client;
}

const textsMax = 64;

export const kafkaCarrier: Carriers = async (where, run, side, take) => {
  const broker = /^kafka:\/\/([^/?]+)/.exec(where)?.[1] ?? "";
  // Required and not imported: only this benchmark needs it.
  const { Kafka } = createRequire(import.meta.url)("kafkajs") as Library;
  const client = new Kafka({ brokers: [broker], clientId: run, logLevel: 1 });
  const topics = ["near", "far"].map((name) => `${run}-${name}`);
  const [to, from] = (side === "near" ? topics : topics.toReversed()) as [string, string];
  const admin = client.admin();
  await admin.connect();
  if (side === "near") {
    await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1 })), waitForLeaders: true });
  }
  const producer = client.producer({ allowAutoTopicCreation: false });
  const consumer = client.consumer({ groupId: `${run}-${side}`, maxWaitTimeInMs: 100, minBytes: 1 });
  await Promise.all([producer.connect(), consumer.connect()]);
  await consumer.subscribe({ topic: from, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    // deno-lint-ignore require-await
    async eachBatch({ batch }) {
      for (const { value } of batch.messages) if (value !== null) take(value.toString());
    },
  });
  const waiting: string[] = [];
  let sending: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    while (waiting.length > 0) {
      const texts = waiting.splice(0, textsMax);
      await producer.send({ topic: to, acks: -1, messages: texts.map((value) => ({ value })) });
    }
    sending = undefined;
  }
  return {
    settings: `kafkajs; acks all, one send at a time of up to ${textsMax} texts`,
    send(text) {
      waiting.push(text);
      sending ??= sendAll();
      return waiting.length < textsMax ? undefined : sending;
    },
    async close() {
      await sending;
      await Promise.all([consumer.disconnect(), producer.disconnect()]);
      if (side === "near") await admin.deleteTopics({ topics });
      await admin.disconnect();
    },
  };
};
