// What all openings of a run on one machine take together. Each has a seat, and at it a word that it alone writes: what
// it takes, rounded up. Who wants more first writes so and then adds up all: of two who come at once, one sees the
// other, so that together they never exceed the capacity, though both may be refused.
import { linkSync, rmSync } from "node:fs";
import { errnoOf } from "../file/disk.ts";
import type { Native } from "./native.ts";
import type { Folders } from "./place.ts";
import { createRegion, openRegion, type Region } from "./region.ts";
import { reviewed, seatsMax, sit, stand } from "./seats.ts";
import { windows } from "./windows.ts";

export interface Usage {
  /** Answers whether there was room for so many bytes more. */
  take(bytes: number): boolean;
  leave(bytes: number): void;
  /** What stands stays counted, until somebody who wants room finds it gone. */
  close(): void;
}

export interface UsageOptions {
  readonly folders: Folders;
  /** Whose arena stands already. */
  readonly writer: string;
  readonly capacityBytes: number;
  readonly native: Native | undefined;
}

const unitBytes = 256;
/** So many parts of the capacity are taken one by one: in between nobody looks at the others. */
const stepsMax = 256;
const regionBytes = 4 * seatsMax;
const wordWindows = windows(2 ** 16, 2 ** 16);

export function usage({ folders, writer, capacityBytes, native }: UsageOptions): Usage {
  const region = words(folders, writer, native);
  const stepUnits = Math.max(1, Math.ceil(capacityBytes / stepsMax / unitBytes));
  const at = (number: number): number => 4 * number;
  const seat = sit(folders, writer) ?? (reviewed(folders, writer, recount) ? sit(folders, writer) : undefined);
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

  /** Answers whether a seat, whose owner has ended, takes less than was said there. */
  function recount(number: number, bytes: number): boolean {
    const units = Math.ceil(bytes / unitBytes);
    if (units >= region.load(at(number))) return false;
    region.store(at(number), units);
    return true;
  }

  return {
    take(bytes) {
      usedBytes += bytes;
      if (usedBytes <= saidUnits * unitBytes || more()) return true;
      // Before anybody is refused, those who are gone are counted anew.
      if (reviewed(folders, writer, recount) && more()) return true;
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
      if (seat !== undefined && usedBytes === 0) stand(folders, seat, writer);
    },
  };
}

/** The words of all seats, made by whoever comes first. */
function words(folders: Folders, writer: string, native: Native | undefined): Region {
  const path = `${folders.run}/usage`;
  const options = { bytes: regionBytes, windows: wordWindows, native };
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
