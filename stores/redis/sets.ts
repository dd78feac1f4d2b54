// What is set in one turn goes to each server as one command: one answer for all of it, and one promise.
import process from "node:process";
import type { Argument } from "./client.ts";
import type { Asked, Servers } from "./servers.ts";

export interface Sets {
  /** All that go together stand, or none. */
  set(key: string, value: Uint8Array): Promise<unknown>;
}

interface Batch {
  readonly words: Argument[];
  bytes: number;
  readonly done: Promise<unknown>;
  readonly begin: () => void;
}

/** A server that writes a command is there for nobody else; and one that waits for the whole of it, for nobody at all. */
const valuesMax = 64;
const bytesMax = 2 ** 18;

export function sets(servers: Servers, asked: Asked): Sets {
  const waiting = new Map<number, Batch>();

  function send(server: number, batch: Batch): void {
    if (waiting.get(server) !== batch) return;
    waiting.delete(server);
    batch.begin();
  }

  function batchFor(server: number, key: string): Batch {
    let begin!: () => void;
    const words: Argument[] = [];
    const done = new Promise<unknown>((resolve) => {
      begin = () => resolve(servers.call(asked, key, words.length === 2 ? "SET" : "MSET", ...words));
    });
    const batch: Batch = { words, bytes: 0, done, begin };
    waiting.set(server, batch);
    process.nextTick(send, server, batch);
    return batch;
  }

  return {
    set(key, value) {
      // In a cluster the keys of one command must lie in one slot; and what is large waits for nobody.
      if (!servers.isFixed || value.byteLength > bytesMax / 2) return servers.call(asked, key, "SET", key, value);
      const server = servers.indexOf(key);
      const batch = waiting.get(server) ?? batchFor(server, key);
      batch.words.push(key, value);
      batch.bytes += value.byteLength;
      if (batch.words.length >= 2 * valuesMax || batch.bytes >= bytesMax) send(server, batch);
      return batch.done;
    },
  };
}
