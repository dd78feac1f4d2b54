// How tensors go: by a lease that lapses, by the last of their declared reads, or by a release, and then, once nobody
// pins or views them any more, out of their slots. Any thread may be the one who sees that it is time.
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import type { StoreEnvironment } from "../store.ts";
import { leases } from "./leases.ts";
import type { Line } from "./line.ts";
import type { Pool } from "./pool.ts";
import {
  corrupt,
  flags,
  freed,
  generationsMax,
  inSlot,
  lapsed,
  link,
  pinned,
  type Place,
  readsLeft,
  type Records,
  released,
  sealed,
  sum,
  summed,
  viewed,
} from "./record.ts";
import { freeEntries, type Stack, tensors, usedBytes, type Words } from "./words.ts";

export interface EntriesOptions {
  readonly run: string;
  readonly environment: StoreEnvironment;
  /** Begins every id: no other store's begin like it. */
  readonly prefix: string;
  /** The number of this thread among those that have the store open. */
  readonly thread: number;
  readonly words: Words;
  readonly pool: Pool;
  readonly room: Line;
  readonly strict: boolean;
  readonly sums: boolean;
  readonly graceMs: number;
}

export interface Passing {
  /** Places that hold nothing. */
  readonly spare: Stack;
  /** Moves a tensor on after anything that may have been the last to keep it. */
  settle(place: Place): void;
  /** It goes at this time by itself. */
  lease(place: Place, deadline: number): void;
  /** Whether it is by its lease that it went. */
  hasLapsed(place: Place): boolean;
  /** The bytes of a tensor; nothing where their slab has not come to this thread yet. */
  bytes(place: Place): Uint8Array | undefined;
  /** Throws Corrupt where the bytes are not as they were sealed. */
  verify(place: Place): void;
  /** What was found written to by nobody's call. */
  readonly unreported: ShoalError[];
  close(): void;
}

interface Lease extends Place {
  readonly deadline: number;
}

/** How many lapsed leases are remembered as such; older ones are Missing like everything that is gone. */
const expiredMax = 65_536;

export function passing(records: Records, options: EntriesOptions): Passing {
  const { environment, words, pool, room, strict, graceMs } = options;
  const { table } = records;
  const spare = words.stack(freeEntries, table, link);
  const leased = new Map<number, Lease>();
  const expired = new Set<string>();
  const unreported: ShoalError[] = [];

  const timer = leases<Lease>(environment, graceMs, (item) => {
    if (leased.get(item.index) === item) leased.delete(item.index);
    try {
      settle(item);
    } catch (error) {
      // No call is under way that could reject with it: closing does.
      unreported.push(error as ShoalError);
    }
  });

  function settle(place: Place): void {
    const at = records.at(place);
    if (records.isIn(place, sealed) && !records.anybody(at, pinned)) {
      if (environment.now() >= records.deadline(at)) {
        Atomics.store(table.words, at + lapsed, place.generation + 1);
        remember(records.idOf(place));
        records.move(place, sealed, released);
      } else if (Atomics.load(table.words, at + readsLeft) <= 0) records.move(place, sealed, released);
    }
    if (!records.isIn(place, released) || records.anybody(at, viewed) || records.anybody(at, pinned)) return;
    const bytes = records.bytes(at);
    const [wide, less] = [words.wide, BigInt(bytes)];
    if (!freed(table, place)) return;
    // A thread can be ended where it calls or repeats something: what is counted is counted before that.
    Atomics.sub(wide, usedBytes, less);
    Atomics.sub(words.control, tensors, 1);
    end(place, bytes);
  }

  /** Its place may be another's soon. */
  function remember(id: string): void {
    expired.add(id);
    if (expired.size <= expiredMax) return;
    const [oldest] = expired;
    if (oldest !== undefined) expired.delete(oldest);
  }

  function end(place: Place, bytes: number): void {
    const { index, generation } = place;
    const lease = leased.get(index);
    if (lease?.generation === generation) {
      leased.delete(index);
      timer.remove(lease, lease.deadline);
    }
    let found: ShoalError | undefined;
    try {
      verify(place);
    } catch (error) {
      found = error as ShoalError;
    }
    const slot = table.words[records.at(place) + inSlot]!;
    if (slot >= 0) {
      if (strict) pool.fill(slot, bytes, [index, generation]);
      pool.give(slot);
    }
    if (generation < generationsMax) spare.push(index);
    room.left();
    if (found !== undefined) throw found;
  }

  function bytes(place: Place): Uint8Array | undefined {
    const at = records.at(place);
    const slot = table.words[at + inSlot]!;
    return slot < 0 ? new Uint8Array(0) : pool.bytes(slot, records.bytes(at));
  }

  function verify(place: Place): void {
    const at = records.at(place);
    if (Atomics.load(table.words, at + flags) !== summed) return;
    const data = bytes(place);
    if (data === undefined || (crc32(data) | 0) === table.words[at + sum]) return;
    Atomics.or(table.words, at + flags, corrupt);
    throw new ShoalError("Corrupt", `Tensor ${records.idOf(place)} was written to after it was sealed`);
  }

  return {
    spare,
    settle,
    lease({ index, generation }, deadline) {
      const item = { index, generation, deadline };
      leased.set(index, item);
      timer.add(item, deadline);
    },
    hasLapsed(place) {
      const at = records.at(place);
      return expired.has(records.idOf(place)) || Atomics.load(table.words, at + lapsed) === place.generation + 1;
    },
    bytes,
    verify,
    unreported,
    close: () => timer.close(),
  };
}
