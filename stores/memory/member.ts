// One thread's part in a `memory:` store: the same in the thread that opened it first and in those that joined.
import { ShoalError } from "../error.ts";
import type { StoreEnvironment, StoreStatistics, TensorRef } from "../store.ts";
import type { Settings } from "./calls.ts";
import { type Entries, entries as memoryEntries } from "./entries.ts";
import { type Line, line } from "./line.ts";
import { type Mesh, mesh } from "./mesh.ts";
import { type Pool, pool as memoryPool } from "./pool.ts";
import { type MemoryTensors, memoryTensors } from "./tensors.ts";
import { closed, type Ground, tensors as tensorCount, type Words, wordsOf } from "./words.ts";

export interface MemberOptions {
  readonly ground: Ground;
  readonly settings: Settings;
  readonly thread: number;
  readonly environment: StoreEnvironment;
  /** Brings a slab that has not come by itself. */
  readonly fetch: (slab: number) => Promise<void>;
  /** Lets those know who may hold on to a slab that was let go of here. */
  readonly dropped: () => void;
}

export interface Member {
  readonly words: Words;
  readonly pool: Pool;
  readonly peers: Mesh;
  readonly room: Line;
  readonly entries: Entries;
  readonly tensors: MemoryTensors;
  /** Throws once the store, or this thread's part in it, has been closed. */
  throwIfClosed(): void;
  shut(): void;
  statistics(): StoreStatistics;
}

/** Takes part in the store that stands on a ground. */
export function member({ ground, settings, thread, environment, fetch, dropped }: MemberOptions): Member {
  const { run, url, prefix, secret, strict, verify, capacityBytes, full, waitMs, graceMs } = settings;
  const words = wordsOf(ground);
  const peers = mesh(dropped);
  const pool = memoryPool(words, capacityBytes, peers);
  const room = line(words, thread, { capacityBytes, full, waitMs, environment });
  const verifyAlways = verify === "always";
  const sums = strict || verifyAlways;
  const entries = memoryEntries({ run, environment, prefix, thread, words, pool, room, strict, sums, graceMs });
  let isShut = false;

  function throwIfClosed(): void {
    if (!isShut && Atomics.load(words.control, closed) === 0) return;
    throw new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`);
  }

  const mark = (ref: TensorRef): number => markOf(secret, ref);
  const tensors = memoryTensors({
    run,
    where: "memory:",
    mark,
    fetch,
    entries,
    room,
    strict,
    verifyAlways,
    throwIfClosed,
  });
  return {
    words,
    pool,
    peers,
    room,
    entries,
    tensors,
    throwIfClosed,
    shut: () => void (isShut = true),
    statistics() {
      const bytes = room.usedBytes;
      return {
        tensors: Atomics.load(words.control, tensorCount),
        bytes,
        pooledBytes: Math.max(0, words.held - bytes),
        putBytes: tensors.putBytes,
        getBytes: tensors.getBytes,
      };
    },
  };
}

/**
 * 53 bits of all that a reference says, which nobody who does not know the secret can aim at: the checksum in the
 * reference itself is no signature, and a thread that did not make the tensor has nothing else to compare with.
 */
function markOf(secret: string, { id, dtype, shape, bytes, checksum }: TensorRef): number {
  const text = `${secret}\n${id}\n${dtype}\n${shape.join()}\n${bytes}\n${checksum}`;
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    a = Math.imul(a ^ unit, 0x9e3779b1);
    b = Math.imul(b ^ unit, 0x5f356495);
    a ^= b >>> 13;
    b ^= a >>> 16;
  }
  a = Math.imul(a ^ a >>> 16, 0x85ebca6b) ^ Math.imul(b ^ b >>> 13, 0xc2b2ae35);
  b = Math.imul(b ^ b >>> 16, 0x85ebca6b) ^ Math.imul(a ^ a >>> 13, 0xc2b2ae35);
  return 2 ** 32 * (b & 0x1f_ffff) + (a >>> 0);
}
