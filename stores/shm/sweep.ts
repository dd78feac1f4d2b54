// Takes away what nobody owns any more: arenas whose owner has ended, in which nothing stands, and what was left in
// the middle. What still stands is its run's: it goes when the run has ended or was given up, and not before.
import { existsSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { isShoalError, ShoalError } from "../error.ts";
import { errnoOf } from "../file/disk.ts";
import { ownIdentity } from "../sweep/identity.ts";
import { type Arena, openArena } from "./arena.ts";
import { type Folders, isWriter, namesIn, removeArena } from "./place.ts";
import { isAlive, isNumberAlive, type Member, memberFrom, ownMember } from "./process.ts";
import { roster } from "./roster.ts";

/** One opening of a store, as others see it. */
export interface Opening {
  readonly writer: string;
  readonly member: Member | undefined;
  /** `open` while its process lives and has not closed it. */
  readonly state: "open" | "closed" | "dead";
  /** Whether anybody who lives reads in it. */
  readonly isUsed: boolean;
  readonly tensors: number;
  readonly bytes: number;
}

function isUsed(arena: Arena): boolean {
  const readers = roster(arena, undefined);
  try {
    return readers.isUsed();
  } finally {
    readers.close();
  }
}

function stateOf({ owner: { member, isClosed } }: Arena): Opening["state"] {
  if (isClosed) return "closed";
  // Who cannot be told apart lives.
  return member === undefined || isAlive(member) ? "open" : "dead";
}

/** Whether somebody may still put into it. */
export const isOwned = (arena: Arena): boolean => !arena.ended && stateOf(arena) === "open";

export function openingOf(arena: Arena): Opening {
  let [tensors, bytes] = [0, 0];
  for (const slot of arena.standing()) {
    tensors += 1;
    bytes += arena.told(slot)?.bytes ?? 0;
  }
  const { member } = arena.owner;
  return { writer: arena.writer, member, state: stateOf(arena), isUsed: isUsed(arena), tensors, bytes };
}

/** The first that stands is enough: what a run holds may be a million. */
export const isOrphan = (arena: Arena): boolean =>
  stateOf(arena) !== "open" && arena.standing().next().done === true && !isUsed(arena);

/**
 * Each arena of a run, or those of some; what is damaged, or of another version, is nobody's to judge and is passed
 * over.
 */
export function* arenasOf(
  folders: Folders,
  own: string | undefined,
  some: readonly string[] = namesIn(folders.arenas),
): Generator<Arena, void, undefined> {
  for (const writer of some) {
    if (!isWriter(writer) || writer === own) continue;
    let arena: Arena | undefined;
    try {
      // By calls: a look at a stranger's files must not end this process.
      arena = openArena(folders, writer, undefined);
      if (arena !== undefined) yield arena;
    } catch (error) {
      if (!isShoalError(error) && errnoOf(error) !== "ENOENT") throw error;
    } finally {
      arena?.close();
    }
  }
}

function remove(folders: Folders, arena: Arena): boolean {
  // Whoever has it open finds nothing in it from here on.
  arena.ended = true;
  return removeArena(folders, arena.writer);
}

/** What was left in the middle, by who it can be told that he has ended. */
export function leftovers({ making, going }: Folders): string[] {
  const half = namesIn(making).filter((name) => {
    const pid = Number(/^[0-9a-f]{16}\.(\d{1,10})$/.exec(name)?.[1] ?? NaN);
    return !Number.isNaN(pid) && !isNumberAlive(pid);
  });
  return [...half.map((name) => `${making}/${name}`), ...namesIn(going).map((name) => `${going}/${name}`)];
}

/** Takes those of some arenas that are orphans. Answers whose they were. */
export function takeOrphans(folders: Folders, own: string | undefined, some?: readonly string[]): string[] {
  const swept: string[] = [];
  for (const arena of arenasOf(folders, own, some)) {
    if (isOrphan(arena) && remove(folders, arena)) swept.push(arena.writer);
  }
  return swept;
}

/** Sweeps a run while it goes on: its orphans, and only these. Answers whose they were. */
export function sweepOrphans(folders: Folders, own: string | undefined): string[] {
  const swept = takeOrphans(folders, own);
  for (const path of leftovers(folders)) rmSync(path, { recursive: true, force: true });
  return swept;
}

/** The living one who is about to take a run away. A mark that a dead one left is removed. */
function sweeper({ sweeping }: Folders): Member | undefined {
  try {
    const found = memberFrom(readFileSync(sweeping));
    if (found !== undefined && isAlive(found)) return found;
    unlinkSync(sweeping);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  return undefined;
}

/** For who has just shown his arena: whether it may stay. He shows first and then looks; a sweeper does the same. */
export function isWelcome(folders: Folders, writer: string): boolean {
  const found = sweeper(folders);
  if (found !== undefined && found.identity.pid !== ownIdentity().pid) return false;
  return existsSync(`${folders.arenas}/${writer}`);
}

/** Takes a whole run away. Throws Conflict, with nothing taken, while anybody has it open. */
export function takeRun(folders: Folders, run: string, token: string): void {
  const other = sweeper(folders);
  if (other !== undefined) throw conflict(run, `process ${other.identity.pid} is taking it away`);
  try {
    writeFileSync(folders.sweeping, ownMember(), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    if (errnoOf(error) === "EEXIST") throw conflict(run, "another process is taking it away");
    throw error;
  }
  for (const arena of arenasOf(folders, undefined)) {
    const isOpen = stateOf(arena) === "open";
    if (!isOpen && !isUsed(arena)) continue;
    unlinkSync(folders.sweeping);
    throw conflict(run, isOpen ? `process ${arena.owner.member?.identity.pid ?? ""} has it open` : "it is read");
  }
  for (const arena of arenasOf(folders, undefined)) remove(folders, arena);
  const going = `${folders.root}/.going-${run}-${token}`;
  renameSync(folders.run, going);
  rmSync(going, { recursive: true, force: true });
}

const conflict = (run: string, why: string): ShoalError =>
  new ShoalError("Conflict", `Cannot take run ${run} away: ${why}; try again when that process has ended`);
