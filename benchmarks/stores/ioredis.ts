// What a Redis server gives without a store: a tensor as one value, as most programs keep it; and the best that a bare
// loop gets out of the same client, in chunks in a small window, with the checksum that `redis:` uses.

import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import process from "node:process";
import * as zlib from "node:zlib";
import { runtimeVersion } from "../serve.ts";
import type { Got, Medium } from "./medium.ts";

interface Client {
  set(key: string, value: Buffer): Promise<unknown>;
  getBuffer(key: string): Promise<Buffer | null>;
  unlink(...keys: string[]): Promise<unknown>;
  quit(): Promise<unknown>;
}

interface Library {
  readonly Redis: new (options: { readonly host: string; readonly port: number }) => Client;
}

const chunkBytes = 2 ** 20;
const windowChunks = 4;

function client(url: string): Client {
  const [, host = "", port = "6379"] = /^redis:\/\/([^:/?,]+)(?::(\d+))?/.exec(url) ?? [];
  // Required and not imported: the library's one importer is the store that this is measured beside.
  const { Redis } = createRequire(import.meta.url)("ioredis") as Library;
  return new Redis({ host, port: Number(port) });
}

const bufferOf = (data: Float64Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

interface Kept {
  readonly key: string;
  readonly bytes: number;
  readonly sums: readonly number[];
}

let count = 0;
const keyOf = (run: string): string => `bench:${run}:${process.pid}:${count++}`;

/** One value a tensor. */
export function plainMedium(url: string, run: string): Medium {
  const redis = client(url);
  return {
    version: `ioredis on ${runtimeVersion()}`,
    settings: "set and getBuffer of one value, as the library comes",
    isShared: true,
    async put(data) {
      const kept: Kept = { key: keyOf(run), bytes: data.byteLength, sums: [] };
      await redis.set(kept.key, bufferOf(data));
      return kept;
    },
    async get(ref): Promise<Got> {
      const { key, bytes } = ref as Kept;
      const found = await redis.getBuffer(key);
      if (found?.byteLength !== bytes) throw new Error("the value is gone");
      const isAligned = found.byteOffset % 8 === 0;
      const whole = isAligned ? found : new Uint8Array(found);
      return { data: new Float64Array(whole.buffer, whole.byteOffset, bytes / 8), done() {} };
    },
    release: async (ref) => void await redis.unlink((ref as Kept).key),
    close: async () => void await redis.quit(),
  };
}

/** Does something with each chunk, a few of them at a time. */
async function inWindow(bytes: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const line = async (): Promise<void> => {
    while (next * chunkBytes < bytes) await work(next++);
  };
  await Promise.all(Array.from({ length: windowChunks }, line));
}

/** Chunks in a window, each with its sum, read into warm memory: a limit, and no store. */
export function windowMedium(url: string, run: string): Medium {
  const redis = client(url);
  const warm = new Map<number, Float64Array[]>();
  const chunkOf = (data: Float64Array, index: number): Buffer =>
    bufferOf(data).subarray(index * chunkBytes, (index + 1) * chunkBytes);
  return {
    version: `ioredis on ${runtimeVersion()}`,
    settings: `chunks of 1 MiB, ${windowChunks} at a time, crc32, into warm memory`,
    isShared: true,
    async put(data) {
      const key = keyOf(run);
      const sums: number[] = [];
      await inWindow(data.byteLength, async (index) => {
        const chunk = chunkOf(data, index);
        sums[index] = zlib.crc32(chunk);
        await redis.set(`${key}:${index}`, chunk);
      });
      return { key, bytes: data.byteLength, sums };
    },
    async get(ref): Promise<Got> {
      const { key, bytes, sums } = ref as Kept;
      const data = warm.get(bytes)?.pop() ?? new Float64Array(bytes / 8);
      await inWindow(bytes, async (index) => {
        const found = await redis.getBuffer(`${key}:${index}`);
        if (found === null || zlib.crc32(found) !== sums[index]) throw new Error("a chunk is gone, or another");
        chunkOf(data, index).set(found);
      });
      return { data, done: () => void warm.set(bytes, [...(warm.get(bytes) ?? []), data]) };
    },
    async release(ref) {
      const { key, sums } = ref as Kept;
      await redis.unlink(...sums.map((_, index) => `${key}:${index}`));
    },
    close: async () => void await redis.quit(),
  };
}
