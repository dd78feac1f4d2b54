// What a folder of runs holds: each run with who opened it, in what state it is, and what stands in it.
import { fileClaims } from "../file/claims.ts";
import { ifThere } from "../file/disk.ts";
import { listed } from "../file/listed.ts";
import { namesBelow } from "../file/listing.ts";
import { layout as fileLayout } from "../file/layout.ts";
import { wholes as fileWholes } from "../file/whole.ts";
import { isShoalError } from "../error.ts";
import { isRunName } from "../reference.ts";
import type { Claims } from "../store.ts";
import type { HeldRun, Owner, RunState } from "../sweep.ts";
import { entriesIn, namesIn, type SweepDisk } from "./disk.ts";
import { hasEnded } from "./ended.ts";
import { writersIn } from "./heads.ts";
import { type Claimant, everybody, ownersOf } from "./owners.ts";
import { layoutOf, layoutVersion, newerLayout } from "./presence.ts";
import { isTaken } from "./removal.ts";

/** A run as it was found: its writers were listed before those who claim to be there. */
export interface Found {
  readonly run: string;
  readonly writers: readonly string[];
  readonly claimants: readonly Claimant[];
  readonly hasEnded: boolean;
  /** Why nothing in it may be touched. */
  readonly why: string | undefined;
}

export interface Survey {
  readonly runs: readonly string[];
  /** Runs that a sweep took away and did not finish removing. */
  readonly taken: readonly string[];
}

/** What every run has from its first moment on, and nothing else is likely to. */
const isMark = (name: string): boolean => name === "layout" || name === "owners";

export async function survey(disk: SweepDisk, root: string): Promise<Survey> {
  const folders = await namesIn(disk, root, "folder");
  const runs: string[] = [];
  for (const name of folders) {
    if (!isRunName(name)) continue;
    const inside = await entriesIn(disk, `${root}/${name}`);
    // A folder of somebody else's is not made ours by its name, nor by having logs.
    if (inside.some(({ name, kind }) => kind === (name === "layout" ? "file" : "folder") && isMark(name))) {
      runs.push(name);
    }
  }
  return { runs, taken: folders.filter(isTaken) };
}

export function claimsOf(disk: SweepDisk, root: string, run: string): Claims {
  const wholes = fileWholes(disk, false, "");
  return fileClaims({ disk, wholes, layout: fileLayout(root, run), throwIfClosed() {} });
}

export async function found(disk: SweepDisk, root: string, run: string): Promise<Found> {
  const layout = fileLayout(root, run);
  let why: string | undefined;
  try {
    const version = await layoutOf(disk, layout.run);
    if (version !== undefined && version !== `${layoutVersion}`) why = newerLayout(run, version).message;
  } catch (error) {
    if (!isShoalError(error, "Corrupt")) throw error;
    why = error.message;
  }
  if (why !== undefined) return { run, writers: [], claimants: [], hasEnded: false, why };
  const writers = await writersIn(disk, layout);
  return {
    run,
    writers,
    claimants: await everybody(disk, layout.run),
    hasEnded: await hasEnded(claimsOf(disk, root, run)),
    why: undefined,
  };
}

const dayMs = 86_400_000;

/** How many days nobody has opened or closed a run; 0 where that cannot be told. A clock that is off by hours matters not. */
export async function idleDays(disk: SweepDisk, root: string, run: string): Promise<number> {
  const at = await ifThere(disk.changedAt(ownersOf(fileLayout(root, run).run)));
  return at === undefined ? 0 : Math.max(0, Date.now() - at) / dayMs;
}

/** Whoever is elsewhere and was not watched may well be there. */
export function stateOf({ claimants, hasEnded, why }: Found): RunState {
  if (why !== undefined) return "strange";
  if (claimants.some(({ role, presence }) => role === "store" && presence !== "dead")) return "live";
  return hasEnded ? "ended" : "interrupted";
}

export async function held(disk: SweepDisk, root: string, run: string): Promise<HeldRun> {
  const one = await found(disk, root, run);
  const state = stateOf(one);
  const owners = one.claimants.filter(({ role }) => role === "store")
    .map(({ writer, presence, pid, host, since }): Owner => ({ writer, presence, pid, host, since }));
  const empty = { run, state, owners, tensors: 0, bytes: 0, streams: 0, claims: 0 };
  if (one.why !== undefined) return { ...empty, why: one.why };
  const layout = fileLayout(root, run);
  const wholes = fileWholes(disk, false, "");
  let tensors = 0;
  let bytes = 0;
  for await (const entry of listed(disk, layout, run)) {
    tensors += 1;
    bytes += entry.bytes;
  }
  const streams = (await namesBelow(disk, wholes, layout.logs, "", "open")).length;
  const claims = (await namesBelow(disk, wholes, layout.claims, "", "claim")).length;
  return { ...empty, tensors, bytes, streams, claims };
}
