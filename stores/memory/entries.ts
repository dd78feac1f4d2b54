// Which tensors stand, and until when. A tensor is first gone (nobody gets it any more), then free (its slot is used
// again): between the two stand the pins of messages and the views of handlers.
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import { releasedByte, type Slab, type Slabs, type Slot } from "../slabs.ts";
import type { Holder, Lifetime, StoreEnvironment, TensorEntry, TensorRef } from "../store.ts";
import { leases } from "./leases.ts";
import type { Room } from "./room.ts";

export interface Entry {
  readonly id: string;
  readonly bytes: number;
  readonly slot: Slot;
  readonly lifetime: Lifetime;
  state: TensorEntry["state"];
  ref: TensorRef | undefined;
  /** When its lease lapses; Infinity where it has none. */
  deadline: number;
  readsLeft: number;
  pins: Set<Holder> | undefined;
  views: number;
  /** What its bytes summed up to when they were sealed, where anybody will check. */
  sum: number | undefined;
  corrupt: boolean;
}

export interface EntriesOptions {
  readonly run: string;
  readonly environment: StoreEnvironment;
  readonly slabs: Slabs;
  readonly room: Room;
  readonly strict: boolean;
  readonly sums: boolean;
  readonly graceMs: number;
}

export interface Entries {
  readonly size: number;
  /** An entry for bytes that have room already. */
  add(bytes: number, lifetime: Lifetime): Entry;
  seal(entry: Entry, ref: TensorRef): void;
  discard(entry: Entry): void;
  /** The tensor that stands under an id. Throws Missing or Expired. */
  standing(id: string): Entry;
  /** The same for those who only hold on: nothing where nothing stands. */
  held(id: string): Entry | undefined;
  pin(entry: Entry, holder: Holder): void;
  unpin(entry: Entry, holder: Holder, read: boolean): void;
  view(entry: Entry): void;
  unview(entry: Entry): void;
  release(entry: Entry): void;
  list(): Iterable<TensorEntry>;
  /** Throws Corrupt where the bytes are not as they were sealed. */
  verify(entry: Entry): void;
  /** Ends all of them, and answers what was found written to. */
  close(): ShoalError[];
}

/** How many lapsed leases are remembered as such; older ones are Missing like everything that is gone. */
const expiredMax = 65_536;

const nowhere: Slot = {
  slab: { buffer: new SharedArrayBuffer(0), slotsMax: 1, slotsFree: 0 } satisfies Slab,
  offset: 0,
  room: 0,
};

export const bytesOf = (entry: Entry): Uint8Array =>
  new Uint8Array(entry.slot.slab.buffer, entry.slot.offset, entry.bytes);

export function entries(options: EntriesOptions): Entries {
  const { run, environment, slabs, room, strict, sums, graceMs } = options;
  const prefix = environment.token();
  const all = new Map<string, Entry>();
  const expired = new Set<string>();
  /** In strict mode: who had a free slot last, and what the pattern over its bytes sums up to. */
  const former = new WeakMap<Slot, { readonly id: string; readonly pattern: Uint8Array; readonly sum: number }>();
  const unreported: ShoalError[] = [];
  let count = 0;

  const timer = leases<Entry>(environment, graceMs, (entry) => {
    try {
      settle(entry);
    } catch (error) {
      // No call is under way that could reject with it: closing does.
      unreported.push(error as ShoalError);
    }
  });

  const isPinned = (entry: Entry): boolean => entry.pins !== undefined && entry.pins.size > 0;

  /** Moves an entry on after anything that may have been the last to keep it. */
  function settle(entry: Entry): void {
    if (entry.state === "sealed" && !isPinned(entry)) {
      if (environment.now() >= entry.deadline) {
        remember(entry.id);
        entry.state = "released";
      } else if (entry.readsLeft <= 0) entry.state = "released";
    }
    if (entry.state === "released" && entry.views === 0 && !isPinned(entry)) free(entry);
  }

  function remember(id: string): void {
    expired.add(id);
    if (expired.size <= expiredMax) return;
    const [oldest] = expired;
    if (oldest !== undefined) expired.delete(oldest);
  }

  function free(entry: Entry): void {
    if (!all.delete(entry.id)) return;
    if (entry.deadline !== Infinity) timer.remove(entry, entry.deadline);
    let found: ShoalError | undefined;
    try {
      verify(entry);
    } catch (error) {
      found = error as ShoalError;
    }
    giveBack(entry);
    room.leave(entry.bytes);
    if (found !== undefined) throw found;
  }

  function giveBack(entry: Entry): void {
    if (entry.slot === nowhere) return;
    if (strict) {
      const pattern = bytesOf(entry).fill(releasedByte);
      former.set(entry.slot, { id: entry.id, pattern, sum: crc32(pattern) });
    }
    slabs.give(entry.slot);
  }

  /** In strict mode: a slot that is not as it was left was written to by someone whose tensor it no longer is. */
  function checkFormer(slot: Slot): ShoalError | undefined {
    const left = former.get(slot);
    former.delete(slot);
    if (left === undefined || crc32(left.pattern) === left.sum) return undefined;
    return new ShoalError("Corrupt", `Tensor ${left.id} was written to after it was released`);
  }

  function verify(entry: Entry): void {
    if (entry.sum === undefined || entry.corrupt || crc32(bytesOf(entry)) === entry.sum) return;
    entry.corrupt = true;
    throw new ShoalError("Corrupt", `Tensor ${entry.id} was written to after it was sealed`);
  }

  /** The entry under an id, moved on to where the clock says that it is. */
  function current(id: string): Entry | undefined {
    const entry = all.get(id);
    if (entry !== undefined && entry.deadline !== Infinity && environment.now() >= entry.deadline) settle(entry);
    return entry?.state === "sealed" ? entry : undefined;
  }

  return {
    get size() {
      return all.size;
    },
    add(bytes, lifetime) {
      const slot = bytes === 0 ? nowhere : slabs.take(bytes);
      const damage = strict ? checkFormer(slot) : undefined;
      if (damage !== undefined) {
        slabs.give(slot);
        throw damage;
      }
      const entry: Entry = {
        id: `${prefix}-${(count++).toString(36)}`,
        bytes,
        slot,
        lifetime,
        state: "draft",
        ref: undefined,
        deadline: Infinity,
        readsLeft: "reads" in lifetime ? lifetime.reads : Infinity,
        pins: undefined,
        views: 0,
        sum: undefined,
        corrupt: false,
      };
      all.set(entry.id, entry);
      return entry;
    },
    seal(entry, ref) {
      entry.ref = ref;
      entry.state = "sealed";
      if (sums) entry.sum = crc32(bytesOf(entry));
      if (!("leaseMs" in entry.lifetime)) return;
      entry.deadline = environment.now() + entry.lifetime.leaseMs;
      timer.add(entry, entry.deadline);
    },
    discard(entry) {
      if (entry.state !== "draft") return;
      entry.state = "released";
      settle(entry);
    },
    standing(id) {
      const entry = current(id);
      if (entry !== undefined) return entry;
      if (expired.has(id)) throw new ShoalError("Expired", `Cannot get tensor ${id}: its lease has lapsed`);
      throw new ShoalError("Missing", `Cannot get tensor ${id}: it was released, or never was in this store`);
    },
    held: (id) => all.get(id),
    pin(entry, holder) {
      // A message that is sent after the lease has lapsed does not bring it back.
      if (environment.now() >= entry.deadline) settle(entry);
      if (entry.state === "sealed") (entry.pins ??= new Set()).add(holder);
    },
    unpin(entry, holder, read) {
      if (!entry.pins?.delete(holder)) return;
      if (read) entry.readsLeft -= 1;
      settle(entry);
    },
    view(entry) {
      entry.views += 1;
    },
    unview(entry) {
      entry.views -= 1;
      // A store that was closed has verified and forgotten all.
      if (!all.has(entry.id)) return;
      try {
        verify(entry);
      } finally {
        settle(entry);
      }
    },
    release(entry) {
      // What has lapsed stays Expired, whoever comes to release it.
      if (environment.now() >= entry.deadline) settle(entry);
      if (entry.state === "sealed") entry.state = "released";
      settle(entry);
    },
    *list() {
      for (const { id, bytes, state } of all.values()) yield { id, run, bytes, state };
    },
    verify,
    close() {
      timer.close();
      for (const entry of all.values()) {
        try {
          if (entry.state !== "draft") verify(entry);
        } catch (error) {
          unreported.push(error as ShoalError);
        }
      }
      for (const slot of strict ? slabs.free() : []) {
        const damage = checkFormer(slot);
        if (damage !== undefined) unreported.push(damage);
      }
      all.clear();
      expired.clear();
      return unreported.splice(0);
    },
  };
}
