// Two Redis streams, one each way: an entry a text, some appends in flight; a blocking XREAD on a connection of its own.

import { createRequire } from "node:module";
import type { Carriers } from "./carrier.ts";

interface Client {
  xadd(...args: string[]): Promise<unknown>;
  xread(...args: (string | number)[]): Promise<Read>;
  unlink(...keys: string[]): Promise<unknown>;
  disconnect(): void;
}

interface Library {
  readonly Redis: new (options: { readonly host: string; readonly port: number }) => Client;
}

const inFlightMax = 32;
const entriesMax = 128;

type Read = [stream: string, entries: [id: string, fields: string[]][]][] | null;

export const redisCarrier: Carriers = async (where, run, side, take) => {
  const [, host = "", port = "6379"] = /^redis:\/\/([^:/?,]+)(?::(\d+))?/.exec(where) ?? [];
  // Required and not imported: the library's one importer is the store that this is measured beside.
  const { Redis } = createRequire(import.meta.url)("ioredis") as Library;
  const [writer, reader] = [0, 1].map(() => new Redis({ host, port: Number(port) })) as [Client, Client];
  const [out, back] = side === "near" ? ["near", "far"] : ["far", "near"];
  const [to, from] = [`bench:${run}:${out}`, `bench:${run}:${back}`];
  const underWay = new Set<Promise<unknown>>();
  let isOver = false;

  async function follow(): Promise<void> {
    let last = "0";
    while (!isOver) {
      const read = await reader.xread("COUNT", entriesMax, "BLOCK", 1_000, "STREAMS", from, last);
      for (const [id, [, text = ""]] of read?.[0]?.[1] ?? []) {
        last = id;
        take(text);
      }
    }
  }
  const following = follow().catch((error: unknown) => {
    if (!isOver) throw error;
  });
  return {
    settings: `ioredis; ${inFlightMax} appends in flight`,
    send(text) {
      const appended: Promise<unknown> = writer.xadd(to, "*", "t", text).then(() => underWay.delete(appended));
      underWay.add(appended);
      return underWay.size < inFlightMax ? undefined : Promise.race(underWay).then(() => {});
    },
    async close() {
      isOver = true;
      await Promise.all(underWay);
      await writer.unlink(to, from);
      reader.disconnect();
      writer.disconnect();
      await following;
    },
  };
};
