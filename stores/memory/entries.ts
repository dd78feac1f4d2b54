// Which tensors stand, and until when, for all threads of a store. A tensor is first gone (nobody gets it any more),
// then free (its slot is used again): between the two stand the pins of messages and the views of handlers. Each thread
// keeps its own pins and views, and shows to the others by one bit each that it has some.
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import type { Holder, Lifetime, TensorEntry, TensorRef } from "../store.ts";
import { lateWrite } from "./pool.ts";
import { type EntriesOptions, passing } from "./passing.ts";
import {
  corrupt,
  draft,
  flags,
  inSlot,
  nextGeneration,
  owner,
  pinned,
  type Place,
  readsLeft,
  readsUnlimited,
  records,
  released,
  sealed,
  sum,
  summed,
  viewed,
} from "./record.ts";
import { closed, entryCount, pendingBytes, tensors } from "./words.ts";

/** What this thread has of a tensor. */
export interface Entry extends Place {
  readonly id: string;
  readonly bytes: number;
  readonly lifetime: Lifetime | undefined;
  readonly pins: Set<Holder>;
  views: number;
}

export interface Entries {
  /** An entry for bytes that have room already. */
  add(bytes: number, lifetime: Lifetime): Entry;
  isDraft(entry: Entry): boolean;
  /** `mark` is what every reference to the tensor comes to, and no other. */
  seal(entry: Entry, mark: number): void;
  discard(entry: Entry): void;
  bytes(entry: Entry): Uint8Array;
  /** The slab that must be in this thread before the tensor can be viewed, where it is not. */
  lacks(id: string): number | undefined;
  /** A view of the tensor that stands under an id. Throws Missing, Expired or Corrupt. */
  view(ref: TensorRef, mark: number, verify: boolean): Entry;
  unview(entry: Entry): void;
  pin(ref: TensorRef, mark: number, holder: Holder): void;
  unpin(ref: TensorRef, mark: number, holder: Holder, read: boolean): void;
  release(ref: TensorRef, mark: number): void;
  list(): Iterable<TensorEntry>;
  /** Lets go of all that another thread had, which has ended; its leases are this one's now. */
  forget(thread: number): void;
  /** Lets go of all that this thread has. */
  leave(): void;
  /** Ends all of them, and answers what was found written to. */
  close(): ShoalError[];
}

export function entries(options: EntriesOptions): Entries {
  const { run, environment, prefix, thread, words, pool, strict, sums } = options;
  const { control, wide } = words;
  const own = new Map<number, Entry>();
  const book = records(prefix, thread, words);
  const { table } = book;
  const going = passing(book, options);
  const { spare, settle, unreported } = going;

  function entryOf({ index, generation }: Place, id: string): Entry {
    const known = own.get(index);
    if (known !== undefined && known.generation === generation) return known;
    const bytes = book.bytes(table.at(index));
    const entry: Entry = { id, index, generation, bytes, lifetime: undefined, pins: new Set(), views: 0 };
    own.set(index, entry);
    return entry;
  }

  /** Forgets an entry of which this thread has nothing. */
  function tidy(entry: Entry): void {
    if (entry.views > 0 || entry.pins.size > 0) return;
    if (own.get(entry.index) === entry) own.delete(entry.index);
  }

  function dropView(entry: Entry): void {
    entry.views -= 1;
    if (entry.views > 0) return;
    book.hide(book.at(entry), viewed);
    tidy(entry);
    settle(entry);
  }

  /** Where the tensor is that a reference means; nothing where it is gone or another. */
  function meant(ref: TensorRef, mark: number): Place | undefined {
    const place = book.placeOf(ref.id);
    return place !== undefined && book.isMeant(place, mark) ? place : undefined;
  }

  /** What the clock says is done before anything else is. */
  function moveOn(place: Place): void {
    if (environment.now() >= book.deadline(book.at(place))) settle(place);
  }

  const damaged = ([index, generation]: readonly [number, number]): ShoalError =>
    lateWrite(book.idOf({ index, generation }));

  /** A place for a tensor that lies in this slot. */
  function placeFor(slot: number): Place {
    try {
      const index = spare.pop() ?? Atomics.add(control, entryCount, 1);
      return { index, generation: nextGeneration(table, index) };
    } catch (error) {
      if (slot >= 0) pool.give(slot);
      throw error;
    }
  }

  /** Whether the tensor that is viewed now is there, and is the one that is meant. */
  function stillStands(entry: Entry, mark: number, verifies: boolean): boolean {
    if (!book.isIn(entry, sealed)) return false;
    const at = book.at(entry);
    if (book.mark(at) !== mark) {
      throw new ShoalError("Corrupt", `Cannot get tensor ${entry.id}: it is another than the reference says`);
    }
    if (verifies) going.verify(entry);
    if ((Atomics.load(table.words, at + flags) & corrupt) === 0) return true;
    throw new ShoalError("Corrupt", `Cannot get tensor ${entry.id}: it was written to`);
  }

  function forget(other: number): void {
    for (const { state, ...place } of book.all()) {
      const at = book.at(place);
      book.hide(at, pinned, other);
      book.hide(at, viewed, other);
      if (table.words[at + owner] === other) {
        if (state === draft) book.move(place, draft, released);
        const ends = book.deadline(at);
        if (state === sealed && ends !== Infinity && other !== thread) going.lease(place, ends);
      }
      try {
        settle(place);
      } catch (error) {
        unreported.push(error as ShoalError);
      }
    }
  }

  return {
    add(bytes, lifetime) {
      const slot = bytes === 0 ? -1 : pool.take(bytes);
      const damage = strict && slot >= 0 ? pool.damage(slot) : undefined;
      if (damage !== undefined) {
        pool.give(slot);
        throw damaged(damage);
      }
      const place = placeFor(slot);
      const at = book.at(place);
      table.words[at + owner] = thread;
      table.words[at + flags] = 0;
      table.words[at + inSlot] = slot;
      book.write(at, { bytes, deadline: Infinity, mark: NaN });
      const reads = "reads" in lifetime ? Math.min(lifetime.reads, readsUnlimited) : readsUnlimited;
      Atomics.store(table.words, at + readsLeft, reads);
      const taken = BigInt(bytes);
      book.begin(place);
      Atomics.sub(wide, pendingBytes + thread, taken);
      Atomics.add(control, tensors, 1);
      return { id: book.idOf(place), ...place, bytes, lifetime, pins: new Set(), views: 0 };
    },
    isDraft: (entry) => book.isIn(entry, draft),
    seal(entry, mark) {
      const at = book.at(entry);
      if (sums) {
        table.words[at + sum] = crc32(going.bytes(entry)!) | 0;
        Atomics.store(table.words, at + flags, summed);
      }
      const { lifetime } = entry;
      const leaseMs = lifetime !== undefined && "leaseMs" in lifetime ? lifetime.leaseMs : Infinity;
      const deadline = environment.now() + leaseMs;
      book.write(at, { mark, deadline });
      if (!book.move(entry, draft, sealed)) throw new TypeError("Cannot seal draft: it was discarded");
      if (deadline !== Infinity) going.lease(entry, deadline);
    },
    discard(entry) {
      if (book.move(entry, draft, released)) settle(entry);
    },
    bytes: (entry) => going.bytes(entry)!,
    lacks(id) {
      const place = book.placeOf(id);
      if (place === undefined || !book.isIn(place, sealed)) return undefined;
      const slot = table.words[book.at(place) + inSlot]!;
      const slab = slot < 0 ? undefined : pool.slabOf(slot);
      return slab === undefined || pool.slab(slab) !== undefined ? undefined : slab;
    },
    view(ref, mark, verifies) {
      const place = book.placeOf(ref.id);
      if (place !== undefined && book.isIn(place, sealed)) {
        moveOn(place);
        const entry = entryOf(place, ref.id);
        if (entry.views++ === 0) book.show(book.at(place), viewed);
        let stands = false;
        try {
          stands = stillStands(entry, mark, verifies);
        } finally {
          if (!stands) dropView(entry);
        }
        if (stands) return entry;
      }
      if (place !== undefined && going.hasLapsed(place)) {
        throw new ShoalError("Expired", `Cannot get tensor ${ref.id}: its lease has lapsed`);
      }
      throw new ShoalError("Missing", `Cannot get tensor ${ref.id}: it was released, or never was in this store`);
    },
    unview(entry) {
      // A store that was closed has verified and forgotten all.
      if (Atomics.load(control, closed) !== 0 || own.get(entry.index) !== entry) return void (entry.views -= 1);
      try {
        going.verify(entry);
      } finally {
        dropView(entry);
      }
    },
    pin(ref, mark, holder) {
      const place = meant(ref, mark);
      if (place === undefined) return;
      // A message that is sent after the lease has lapsed does not bring it back.
      moveOn(place);
      if (!book.isIn(place, sealed)) return;
      const at = book.at(place);
      const entry = entryOf(place, ref.id);
      if (entry.pins.size === 0) book.show(at, pinned);
      entry.pins.add(holder);
      if (book.isIn(place, sealed)) return;
      entry.pins.delete(holder);
      if (entry.pins.size === 0) book.hide(at, pinned);
      tidy(entry);
      settle(place);
    },
    unpin(ref, mark, holder, read) {
      const place = meant(ref, mark);
      const entry = place === undefined ? undefined : own.get(place.index);
      if (place === undefined || entry?.generation !== place.generation || !entry.pins.delete(holder)) return;
      const at = book.at(place);
      if (read && Atomics.load(table.words, at + readsLeft) < readsUnlimited) {
        Atomics.sub(table.words, at + readsLeft, 1);
      }
      if (entry.pins.size === 0) book.hide(at, pinned);
      tidy(entry);
      settle(place);
    },
    release(ref, mark) {
      const place = meant(ref, mark);
      if (place === undefined) return;
      // What has lapsed stays Expired, whoever comes to release it.
      moveOn(place);
      book.move(place, sealed, released);
      settle(place);
    },
    *list() {
      for (const { state, ...place } of book.all()) {
        yield { id: book.idOf(place), run, bytes: book.bytes(book.at(place)), state: book.stateName(state) };
      }
    },
    forget,
    leave() {
      going.close();
      own.clear();
      forget(thread);
    },
    close() {
      going.close();
      for (const { state, ...place } of book.all()) {
        try {
          if (state >= sealed) going.verify(place);
        } catch (error) {
          unreported.push(error as ShoalError);
        }
      }
      for (let slot = 0; strict && slot < pool.slots; slot++) {
        const damage = pool.damage(slot);
        if (damage !== undefined) unreported.push(damaged(damage));
      }
      own.clear();
      return unreported.splice(0);
    },
  };
}
