// Who reads in an arena: each reader has a file that he alone writes, with a line for each slot that says how many
// views and pins he has of what stands there, and how often he has read it. What he holds is there before he looks
// whether it still stands; whoever takes away marks first and then looks who holds: one of the two sees the other.
import { rmSync } from "node:fs";
import { errnoOf } from "../file/disk.ts";
import { type Arena, slotsMax } from "./arena.ts";
import { namesIn } from "./place.ts";
import { isAlive, type Member, memberBytesMax, memberFrom, ownMember } from "./process.ts";
import { createRegion, openRegion, type Region, type RegionOptions } from "./region.ts";
import { windows } from "./windows.ts";

const headBytes = 4_096;
const lineBytes = 16;
/** So many of the last slots that were let go stand in the head; who comes too late for them looks at all slots. */
const ringSlots = 512;
/** So many lines take space together: the more there are already, the more follow. */
const linesStep = { min: 2 ** 8, max: 2 ** 12 } as const;
const lineWindows = windows(2 ** 16, 2 ** 22);
const head = { state: 0, releases: 4, lines: 8, member: 64, ring: 1_024 } as const;
const line = { views: 0, pins: 4, reads: 8, count: 12 } as const;
/** `gone` is one whose reads were taken over by the owner. */
const states = { making: 0, open: 1, closed: 2, gone: 3 } as const;

const lineAt = (slot: number): number => headBytes + slot * lineBytes;
const optionsFor = ({ native }: Arena): RegionOptions => ({
  bytes: headBytes + slotsMax * lineBytes,
  windows: lineWindows,
  native,
});
const numbersIn = (arena: Arena): number[] =>
  namesIn(arena.paths.holds).filter((name) => /^\d{1,9}$/.test(name)).map(Number).sort((a, b) => a - b);

/** What this reader holds in an arena. */
export interface Holds {
  readonly number: number;
  /** Makes sure that there is a line for a slot; throws ENOSPC. */
  reserve(slot: number): void;
  setViews(slot: number, views: number): void;
  setPins(slot: number, pins: number): void;
  /** How often it was read: of this tensor, and of none that stood there before. */
  reads(slot: number, count: number): number;
  setReads(slot: number, count: number, reads: number): void;
  /** Tells the owner that something is gone, or is not held here any more though it is gone. */
  released(slot: number): void;
  close(): void;
}

/** Says for the readers of one opening, whose thread has ended, that they hold nothing any more. */
export function leaveFor(arena: Arena, opening: string): void {
  for (const number of numbersIn(arena)) {
    const region = openRegion(`${arena.paths.holds}/${number}`, "change", optionsFor(arena));
    if (region === undefined) continue;
    try {
      const bytes = new Uint8Array(memberBytesMax);
      region.read(head.member, bytes);
      const isOpen = region.load(head.state) === states.open;
      if (isOpen && memberFrom(bytes)?.opening === opening) region.store(head.state, states.closed);
    } finally {
      region.close();
    }
  }
}

/** Enters an arena as a reader. Throws ENOENT where it was taken away meanwhile, and ENOSPC. */
export function enter(arena: Arena, opening: string): Holds {
  for (;;) {
    const number = (numbersIn(arena).at(-1) ?? -1) + 1;
    const path = `${arena.paths.holds}/${number}`;
    let region: Region;
    try {
      region = createRegion(path, lineAt(linesStep.min), optionsFor(arena));
    } catch (error) {
      if (errnoOf(error) === "EEXIST") continue;
      throw error;
    }
    try {
      region.write(head.member, ownMember(opening));
      region.store(head.lines, linesStep.min);
      region.store(head.state, states.open);
      arena.roster = number + 1;
      return holdsOf(number, region);
    } catch (error) {
      region.close();
      rmSync(path, { force: true });
      throw error;
    }
  }
}

function holdsOf(number: number, region: Region): Holds {
  let lines: number = linesStep.min;
  let releases = 0;
  return {
    number,
    reserve(slot) {
      if (slot < lines) return;
      const step = Math.min(linesStep.max, lines);
      const after = Math.min(slotsMax, Math.ceil((slot + 1) / step) * step);
      region.reserve(lineAt(lines), lineAt(after));
      region.store(head.lines, after);
      lines = after;
    },
    setViews: (slot, views) => region.store(lineAt(slot) + line.views, views),
    setPins: (slot, pins) => region.store(lineAt(slot) + line.pins, pins),
    reads: (slot, count) =>
      region.load(lineAt(slot) + line.count) === count >>> 0 ? region.load(lineAt(slot) + line.reads) : 0,
    setReads(slot, count, reads) {
      // Never the reads of one with the count of another.
      region.store(lineAt(slot) + line.reads, 0);
      region.store(lineAt(slot) + line.count, count);
      region.store(lineAt(slot) + line.reads, reads);
    },
    released(slot) {
      region.store(head.ring + 4 * (releases % ringSlots), slot);
      releases += 1;
      region.store(head.releases, releases);
    },
    close() {
      region.store(head.state, states.closed);
      region.close();
    },
  };
}

const none: readonly number[] = [];

interface Reader {
  readonly number: number;
  readonly region: Region;
  member: Member | undefined;
  releases: number;
}

/** All readers of an arena, as its owner or another reader sees them. */
export interface Roster {
  /** Whether anybody else holds on to what stands in a slot. */
  isHeld(slot: number): boolean;
  isPinned(slot: number): boolean;
  reads(slot: number, count: number): number;
  /** The slots that were let go since this was asked last; nothing where they are too many to be told. */
  released(): readonly number[] | undefined;
  /** For the owner: takes over what was read by those who have ended, and forgets them. Answers whether there were any. */
  bury(tookOver: (slot: number, count: number, reads: number) => void): boolean;
  /** Whether anybody who lives reads here. */
  isUsed(): boolean;
  close(): void;
}

/** `own` is the number of the reader who asks, whom he knows himself. */
export function roster(arena: Arena, own: number | undefined): Roster {
  const readers = new Map<number, Reader>();
  let seen = 0;

  function refresh(): void {
    const stamp = arena.roster;
    if (stamp === seen) return;
    const numbers = numbersIn(arena);
    for (const number of numbers) {
      if (number === own || readers.has(number)) continue;
      try {
        const region = openRegion(`${arena.paths.holds}/${number}`, "change", optionsFor(arena));
        // One that is still being made holds nothing, and tells of itself when it is there.
        if (region !== undefined) readers.set(number, { number, region, member: undefined, releases: 0 });
      } catch (error) {
        if (errnoOf(error) !== "ENOENT") throw error;
      }
    }
    seen = stamp;
  }

  function* lines(slot: number): Generator<readonly [Region, number], void, undefined> {
    refresh();
    for (const { region } of readers.values()) {
      if (slot < region.load(head.lines)) yield [region, lineAt(slot)];
    }
  }

  function isDead(reader: Reader): boolean | undefined {
    if (reader.member === undefined) {
      const bytes = new Uint8Array(memberBytesMax);
      reader.region.read(head.member, bytes);
      reader.member = memberFrom(bytes);
    }
    return reader.member && !isAlive(reader.member);
  }

  /** One who is just coming is not gone, even where nobody can tell yet who he is. */
  function isGone(reader: Reader): boolean {
    const state = reader.region.load(head.state);
    if (state === states.closed || state === states.gone) return true;
    return isDead(reader) ?? false;
  }

  /** One who is just coming holds nothing yet: he finds out by himself when all of it has been taken away. */
  function isThere(reader: Reader): boolean {
    const isComing = reader.region.load(head.state) === states.making;
    return !isGone(reader) && !(isComing && isDead(reader) === undefined);
  }

  return {
    isHeld(slot) {
      refresh();
      if (readers.size === 0) return false;
      for (const [region, at] of lines(slot)) {
        if (region.load(at + line.views) !== 0 || region.load(at + line.pins) !== 0) return true;
      }
      return false;
    },
    isPinned(slot) {
      for (const [region, at] of lines(slot)) if (region.load(at + line.pins) !== 0) return true;
      return false;
    },
    reads(slot, count) {
      let sum = 0;
      for (const [region, at] of lines(slot)) {
        if (region.load(at + line.count) === count >>> 0) sum += region.load(at + line.reads);
      }
      return sum;
    },
    released() {
      refresh();
      if (readers.size === 0) return none;
      const slots: number[] = [];
      let isTold = true;
      for (const reader of readers.values()) {
        const releases = reader.region.load(head.releases);
        // Some room is left, since the next may be written while these are read.
        if (releases - reader.releases > ringSlots / 2) isTold = false;
        else {for (; reader.releases < releases; reader.releases++) {
            slots.push(reader.region.load(head.ring + 4 * (reader.releases % ringSlots)));
          }}
        reader.releases = releases;
      }
      return isTold ? slots : undefined;
    },
    bury(tookOver) {
      refresh();
      const last = Math.max(-1, ...readers.keys());
      let buried = false;
      for (const reader of [...readers.values()].filter(isGone)) {
        const { region, number } = reader;
        readers.delete(number);
        buried = true;
        const used = region.load(head.state) === states.gone ? 0 : Math.min(region.load(head.lines), arena.slotsUsed);
        for (let slot = 0; slot < used; slot++) {
          const at = lineAt(slot);
          const reads = region.load(at + line.reads);
          if (reads === 0) continue;
          // First here and then there: in between there are too few, which takes nothing away.
          region.store(at + line.reads, 0);
          tookOver(slot, region.load(at + line.count), reads);
        }
        region.store(head.state, states.gone);
        region.close();
        // The last number stays, so that it is never given out again.
        if (number < last) rmSync(`${arena.paths.holds}/${number}`, { force: true });
      }
      return buried;
    },
    isUsed() {
      refresh();
      return [...readers.values()].some(isThere);
    },
    close() {
      for (const { region } of readers.values()) region.close();
      readers.clear();
    },
  };
}
