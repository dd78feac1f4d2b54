// Appends to one partition: one batch under way at a time, under a producer's sequence, so that the broker takes it once
// however often it is sent; what is asked for meanwhile goes together in the next.
import { isShoalError, type ShoalError } from "../error.ts";
import { batchBytes, batchOf, type Producer, type Record, weightOf } from "./batch.ts";
import type { Client } from "./client.ts";
import { errors, isNumber } from "./trouble.ts";

export interface Sender {
  /** Answers the offset of the first; they stand in a row. */
  send(records: readonly Record[]): Promise<number>;
}

export interface SenderOptions {
  readonly client: Client;
  readonly topic: string;
  readonly partition: number;
  /** What the topic takes as one batch. */
  readonly batchBytesMax: number;
}

interface Waiting {
  readonly records: readonly Record[];
  readonly bytes: number;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

const recordsMax = 10_000;
const forgotten = [errors.outOfOrderSequence, errors.invalidProducerEpoch, errors.unknownProducer];

export function sender({ client, topic, partition, batchBytesMax }: SenderOptions): Sender {
  const queue: Waiting[] = [];
  let isSending = false;
  let producer: Producer | undefined;
  let sequence = 0;

  async function sent(records: readonly Record[]): Promise<number> {
    for (let isSecond = false;; isSecond = true) {
      if (producer === undefined) {
        producer = await client.producer();
        sequence = 0;
      }
      try {
        const offset = await client.produce(topic, partition, batchOf(records, producer, sequence, Date.now()));
        sequence = (sequence + records.length) % 2 ** 31;
        return offset;
      } catch (error) {
        // Nobody knows any more what the broker has seen last of this one.
        producer = undefined;
        const isForgotten = isNumber(error, ...forgotten) && (error as ShoalError).outcome === "failed";
        if (isSecond || !isForgotten) throw error;
      }
    }
  }

  async function pump(): Promise<void> {
    isSending = true;
    for (let first = queue.shift(); first !== undefined; first = queue.shift()) {
      const together = [first];
      let { bytes } = first;
      let count = first.records.length;
      for (let next = queue[0]; next !== undefined; next = queue[0]) {
        if (bytes + next.bytes > batchBytesMax || count + next.records.length > recordsMax) break;
        together.push(next);
        queue.shift();
        bytes += next.bytes;
        count += next.records.length;
      }
      try {
        let offset = await sent(together.flatMap(({ records }) => records));
        for (const { records, resolve } of together) {
          resolve(offset);
          offset += records.length;
        }
      } catch (error) {
        for (const { reject } of together) {
          reject(isShoalError(error) ? error : new Error("Cannot send", { cause: error }));
        }
      }
    }
    isSending = false;
  }

  return {
    send(records) {
      return new Promise((resolve, reject) => {
        const bytes = records.reduce((sum, one) => sum + weightOf(one), 0) + batchBytes(records.length);
        queue.push({ records, bytes, resolve, reject });
        if (!isSending) void pump();
      });
    },
  };
}
