// Who sits where among the openings of a run: each has a seat, whose word it alone writes while it lives. Of one that
// has ended somebody else sees to it, who shows first that he does: of all who try one succeeds, and where he is killed
// before the end, the next one begins anew.
import { mkdirSync, renameSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { isShoalError } from "../error.ts";
import { errnoOf } from "../file/disk.ts";
import { type Arena, openArena } from "./arena.ts";
import { type Folders, namesIn } from "./place.ts";
import { states } from "./record.ts";
import { roster } from "./roster.ts";
import { isOwned } from "./sweep.ts";

//   <run>/seats/<n>/<writer>        somebody's seat
//   <run>/seats/<n>/<writer>.<by>   whose arena may be gone: the opening `by` is looking
//   <run>/seats/<n>                 empty: left in the middle, for anybody

/** More openings at once are let in, and not counted. */
export const seatsMax = 256;

const seatsOf = (folders: Folders): string => `${folders.run}/seats`;
const isTaken = (error: unknown): boolean => ["EEXIST", "ENOTEMPTY"].includes(errnoOf(error));

/** The first free seat; nothing where there is none. */
export function sit(folders: Folders, writer: string): number | undefined {
  const seats = seatsOf(folders);
  mkdirSync(seats, { recursive: true, mode: 0o700 });
  const making = `${folders.making}/${writer}.${process.pid}`;
  try {
    mkdirSync(making, { recursive: true, mode: 0o700 });
    writeFileSync(`${making}/${writer}`, "", { mode: 0o600 });
    for (let number = 0; number < seatsMax; number++) {
      try {
        // In the place of nothing, or of a folder that is empty: no seat is ever somebody's whose name is not there.
        renameSync(making, `${seats}/${number}`);
        return number;
      } catch (error) {
        if (!isTaken(error)) throw error;
      }
    }
    return undefined;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

/** Leaves a seat at which nothing is said any more. */
export function stand(folders: Folders, number: number, name: string): void {
  const seat = `${seatsOf(folders)}/${number}`;
  try {
    unlinkSync(`${seat}/${name}`);
    rmdirSync(seat);
  } catch (error) {
    // Somebody sits there already.
    if (!isTaken(error) && errnoOf(error) !== "ENOENT") throw error;
  }
}

/**
 * Sees to the seats of all openings that have ended: `recount` is told what one takes still, and answers whether that is
 * less than before; a seat whose arena was taken away is free. Answers whether any takes less.
 */
export function reviewed(
  folders: Folders,
  own: string,
  recount: (number: number, bytes: number) => boolean,
): boolean {
  const seats = seatsOf(folders);
  let isAny = false;
  for (const number of namesIn(seats)) {
    if (!/^\d{1,3}$/.test(number)) continue;
    for (const name of namesIn(`${seats}/${number}`)) {
      const [, writer, by] = /^([0-9a-f]{16})(?:\.([0-9a-f]{16}))?$/.exec(name) ?? [];
      if (writer === undefined || writer === own || lives(folders, writer)) continue;
      // Somebody looks already; unless it was this one, who was cut off by an error.
      if (by !== undefined && by !== own && lives(folders, by)) continue;
      const shown = `${writer}.${own}`;
      if (!renamed(`${seats}/${number}/${name}`, `${seats}/${number}/${shown}`)) continue;
      const bytes = leftBy(folders, writer);
      if (recount(Number(number), bytes ?? 0) || bytes === undefined) isAny = true;
      if (bytes === undefined) stand(folders, Number(number), shown);
      else renamed(`${seats}/${number}/${shown}`, `${seats}/${number}/${writer}`);
    }
  }
  return isAny;
}

function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return false;
  }
}

/** What somebody makes of an arena, or nothing where it is gone. One that is damaged is nobody's to judge. */
function looked<T>(folders: Folders, writer: string, unlessSound: T, look: (arena: Arena) => T): T | undefined {
  try {
    // By calls: a look at a stranger's files must not end this process.
    const arena = openArena(folders, writer, undefined);
    if (arena === undefined) return undefined;
    try {
      return look(arena);
    } finally {
      arena.close();
    }
  } catch (error) {
    if (!isShoalError(error)) throw error;
    return unlessSound;
  }
}

const lives = (folders: Folders, writer: string): boolean => looked(folders, writer, true, isOwned) ?? false;

/** What an opening that has ended takes: what stands there, and what somebody who lives still looks at. */
function leftBy(folders: Folders, writer: string): number | undefined {
  return looked(folders, writer, Infinity, (arena) => {
    const readers = roster(arena, undefined);
    try {
      const standing = new Set(arena.standing());
      const isUsed = readers.isUsed();
      let bytes = 0;
      for (let slot = 0; slot < arena.slotsUsed; slot++) {
        const isThere = standing.has(slot) || (isUsed && arena.state(slot) === states.sealed && readers.isHeld(slot));
        if (isThere) bytes += arena.told(slot)?.bytes ?? 0;
      }
      return bytes;
    } finally {
      readers.close();
    }
  });
}
