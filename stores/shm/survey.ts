// The place of `shm:`, for who lists, sweeps and verifies: the runs in a user's folder of shared memory, and whose
// they are. A sweep takes orphans, and whole the runs that have ended or are given up, and only these.
import { rmSync, statSync } from "node:fs";
import { cancelled } from "../cancellation.ts";
import { crc32 } from "../checksum.ts";
import { isShoalError, ShoalError } from "../error.ts";
import { fileClaims } from "../file/claims.ts";
import { layout as fileLayout } from "../file/layout.ts";
import { namesBelow } from "../file/listing.ts";
import { troubleOf } from "../file/trouble.ts";
import { wholes as fileWholes } from "../file/whole.ts";
import { isRunName } from "../reference.ts";
import { shmRootOf } from "../shm.ts";
import type { HeldRun, Orphan, Owner, Place, PlaceOptions, Verified } from "../sweep.ts";
import { posixSweepDisk } from "../sweep/disk.ts";
import { hasEnded } from "../sweep/ended.ts";
import { verifyRun } from "../sweep/verifying.ts";
import type { StoreUrl } from "../url.ts";
import type { Arena } from "./arena.ts";
import { lapsedIn } from "./lapsing.ts";
import { type Folders, foldersOf, idOf, namesIn } from "./place.ts";
import { arenasOf, isOrphan, leftovers, openingOf, sweepOrphans, takeRun } from "./sweep.ts";

interface ShmPlaceOptions extends PlaceOptions {
  /** The user's own folder. */
  readonly root: string;
  readonly url: string;
}

/** The place of a `shm:` URL, without opening the store. */
export function openShmPlace(url: StoreUrl, options: PlaceOptions): Place {
  return shmPlace({ ...options, root: shmRootOf(url), url: url.redacted });
}

const disk = posixSweepDisk;
const wholes = fileWholes(disk, false, "");

const hasEndedAt = (root: string, run: string): Promise<boolean> =>
  hasEnded(fileClaims({ disk, wholes, layout: fileLayout(root, run), throwIfClosed() {} }));

async function heldRun(root: string, run: string): Promise<HeldRun> {
  const layout = fileLayout(root, run);
  const owners: Owner[] = [];
  let [tensors, bytes, isLive] = [0, 0, false];
  for (const arena of arenasOf(foldersOf(root, run), undefined)) {
    const one = openingOf(arena);
    const { pid = 0, host = "" } = one.member?.identity ?? {};
    const presence = one.state === "open" ? "live" : "dead";
    owners.push({ writer: one.writer, presence, pid, host, since: one.member?.since ?? "" });
    if (one.state === "open" || one.isUsed) isLive = true;
    tensors += one.tensors;
    bytes += one.bytes;
  }
  const ended = await hasEndedAt(root, run);
  const state = isLive ? "live" : ended ? "ended" : "interrupted";
  const streams = (await namesBelow(disk, wholes, layout.logs, "", "open")).length;
  const claims = (await namesBelow(disk, wholes, layout.claims, "", "claim")).length;
  return { run, state, owners, tensors, bytes, streams, claims };
}

function* verifiedIn(arena: Arena, run: string): Generator<Verified, void, undefined> {
  for (const slot of arena.standing()) {
    const told = arena.told(slot);
    if (told === undefined) {
      yield { run, kind: "tensor", name: `${arena.writer}, line ${slot}`, bytes: 0, trouble: "its line is none" };
      continue;
    }
    const name = idOf({ writer: arena.writer, slot, count: told.count });
    const verified = { run, kind: "tensor", name, bytes: told.bytes } as const;
    const trouble = troubleIn(arena, told);
    yield trouble === undefined ? verified : { ...verified, trouble };
  }
}

/** Memory is summed up where it was asked for when it was sealed; else it is only seen to be there. */
function troubleIn(arena: Arena, told: NonNullable<ReturnType<Arena["told"]>>): string | undefined {
  if (told.offset + told.bytes > arena.dataBytes) return "it lies behind the end of its arena";
  if (told.sum === undefined) return undefined;
  const piece = new Uint8Array(Math.min(told.bytes, 2 ** 20));
  let sum = 0;
  for (let done = 0; done < told.bytes; done += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, told.bytes - done));
    arena.data.read(told.offset + done, part);
    sum = crc32(part, sum);
  }
  return sum === told.sum ? undefined : "its bytes and their checksum disagree";
}

function orphansIn(folders: Folders): string[] {
  const found: string[] = [];
  for (const arena of arenasOf(folders, undefined)) if (isOrphan(arena)) found.push(arena.writer);
  return found;
}

const dayMs = 86_400_000;

/** How many days nobody has opened or closed a run; 0 where that cannot be told. A clock that is off by hours matters not. */
function idleDays({ arenas }: Folders): number {
  const found = statSync(arenas, { throwIfNoEntry: false });
  return found === undefined ? 0 : Math.max(0, Date.now() - found.mtimeMs) / dayMs;
}

type Told = { readonly run: string | undefined; readonly keepDays: number | undefined };

function whyItGoes({ run, state }: HeldRun, days: number, { run: givenUp, keepDays }: Told): string | undefined {
  if (givenUp === run) return "it is given up";
  if (state === "ended") return "it has ended";
  const isIdle = state === "interrupted" && keepDays !== undefined && days >= keepDays;
  return isIdle ? `nobody has opened it for ${Math.floor(days)} days` : undefined;
}

/** What lies in a user's folder of shared memory. */
function shmPlace({ root, url, environment }: ShmPlaceOptions): Place {
  const runsIn = (): string[] =>
    namesIn(root).filter((run) => isRunName(run) && statSync(`${root}/${run}`).isDirectory());

  function chosen(only: string | undefined): string[] {
    const runs = runsIn();
    if (only === undefined) return runs;
    if (runs.includes(only)) return [only];
    const held = `it holds ${runs.slice(0, 5).join(", ") || "none"}`;
    throw new ShoalError("BadInput", `Cannot find run ${only.slice(0, 80)} in ${url}; ${held}`);
  }

  function* orphansOf(folders: Folders, run: string, dryRun: boolean): Generator<Orphan, void, undefined> {
    const over = "its lease is over, and its owner has ended";
    for (const { id, bytes } of lapsedIn({ folders, dryRun })) {
      yield { run, kind: "lapsed", what: id, bytes, why: over };
    }
    const why = "its owner has ended, and nothing stands in it";
    const found = dryRun ? orphansIn(folders) : sweepOrphans(folders, undefined);
    for (const what of found) yield { run, kind: "remains", what: `arena ${what}`, bytes: 0, why };
    for (const what of dryRun ? leftovers(folders) : []) {
      yield { run, kind: "half-made", what, bytes: 0, why: "who made it has ended" };
    }
  }

  /** Answers whether it was taken: a run that somebody has opened meanwhile is not, unless he was told to. */
  function taken(folders: Folders, run: string, isGivenUp: boolean): boolean {
    try {
      takeRun(folders, run, environment.token());
      return true;
    } catch (error) {
      if (!isGivenUp && isShoalError(error, "Conflict")) return false;
      throw error;
    }
  }

  return {
    url,
    async *runs() {
      for (const run of runsIn()) yield await heldRun(root, run);
    },
    async *sweep({ dryRun = false, run: givenUp, keepDays, signal } = {}) {
      try {
        for (const name of givenUp === undefined ? namesIn(root) : []) {
          if (!name.startsWith(".going-")) continue;
          if (!dryRun) rmSync(`${root}/${name}`, { recursive: true, force: true });
          yield { run: "", kind: "remains", what: name, bytes: 0, why: "a sweep was cut off" };
        }
        for (const run of chosen(givenUp)) {
          if (signal?.aborted) throw cancelled(signal);
          const folders = foldersOf(root, run);
          const days = idleDays(folders);
          const isIdle = keepDays !== undefined && days >= keepDays;
          // Of a run that goes on nothing is told that would have to be counted first.
          const mayGo = givenUp === run || isIdle || await hasEndedAt(root, run);
          const held = mayGo ? await heldRun(root, run) : undefined;
          const why = held && whyItGoes(held, days, { run: givenUp, keepDays });
          if (held === undefined || why === undefined) {
            yield* orphansOf(folders, run, dryRun);
            continue;
          }
          const { state, tensors, bytes } = held;
          if ((state === "live" || !dryRun) && !taken(folders, run, givenUp === run)) continue;
          yield { run, kind: "run", what: `${tensors} tensor${tensors === 1 ? "" : "s"} and all else`, bytes, why };
        }
      } catch (error) {
        throw troubleOf(error, `sweep ${url}`);
      }
    },
    async *verify({ run: only, signal } = {}) {
      for (const run of chosen(only)) {
        for (const arena of arenasOf(foldersOf(root, run), undefined)) yield* verifiedIn(arena, run);
        if (signal?.aborted) throw cancelled(signal);
        yield* verifyRun({ disk, root, run, environment });
      }
    },
  };
}
