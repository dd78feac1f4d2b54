// An arena: what one opening of the store owns. It alone writes the table and the data; whoever releases sets a mark;
// and each reader says in a file of his own what he holds. The owner uses nothing again that is held.
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { ShoalError } from "../error.ts";
import { errnoOf } from "../file/disk.ts";
import type { Native } from "./native.ts";
import { type ArenaPaths, type Folders, pathsIn } from "./place.ts";
import { type Member, memberBytesMax, memberFrom, ownMember } from "./process.ts";
import { recordBytes, scratch, states, type Told } from "./record.ts";
import { createRegion, openRegion, type Region, type RegionOptions } from "./region.ts";
import { type Windows, windows } from "./windows.ts";

/** More tensors an arena does not hold at once. */
export const slotsMax: number = 2 ** 20;
/** So many slots take space together: the more there are already, the more follow. */
const slotsStep = { min: 2 ** 7, max: 2 ** 12 } as const;
export const dataWindows: Windows = windows(2 ** 20, 2 ** 28);
const slotWindows = windows(2 ** 16, 2 ** 23);
/** So many are looked at in one piece. */
const slotsLookedAt = 256;

const magic = 0x6d68_7373;
const version = 1;
const tableHeadBytes = 4_096;
const marksHeadBytes = 64;
const tableBytes = tableHeadBytes + slotsMax * recordBytes;
const marksBytes = marksHeadBytes + 4 * slotsMax;
/** Words of the table's head. */
const head = { magic: 0, version: 4, owner: 8, slotsReserved: 12, slotsUsed: 16, dataBytes: 24, member: 64 } as const;
/**
 * Words of the marks' head, which anybody may set: the reader that came last; that all of it is taken away; and who
 * asked last that memory which is not used go back; that its owner has ended, though his process has not; and since when
 * it is known that he has.
 */
const markHead = { roster: 0, ended: 4, wanted: 8, buried: 12, left: 16 } as const;

/** Why a tensor is gone. */
export const marks = { none: 0, released: 1, late: 2 } as const;

export interface Arena {
  readonly writer: string;
  readonly paths: ArenaPaths;
  readonly dataBytes: number;
  readonly data: Region;
  readonly native: Native | undefined;
  /** Slots that a record may stand in: the owner takes space for them first. */
  readonly slotsReserved: number;
  readonly slotsUsed: number;
  reserveSlots(count: number): void;
  useSlots(count: number): void;
  state(slot: number): number;
  setState(slot: number, state: number): void;
  /** One of the two words of a record that the owner changes while it stands. */
  setWord(slot: number, at: number, value: number): void;
  word(slot: number, at: number): number;
  tell(slot: number, told: Told): void;
  told(slot: number): Told | undefined;
  /** The slots in which a tensor stands, looked at in pieces. */
  standing(): Generator<number, void, undefined>;
  mark(slot: number): number;
  setMark(slot: number, mark: number): void;
  roster: number;
  /** Everything in it has been taken away, whatever its table says. */
  ended: boolean;
  /** Changes where somebody finds no memory: what the owner does not use would help him. */
  wanted: number;
  /** When a sweep first found its owner gone, in tenths of a second of the machine's own time; 0 before. */
  left: number;
  /** The thread that owned it has ended, and closed nothing. */
  bury(): void;
  readonly owner: { readonly member: Member | undefined; readonly isClosed: boolean };
  closeOwner(): void;
  close(): void;
}

const tableOptions = (native: Native | undefined): RegionOptions => ({
  bytes: tableBytes,
  windows: slotWindows,
  native,
});
const marksOptions = (native: Native | undefined): RegionOptions => ({
  bytes: marksBytes,
  windows: slotWindows,
  native,
});
const dataOptions = (bytes: number, native: Native | undefined): RegionOptions => ({
  bytes,
  windows: dataWindows,
  native,
});

/** Makes an arena out of sight, and shows it whole. */
export function createArena(folders: Folders, writer: string, dataBytes: number, native: Native | undefined): Arena {
  const making = pathsIn(`${folders.making}/${writer}.${process.pid}`);
  mkdirSync(making.holds, { recursive: true, mode: 0o700 });
  const regions: Region[] = [];
  try {
    const made = (path: string, firstBytes: number, its: RegionOptions): Region => {
      const region = createRegion(path, firstBytes, its);
      regions.push(region);
      return region;
    };
    const table = made(making.table, tableHeadBytes, tableOptions(native));
    const marking = made(making.marks, marksHeadBytes, marksOptions(native));
    const data = made(making.data, 0, dataOptions(dataBytes, native));
    table.write(head.dataBytes, new Uint8Array(Float64Array.of(dataBytes).buffer));
    table.write(head.member, ownMember(writer));
    table.store(head.owner, 1);
    table.store(head.version, version);
    table.store(head.magic, magic);
    mkdirSync(folders.arenas, { recursive: true, mode: 0o700 });
    renameSync(making.folder, `${folders.arenas}/${writer}`);
    return arenaOf(writer, pathsIn(`${folders.arenas}/${writer}`), { table, marking, data }, dataBytes, native);
  } catch (error) {
    for (const region of regions) region.close();
    rmSync(making.folder, { recursive: true, force: true });
    throw error;
  }
}

/** Opens another's arena, or nothing where there is none. Throws Corrupt or Incompatible where it is not one of ours. */
export function openArena(
  folders: Folders,
  writer: string,
  native: Native | undefined,
  data: "read" | "change" = "read",
): Arena | undefined {
  const paths = pathsIn(`${folders.arenas}/${writer}`);
  const regions: Region[] = [];
  const opened = (path: string, how: "read" | "change", its: RegionOptions): Region => {
    const region = openRegion(path, how, its);
    if (region === undefined) throw damaged(writer, "a file of it is too short");
    regions.push(region);
    return region;
  };
  try {
    const table = opened(paths.table, "read", tableOptions(native));
    if (table.load(head.magic) !== magic) throw damaged(writer, "its table is none");
    const found = table.load(head.version);
    if (found !== version) {
      throw new ShoalError("Incompatible", `Cannot open arena ${writer}: layout ${found}, this is ${version}`);
    }
    const marking = opened(paths.marks, "change", marksOptions(native));
    const length = new Float64Array(1);
    table.read(head.dataBytes, new Uint8Array(length.buffer));
    const [dataBytes = 0] = length;
    if (!Number.isSafeInteger(dataBytes) || dataBytes < 0) throw damaged(writer, "its length is none");
    const bytes = opened(paths.data, data, dataOptions(dataBytes, native));
    return arenaOf(writer, paths, { table, marking, data: bytes }, dataBytes, native);
  } catch (error) {
    for (const region of regions) region.close();
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

const damaged = (writer: string, why: string): ShoalError =>
  new ShoalError("Corrupt", `Cannot open arena ${writer}: ${why}`);

function arenaOf(
  writer: string,
  paths: ArenaPaths,
  { table, marking, data }: { readonly table: Region; readonly marking: Region; readonly data: Region },
  dataBytes: number,
  native: Native | undefined,
): Arena {
  const record = scratch();
  const recordAt = (slot: number): number => tableHeadBytes + slot * recordBytes;
  const markAt = (slot: number): number => marksHeadBytes + 4 * slot;

  function more(at: number, count: number): Float64Array {
    const dimensions = new Float64Array(count);
    if (at >= 0 && at + 8 * count <= dataBytes) data.read(at, new Uint8Array(dimensions.buffer));
    return dimensions;
  }

  return {
    writer,
    paths,
    dataBytes,
    data,
    native,
    get slotsReserved() {
      return Math.min(slotsMax, table.load(head.slotsReserved));
    },
    get slotsUsed() {
      return Math.min(table.load(head.slotsReserved), table.load(head.slotsUsed));
    },
    reserveSlots(count) {
      const before = table.load(head.slotsReserved);
      const step = Math.min(slotsStep.max, Math.max(slotsStep.min, before));
      const after = Math.min(slotsMax, Math.ceil(count / step) * step);
      marking.reserve(markAt(before), markAt(after));
      table.reserve(recordAt(before), recordAt(after));
      table.store(head.slotsReserved, after);
    },
    useSlots: (count) => table.store(head.slotsUsed, count),
    state: (slot) => table.load(recordAt(slot)),
    setState: (slot, state) => table.store(recordAt(slot), state),
    setWord: (slot, at, value) => table.store(recordAt(slot) + at, value),
    word: (slot, at) => table.load(recordAt(slot) + at),
    tell(slot, told) {
      record.write(told);
      table.write(recordAt(slot) + 4, record.bytes.subarray(4));
      table.store(recordAt(slot), states.sealed);
    },
    told(slot) {
      table.read(recordAt(slot), record.bytes);
      return record.told(more);
    },
    *standing() {
      const used = Math.min(table.load(head.slotsReserved), table.load(head.slotsUsed), slotsMax);
      const piece = Math.min(used, slotsLookedAt);
      const [words, marked] = [new Uint32Array(piece * recordBytes / 4), new Uint32Array(piece)];
      for (let first = 0; first < used; first += piece) {
        const count = Math.min(piece, used - first);
        table.read(recordAt(first), new Uint8Array(words.buffer, 0, count * recordBytes));
        marking.read(markAt(first), new Uint8Array(marked.buffer, 0, 4 * count));
        for (let at = 0; at < count; at++) {
          if (words[at * recordBytes / 4] === states.sealed && marked[at] === marks.none) yield first + at;
        }
      }
    },
    mark: (slot) => marking.load(markAt(slot)),
    setMark: (slot, mark) => marking.store(markAt(slot), mark),
    get roster() {
      return marking.load(markHead.roster);
    },
    set roster(value) {
      marking.store(markHead.roster, value);
    },
    get ended() {
      return marking.load(markHead.ended) !== 0;
    },
    set ended(value) {
      marking.store(markHead.ended, value ? 1 : 0);
    },
    get wanted() {
      return marking.load(markHead.wanted);
    },
    set wanted(value) {
      marking.store(markHead.wanted, value);
    },
    get left() {
      return marking.load(markHead.left);
    },
    set left(value) {
      marking.store(markHead.left, value);
    },
    get owner() {
      const bytes = new Uint8Array(memberBytesMax);
      table.read(head.member, bytes);
      return {
        member: memberFrom(bytes),
        isClosed: table.load(head.owner) === 2 || marking.load(markHead.buried) === 1,
      };
    },
    bury: () => marking.store(markHead.buried, 1),
    closeOwner: () => table.store(head.owner, 2),
    close() {
      for (const region of [table, marking, data]) region.close();
    },
  };
}
