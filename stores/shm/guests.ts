// Tensors in the arenas of others: what this opening views, pins and has read there, and what it has released. It says
// that it holds before it looks; what it then finds standing stays where it is for as long as it holds.
import { existsSync } from "node:fs";
import { isShoalError, ShoalError } from "../error.ts";
import { errnoOf } from "../file/disk.ts";
import { troubleOf } from "../file/trouble.ts";
import { isSameTensor } from "../reference.ts";
import type { Holder, StoreEnvironment, TensorRef } from "../store.ts";
import { type Arena, marks, openArena } from "./arena.ts";
import type { Native } from "./native.ts";
import { type Folders, isWriter, namesIn, type Place, placeOf } from "./place.ts";
import { isTold, pinsAt, readsAt, states, type Told } from "./record.ts";
import { enter, type Holds, type Roster, roster as arenaRoster } from "./roster.ts";
import { isOwned, takeOrphans } from "./sweep.ts";

/** A tensor that another owns, held by a view until `done`. */
export interface Found {
  readonly arena: Arena;
  readonly told: Told;
  done(): void;
}

export interface Guests {
  /** Throws Missing, Expired, Corrupt or Unavailable. */
  find(ref: TensorRef, place: Place): Found;
  release(ref: TensorRef): void;
  pin(ref: TensorRef, holder: Holder): void;
  unpin(ref: TensorRef, holder: Holder, read: boolean): void;
  /** The arena of another, or nothing where there is none. */
  arena(writer: string): Arena | undefined;
  /** Asks all owners but this one to give back the memory that they do not use. */
  askAll(own: string): void;
  close(): void;
}

interface Visit {
  readonly arena: Arena;
  readonly holds: Holds;
  readonly roster: Roster;
  /** What is held in each slot, whatever stands there. */
  readonly slots: Map<number, { views: number; pins: number }>;
}

interface Pinned {
  readonly ref: TensorRef;
  readonly holders: Set<Holder>;
}

export interface GuestsOptions {
  readonly folders: Folders;
  /** Whose guest visits these are: the writer of this opening. */
  readonly opening: string;
  readonly native: Native | undefined;
  readonly strict: boolean;
  readonly environment: StoreEnvironment;
}

/** How often it is looked whose arenas can be left. */
const leaveMs = 1_000;

export function gone(code: "Missing" | "Expired", id: string): ShoalError {
  const why = code === "Expired" ? "its lease has lapsed" : "it was released, or never was in this store";
  return new ShoalError(code, `Cannot get tensor ${id}: ${why}`);
}

/**
 * The memory of others cannot be written to: the system ends the process that tries. In strict mode it can, so that
 * the program is told which tensor it was.
 */
export function guests({ folders, opening, native, strict, environment }: GuestsOptions): Guests {
  const arenas = new Map<string, Arena>();
  const visits = new Map<string, Visit>();
  const pinned = new Map<string, Pinned>();
  let isClosed = false;
  let leftAt = environment.now();
  let cancelLeaving: (() => void) | undefined;

  /** Nobody puts into the arena of one who is gone: who holds nothing there leaves it, and the last one takes it away. */
  function leave(): void {
    leftAt = environment.now();
    const left: string[] = [];
    for (const [writer, known] of arenas) {
      const visit = visits.get(writer);
      if (visit !== undefined && visit.slots.size > 0 || isOwned(known)) continue;
      visit?.holds.close();
      visit?.roster.close();
      known.close();
      visits.delete(writer);
      arenas.delete(writer);
      left.push(writer);
    }
    takeOrphans(folders, opening, left);
  }

  function leaveSoon(): void {
    if (isClosed) return;
    cancelLeaving ??= environment.after(leaveMs, () => {
      cancelLeaving = undefined;
      leave();
    });
  }

  function arena(writer: string): Arena | undefined {
    const known = arenas.get(writer);
    if (known !== undefined && !known.ended) return known;
    if (known !== undefined) return undefined;
    const opened = openArena(folders, writer, native, strict ? "change" : "read");
    if (opened !== undefined) arenas.set(writer, opened);
    return opened;
  }

  function visit(writer: string): Visit | undefined {
    if (environment.now() - leftAt >= leaveMs) leave();
    const found = arena(writer);
    if (found === undefined) return undefined;
    let known = visits.get(writer);
    if (known !== undefined) return known;
    try {
      const holds = enter(found, opening);
      known = { arena: found, holds, roster: arenaRoster(found, holds.number), slots: new Map() };
      visits.set(writer, known);
      return known;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw troubleOf(error, "hold a tensor");
    }
  }

  function change({ arena, holds, slots }: Visit, slot: number, views: number, pins: number): void {
    const held = slots.get(slot) ?? { views: 0, pins: 0 };
    if (views > 0 || pins > 0) {
      try {
        holds.reserve(slot);
      } catch (error) {
        throw troubleOf(error, "hold a tensor");
      }
    }
    held.views += views;
    held.pins += pins;
    if (views !== 0) holds.setViews(slot, held.views);
    if (pins !== 0) holds.setPins(slot, held.pins);
    if (held.views !== 0 || held.pins !== 0) return void slots.set(slot, held);
    slots.delete(slot);
    if (slots.size === 0) leaveSoon();
    // The last who held what is gone: its place can be used again.
    if (arena.mark(slot) !== marks.none) holds.released(slot);
  }

  /** Whether there is such a slot: nothing is held, or looked at, behind the last. */
  const mayStand = ({ arena }: Visit, { slot }: Place): boolean => slot < arena.slotsReserved;

  /** What stands in a slot that is held; nothing where it is another, by its number, or is gone. */
  function standing({ arena }: Visit, { slot, count }: Place): Told | "Missing" | "Expired" {
    if (arena.ended || arena.state(slot) !== states.sealed) return "Missing";
    const told = arena.told(slot);
    if (told === undefined || told.count !== count) return "Missing";
    const mark = arena.mark(slot);
    if (mark === marks.none) return told;
    return mark === marks.late ? "Expired" : "Missing";
  }

  /** Holds what a reference means while it is looked at; answers nothing where it does not stand, or is another. */
  function whileHeld(ref: TensorRef, use: (at: Visit, place: Place, told: Told) => void): void {
    const place = placeOf(ref.id);
    const at = place && visit(place.writer);
    if (place === undefined || at === undefined || !mayStand(at, place)) return;
    change(at, place.slot, 1, 0);
    try {
      const told = standing(at, place);
      if (typeof told !== "string" && isTold(told, ref)) use(at, place, told);
    } finally {
      change(at, place.slot, -1, 0);
    }
  }

  /** It is held here, and the owner learns of it when it is not any more. */
  function setGone({ arena }: Visit, slot: number): void {
    arena.setMark(slot, marks.released);
  }

  /** Takes away what has been read as often as its maker said, by whomever, and is pinned by nobody. */
  function endIfRead({ arena, holds, roster, slots }: Visit, { slot, count }: Place, { lifetime }: Told): boolean {
    if (!("reads" in lifetime)) return false;
    const isPinned = (slots.get(slot)?.pins ?? 0) > 0 || arena.word(slot, pinsAt) > 0 || roster.isPinned(slot);
    const reads = arena.word(slot, readsAt) + holds.reads(slot, count) + roster.reads(slot, count);
    return !isPinned && reads >= lifetime.reads;
  }

  return {
    arena,
    askAll(own) {
      for (const writer of namesIn(folders.arenas)) {
        if (!isWriter(writer) || writer === own) continue;
        try {
          const found = arena(writer);
          if (found !== undefined) found.wanted = (found.wanted + 1) >>> 0;
        } catch (error) {
          // One that is damaged has nothing to give.
          if (!isShoalError(error)) throw error;
        }
      }
    },
    find(ref, place) {
      const at = visit(place.writer);
      if (at === undefined) {
        // A file system that is not mounted has no tensors either, and must not be taken for one that lost them.
        if (existsSync(folders.run)) throw gone("Missing", ref.id);
        throw new ShoalError("Unavailable", `Cannot get tensor ${ref.id}: the store's folder is not there`);
      }
      if (!mayStand(at, place)) throw gone("Missing", ref.id);
      const { slot } = place;
      change(at, slot, 1, 0);
      try {
        const told = standing(at, place);
        if (typeof told === "string") throw gone(told, ref.id);
        if (!isTold(told, ref) || told.offset + told.bytes > at.arena.dataBytes) {
          throw new ShoalError("Corrupt", `Cannot get tensor ${ref.id}: it is another than the reference says`);
        }
        let isDone = false;
        return {
          arena: at.arena,
          told,
          done() {
            if (isDone || isClosed) return;
            isDone = true;
            change(at, slot, -1, 0);
          },
        };
      } catch (error) {
        change(at, slot, -1, 0);
        throw error;
      }
    },
    release: (ref) => whileHeld(ref, (at, { slot }) => setGone(at, slot)),
    pin(ref, holder) {
      const known = pinned.get(ref.id);
      if (known !== undefined && (known.holders.has(holder) || !isSameTensor(known.ref, ref))) return;
      whileHeld(ref, (at, { slot }) => {
        change(at, slot, 0, 1);
        // Released between the look and the pin: then it is gone, and the pin holds nothing.
        if (at.arena.mark(slot) !== marks.none) return change(at, slot, 0, -1);
        if (known === undefined) pinned.set(ref.id, { ref, holders: new Set([holder]) });
        else known.holders.add(holder);
      });
    },
    unpin(ref, holder, read) {
      const known = pinned.get(ref.id);
      const place = placeOf(ref.id);
      if (isClosed || place === undefined || known === undefined || !isSameTensor(known.ref, ref)) return;
      if (!known.holders.delete(holder)) return;
      if (known.holders.size === 0) pinned.delete(ref.id);
      const { slot, count } = place;
      // Held by the pin until here, so that the line is there.
      const at = visits.get(place.writer)!;
      if (read) at.holds.setReads(slot, count, at.holds.reads(slot, count) + 1);
      change(at, slot, 1, -1);
      const told = standing(at, place);
      if (typeof told !== "string" && endIfRead(at, place, told)) setGone(at, slot);
      change(at, slot, -1, 0);
    },
    close() {
      isClosed = true;
      cancelLeaving?.();
      for (const { holds, roster } of visits.values()) {
        holds.close();
        roster.close();
      }
      for (const known of arenas.values()) known.close();
    },
  };
}
