// Which tensors stand, of all writers: the account of their records, followed only by who asks for it.
import { Buffer } from "node:buffer";
import type { TensorEntry } from "../store.ts";
import { idOf } from "./bodies.ts";
import type { Client } from "./client.ts";
import { type Ledger, ledger } from "./ledger.ts";
import { isCount, keyBelow, unpacked } from "./record.ts";
import { sender } from "./sender.ts";
import type { Topic } from "./topics.ts";

export interface ListingOptions {
  readonly client: Client;
  readonly topic: Topic;
  readonly space: string;
  readonly run: string;
}

export interface Listing {
  all(): AsyncIterable<TensorEntry>;
  close(): void;
}

export function listing({ client, topic, space, run }: ListingOptions): Listing {
  const prefix = Buffer.from(`${space}\n`);
  const found = new Map<string, number>();
  let books: Ledger[] | undefined;

  function follow(partition: number): Ledger {
    const { name, batchBytesMax } = topic;
    return ledger({
      client,
      sender: sender({ client, topic: name, partition, batchBytesMax }),
      topic: name,
      partition,
      turnBytesMax: batchBytesMax,
      origin: async (first) => first,
      fold(record) {
        if (record.value === undefined || keyBelow(prefix, record) === undefined) return;
        const { k, w, i, b } = unpacked(record.value, name).head;
        if (k !== "tensor" || typeof w !== "string" || !isCount(i) || !isCount(b)) return;
        found.set(idOf({ writer: w, count: i, partition, offset: record.offset }), b);
      },
    });
  }

  return {
    async *all() {
      books ??= Array.from({ length: topic.partitions }, (_, partition) => follow(partition));
      await Promise.all(books.map((book) => book.sync()));
      for (const [id, bytes] of found) yield { id, run, bytes, state: "sealed" };
    },
    close() {
      for (const book of books ?? []) book.close();
    },
  };
}
