// The other end of a copy in memory: a thread of the same process, which reads what this one wrote from another core, as
// another process does with a store's memory. Buffers are moved there and back: nothing is copied, and no copy of
// V8's is slower for it, as into memory that is shared.

import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { memcpyMedium } from "./limits.ts";
import type { Ref, Side } from "./medium.ts";
import { localSide } from "./side.ts";

interface Moved {
  buffer: ArrayBuffer;
}

interface Asked {
  readonly call: "put" | "check" | "release" | "ownBytesMost";
  readonly args: readonly unknown[];
}

interface Answer {
  readonly value?: unknown;
  /** What was looked at, and is given back. */
  readonly back: readonly Moved[];
  readonly error?: string;
}

const movedIn = (value: unknown): Moved[] => Array.isArray(value) ? value as Moved[] : [];
const buffersOf = (moved: readonly Moved[]): ArrayBuffer[] => moved.map(({ buffer }) => buffer);

function serveThread(): void {
  const side = localSide(memcpyMedium());
  async function answer({ call, args }: Asked): Promise<void> {
    const does = side[call] as (...args: readonly unknown[]) => Promise<unknown>;
    try {
      const value = await does(...args);
      const back = call === "check" ? movedIn(args[0]) : [];
      const leaving = [...back, ...(call === "put" ? movedIn(value) : [])];
      parentPort!.postMessage({ value, back } satisfies Answer, buffersOf(leaving));
    } catch (error) {
      parentPort!.postMessage({ back: [], error: String(error) } satisfies Answer);
    }
  }
  parentPort!.on("message", (asked: Asked) => void answer(asked));
}

/** The same side of the work in a thread of its own. */
export function threadSide(): Side {
  const worker = new Worker(new URL(import.meta.url));
  const waiting: { readonly refs: readonly Moved[]; resolve(value: unknown): void; reject(error: Error): void }[] = [];
  const fail = (error: Error): void => {
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  worker.on("message", ({ value, back, error }: Answer) => {
    const first = waiting.shift();
    if (error !== undefined) return first?.reject(new Error(error));
    first?.refs.forEach((ref, index) => ref.buffer = back[index]?.buffer ?? ref.buffer);
    first?.resolve(value);
  });
  worker.on("error", fail);
  const ask = <T>(call: Asked["call"], refs: readonly Ref[], ...args: readonly unknown[]): Promise<T> =>
    new Promise<unknown>((resolve, reject) => {
      const moved = refs as readonly Moved[];
      waiting.push({ refs: moved, resolve, reject });
      worker.postMessage({ call, args } satisfies Asked, buffersOf(moved));
    }) as Promise<T>;
  return {
    put: (...args) => ask("put", [], ...args),
    check: (refs, first) => ask("check", refs, refs, first),
    release: (refs) => ask("release", refs, refs),
    ownBytesMost: () => ask("ownBytesMost", []),
    async close() {
      await worker.terminate();
    },
  };
}

if (!isMainThread) serveThread();
