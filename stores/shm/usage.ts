// What all openings of a run on one machine take together. Each has a seat, and at it a word that it alone writes: what
// it takes, rounded up. Who wants more first writes so and then adds up all: of two who come at once, one sees the
// other, so that together they never exceed the capacity, though both may be refused.
import { existsSync, linkSync, mkdirSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { errnoOf } from "../file/disk.ts";
import type { Native } from "./native.ts";
import { type Folders, isWriter, namesIn } from "./place.ts";
import { createRegion, openRegion, type Region } from "./region.ts";

export interface Usage {
  /** Answers whether there was room for so many bytes more. */
  take(bytes: number): boolean;
  leave(bytes: number): void;
  /** What stands stays counted; a seat whose arena is gone is free. */
  close(): void;
}

export interface UsageOptions {
  readonly folders: Folders;
  /** Whose arena stands already. */
  readonly writer: string;
  readonly capacityBytes: number;
  readonly native: Native | undefined;
}

/** More openings at once are let in, and not counted. */
const seatsMax = 256;
const unitBytes = 256;
/** So many parts of the capacity are taken one by one: in between nobody looks at the others. */
const stepsMax = 256;
const regionBytes = 4 * seatsMax;

export function usage({ folders, writer, capacityBytes, native }: UsageOptions): Usage {
  const region = words(folders, writer, native);
  const seat = sit(folders, writer);
  const stepUnits = Math.max(1, Math.ceil(capacityBytes / stepsMax / unitBytes));
  const at = (number: number): number => 4 * number;
  const all = new Uint32Array(seatsMax);
  let usedBytes = 0;
  let saidUnits = 0;

  function say(units: number): void {
    saidUnits = units;
    if (seat !== undefined) region.store(at(seat), units);
  }

  function fits(units: number): boolean {
    // One look in order with all others comes first: what is read after it is no older.
    region.load(0);
    region.read(0, new Uint8Array(all.buffer));
    let others = 0;
    for (let number = 0; number < seatsMax; number++) if (number !== seat) others += all[number]!;
    // Alone, what it takes is bounded already.
    return others === 0 || (others + units) * unitBytes <= capacityBytes;
  }

  /** With some to spare where there is as much, so that the next ones need not ask. */
  function more(): boolean {
    const exact = Math.ceil(usedBytes / unitBytes);
    const before = saidUnits;
    for (const units of [Math.ceil(exact / stepUnits) * stepUnits, exact]) {
      say(units);
      if (fits(units)) return true;
    }
    say(before);
    return false;
  }

  return {
    take(bytes) {
      usedBytes += bytes;
      if (usedBytes <= saidUnits * unitBytes || more()) return true;
      // Before anybody is refused, those who are gone are not counted any more.
      if (vacate(folders, region) && more()) return true;
      usedBytes -= bytes;
      return false;
    },
    leave(bytes) {
      usedBytes -= bytes;
      const units = Math.ceil(usedBytes / unitBytes);
      if (units + 2 * stepUnits < saidUnits || units === 0) say(units);
    },
    close() {
      say(Math.ceil(usedBytes / unitBytes));
      region.close();
    },
  };
}

/** The words of all seats, made by whoever comes first. */
function words(folders: Folders, writer: string, native: Native | undefined): Region {
  const path = `${folders.run}/usage`;
  const options = { bytes: regionBytes, windowBytes: regionBytes, native };
  for (;;) {
    try {
      const found = openRegion(path, "change", options);
      if (found !== undefined) return found;
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
    const making = `${folders.making}/${writer}.${process.pid}`;
    createRegion(making, regionBytes, options).close();
    try {
      linkSync(making, path);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    } finally {
      rmSync(making, { force: true });
    }
  }
}

const seatsOf = (folders: Folders): string => `${folders.run}/seats`;

/** The first free seat: only one can make its folder. */
function sit(folders: Folders, writer: string): number | undefined {
  const seats = seatsOf(folders);
  mkdirSync(seats, { recursive: true, mode: 0o700 });
  for (let number = 0; number < seatsMax; number++) {
    try {
      mkdirSync(`${seats}/${number}`, { mode: 0o700 });
      writeFileSync(`${seats}/${number}/${writer}`, "", { mode: 0o600 });
      return number;
    } catch (error) {
      // Taken, or swept away while nobody's name stood there yet.
      if (errnoOf(error) !== "EEXIST" && errnoOf(error) !== "ENOENT") throw error;
    }
  }
  return undefined;
}

/** Frees the seats whose arenas were taken away, and answers whether there were any. */
function vacate(folders: Folders, region: Region): boolean {
  const seats = seatsOf(folders);
  let isAny = false;
  for (const number of namesIn(seats)) {
    for (const writer of namesIn(`${seats}/${number}`)) {
      if (!isWriter(writer) || existsSync(`${folders.arenas}/${writer}`)) continue;
      try {
        // Of all who try one succeeds, and until the folder is gone nobody else sits here.
        unlinkSync(`${seats}/${number}/${writer}`);
        region.store(4 * Number(number), 0);
        rmdirSync(`${seats}/${number}`);
        isAny = true;
      } catch (error) {
        if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTEMPTY") throw error;
      }
    }
  }
  return isAny;
}
