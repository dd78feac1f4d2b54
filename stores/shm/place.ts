// Where everything of `shm:` lies, and that it lies among what is ours alone: anybody may write to /dev/shm, so that
// a folder of ours is believed only where it is a real one that nobody else can enter.
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { errnoOf } from "../file/disk.ts";
import { ShoalError } from "../error.ts";

//   <dir>/shoal-<user>/<run>/arenas/<writer>/table     what stands, written by the owner alone
//   <dir>/shoal-<user>/<run>/arenas/<writer>/data      the bytes, written by the owner alone
//   <dir>/shoal-<user>/<run>/arenas/<writer>/marks     what is gone: a word each, set by whoever releases
//   <dir>/shoal-<user>/<run>/arenas/<writer>/holds/<n> what one reader views, pins and has read
//   <dir>/shoal-<user>/<run>/making/<writer>.<pid>     an arena that is not finished
//   <dir>/shoal-<user>/<run>/going/<writer>            one that is taken away
//   <dir>/shoal-<user>/<run>/usage, seats              what each opening takes of the capacity: usage.ts, seats.ts
//   <dir>/shoal-<user>/<run>/sweeping                  who is about to take the whole run away
//   <dir>/shoal-<user>/.going-<run>-<token>            a run that is taken away
//   <dir>/shoal-<user>/<run>/logs, claims              as file/layout.ts says
// A writer is one opening of the store: its token is new each time, so that no id and no path is used twice.

export interface Place {
  readonly writer: string;
  /** Where its record stands in the owner's table, and which of all that ever stood there it is. */
  readonly slot: number;
  readonly count: number;
}

const idPattern = /^([0-9a-f]{16})-([0-9a-z]{1,6})\.([0-9a-z]{1,11})$/;

export const isWriter = (name: string): boolean => /^[0-9a-f]{16}$/.test(name);
export const idOf = ({ writer, slot, count }: Place): string => `${writer}-${slot.toString(36)}.${count.toString(36)}`;

/** The place that an id names, or nothing where this store never made such an id. */
export function placeOf(id: string): Place | undefined {
  const [, writer = "", slot, count] = idPattern.exec(id) ?? [];
  if (slot === undefined || count === undefined) return undefined;
  const place = { writer, slot: parseInt(slot, 36), count: parseInt(count, 36) };
  // One tensor has one id: leading zeros would give it more.
  return idOf(place) === id ? place : undefined;
}

export interface ArenaPaths {
  readonly folder: string;
  readonly table: string;
  readonly data: string;
  readonly marks: string;
  readonly holds: string;
}

export interface Folders {
  /** What file/layout.ts calls the root: runs lie below it. */
  readonly root: string;
  readonly run: string;
  readonly arenas: string;
  readonly making: string;
  readonly going: string;
  readonly sweeping: string;
}

export const foldersOf = (root: string, run: string): Folders => ({
  root,
  run: `${root}/${run}`,
  arenas: `${root}/${run}/arenas`,
  making: `${root}/${run}/making`,
  going: `${root}/${run}/going`,
  sweeping: `${root}/${run}/sweeping`,
});

export const pathsIn = (folder: string): ArenaPaths => ({
  folder,
  table: `${folder}/table`,
  data: `${folder}/data`,
  marks: `${folder}/marks`,
  holds: `${folder}/holds`,
});

/** The user's own folder below a directory, made where there is none. Throws where it is not safe to use. */
export function ownFolder(dir: string): string {
  const user = process.getuid?.();
  const root = `${dir}/shoal-${user ?? "user"}`;
  try {
    mkdirSync(root, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") {
      const why = `${dir} is no folder of this machine`;
      throw new ShoalError("BadInput", `Cannot open store: ${why}; name one with shm:?dir=PATH`, { cause: error });
    }
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  const found = lstatSync(root);
  const isOurs = found.isDirectory() && (user === undefined || (found.uid === user && (found.mode & 0o077) === 0));
  if (isOurs) return root;
  const why = `${root} can be entered by others`;
  throw new ShoalError(
    "Unauthorized",
    `Cannot open store: ${why}; remove it, or name another place with shm:?dir=PATH`,
  );
}

/** The names in a folder, in order; none where it is not there. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw error;
  }
}

/** Takes an arena away whole: of all who try, one moves it out of sight, and nobody meets half of it. */
export function removeArena({ arenas, going }: Folders, writer: string): boolean {
  try {
    mkdirSync(going, { recursive: true, mode: 0o700 });
    renameSync(`${arenas}/${writer}`, `${going}/${writer}`);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
  rmSync(`${going}/${writer}`, { recursive: true, force: true });
  return true;
}
