// The tensors of this opening's own arena: which stand, and until when. One is first gone (nobody gets it any more),
// then free (its place is used again): between the two stand the pins and views of this process and of all others.
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import { leases } from "../memory/leases.ts";
import { marks } from "./arena.ts";
import type { Entry, Owned, OwnedOptions } from "./entry.ts";
import { idOf } from "./place.ts";
import { checksumOf, dimensionsInRecord, pinsAt, readsAt, states } from "./record.ts";
import { slots as tableSlots } from "./slots.ts";
import type { Chunk } from "./space.ts";

const expiredMax = 65_536;

export function owned(options: OwnedOptions): Owned {
  const { run, arena, roster, space, leave, environment, sums, graceMs, onTake, onGive, onFreed, bytesOf, onKept } =
    options;
  const all = new Map<string, Entry>();
  const slots = tableSlots<Entry>(arena);
  const expired = new Set<string>();
  /** Those that others keep: gone and still held, or lapsed and still pinned. */
  let kept = new Set<Entry>();
  const unreported: ShoalError[] = [];
  let count = 0;

  const timer = leases<Entry>(environment, graceMs, quietly);

  /** Where no call is under way that could reject with it, closing does. */
  function quietly(entry: Entry): void {
    try {
      settle(entry);
    } catch (error) {
      unreported.push(error as ShoalError);
    }
  }

  const isPinned = (entry: Entry): boolean => entry.pins !== undefined && entry.pins.size > 0;

  /** Moves an entry on after anything that may have been the last to keep it. */
  function settle(entry: Entry): void {
    if (all.get(entry.id) !== entry) return;
    if (entry.state === "sealed" && arena.mark(entry.slot) !== marks.none) entry.state = "released";
    if (entry.state === "sealed" && !isPinned(entry)) {
      const { lifetime, slot } = entry;
      const isLate = environment.now() >= entry.deadline;
      const isRead = "reads" in lifetime && entry.reads + roster.reads(slot, entry.count) >= lifetime.reads;
      if (isLate || isRead) {
        if (roster.isPinned(slot)) keep(entry);
        else if (isLate) lapse(entry);
        else end(entry, marks.released);
      }
    }
    if (entry.state !== "released" || entry.views > 0 || isPinned(entry)) return;
    if (entry.ref !== undefined && roster.isHeld(entry.slot)) keep(entry);
    else free(entry);
  }

  function keep(entry: Entry): void {
    kept.add(entry);
    onKept();
  }

  function end(entry: Entry, mark: number): void {
    entry.state = "released";
    arena.setMark(entry.slot, mark);
  }

  function lapse(entry: Entry): void {
    expired.add(entry.id);
    if (expired.size > expiredMax) expired.delete(expired.keys().next().value ?? "");
    end(entry, marks.late);
  }

  function free(entry: Entry): void {
    kept.delete(entry);
    if (entry.deadline !== Infinity) timer.remove(entry, entry.deadline);
    let found: ShoalError | undefined;
    try {
      verify(entry);
    } catch (error) {
      found = error as ShoalError;
    }
    empty(entry);
    onFreed();
    leave(entry.bytes);
    if (found !== undefined) throw found;
  }

  function empty(entry: Entry): void {
    all.delete(entry.id);
    arena.setState(entry.slot, states.free);
    slots.give(entry.slot);
    giveBack(entry.chunk, entry.id);
    giveBack(entry.more, entry.id);
  }

  function giveBack(chunk: Chunk | undefined, id: string): void {
    if (chunk === undefined) return;
    onGive(chunk, id);
    space.give(chunk);
  }

  function verify(entry: Entry): void {
    if (entry.sum === undefined || entry.corrupt || crc32(bytesOf(entry)) === entry.sum) return;
    entry.corrupt = true;
    throw new ShoalError("Corrupt", `Tensor ${entry.id} was written to after it was sealed`);
  }

  function taken(bytes: number): Chunk | undefined {
    if (bytes === 0) return undefined;
    const chunk = space.take(bytes);
    try {
      onTake(chunk);
      return chunk;
    } catch (error) {
      space.give(chunk);
      throw error;
    }
  }

  /** The entry under an id, moved on to where the clock and all others say that it is. */
  function current(id: string): Entry | undefined {
    const entry = all.get(id);
    if (entry === undefined) return undefined;
    if (environment.now() >= entry.deadline || arena.mark(entry.slot) !== marks.none) settle(entry);
    return entry.state === "sealed" ? entry : undefined;
  }

  function look(thoroughly: boolean): void {
    if (thoroughly) {
      roster.bury((slot, ofCount, reads) => {
        const entry = slots.get(slot);
        if (entry === undefined || entry.count >>> 0 !== ofCount) return;
        entry.reads += reads;
        arena.setWord(slot, readsAt, entry.reads);
        quietly(entry);
      });
    }
    const released = roster.released();
    if (released !== undefined && !thoroughly) {
      for (const slot of released) {
        const entry = slots.get(slot);
        if (entry !== undefined) quietly(entry);
      }
      return;
    }
    for (const entry of slots) if (entry?.state === "sealed" && arena.mark(entry.slot) !== marks.none) quietly(entry);
    const again = kept;
    kept = new Set();
    for (const entry of again) quietly(entry);
  }

  return {
    get size() {
      return all.size;
    },
    get isEmpty() {
      return all.size === 0;
    },
    get isWaiting() {
      return kept.size > 0;
    },
    add(bytes, dimensions, lifetime) {
      const chunk = taken(bytes);
      let more: Chunk | undefined;
      let slot: number;
      try {
        more = dimensions > dimensionsInRecord ? taken(8 * (dimensions - dimensionsInRecord)) : undefined;
        slot = slots.take();
      } catch (error) {
        if (chunk !== undefined) space.give(chunk);
        if (more !== undefined) space.give(more);
        throw error;
      }
      const own = count++;
      const entry: Entry = {
        id: idOf({ writer: arena.writer, slot, count: own }),
        slot,
        count: own,
        bytes,
        chunk,
        more,
        lifetime,
        state: "draft",
        ref: undefined,
        deadline: Infinity,
        reads: 0,
        pins: undefined,
        views: 0,
        sum: undefined,
        corrupt: false,
      };
      arena.setState(slot, states.draft);
      arena.setMark(slot, marks.none);
      slots.set(slot, entry);
      all.set(entry.id, entry);
      return entry;
    },
    seal(entry, ref, sum) {
      const { slot, more, lifetime } = entry;
      entry.sum = sums ? sum : undefined;
      if (more !== undefined) {
        arena.data.write(more.offset, new Uint8Array(Float64Array.from(ref.shape.slice(dimensionsInRecord)).buffer));
      }
      arena.tell(slot, {
        count: entry.count,
        offset: entry.chunk?.offset ?? 0,
        bytes: entry.bytes,
        dtype: ref.dtype,
        shape: ref.shape,
        lifetime,
        checksum: checksumOf(ref),
        sum: entry.sum,
        more: more?.offset ?? 0,
      });
      entry.ref = ref;
      entry.state = "sealed";
      if (!("leaseMs" in lifetime)) return;
      entry.deadline = environment.now() + lifetime.leaseMs;
      timer.add(entry, entry.deadline);
    },
    discard(entry) {
      if (entry.state !== "draft") return;
      entry.state = "released";
      settle(entry);
    },
    retract(entry) {
      entry.state = "released";
      empty(entry);
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
      if (current(entry.id) === undefined) return;
      (entry.pins ??= new Set()).add(holder);
      arena.setWord(entry.slot, pinsAt, entry.pins.size);
    },
    unpin(entry, holder, read) {
      if (!entry.pins?.delete(holder)) return;
      if (read) {
        entry.reads += 1;
        arena.setWord(entry.slot, readsAt, entry.reads);
      }
      arena.setWord(entry.slot, pinsAt, entry.pins.size);
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
      if (current(entry.id) !== undefined) end(entry, marks.released);
      settle(entry);
    },
    *list() {
      for (const { id, bytes, state } of all.values()) yield { id, run, bytes, state };
    },
    verify,
    look,
    close() {
      timer.close();
      for (const entry of all.values()) {
        try {
          if (entry.state !== "draft") verify(entry);
        } catch (error) {
          unreported.push(error as ShoalError);
        }
        if (entry.state === "draft") arena.setState(entry.slot, states.free);
      }
      all.clear();
      kept.clear();
      expired.clear();
      return unreported.splice(0);
    },
  };
}
