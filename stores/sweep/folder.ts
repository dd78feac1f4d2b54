// The place of `file:`: a folder of runs. A sweep looks at all runs first, watches those whose owners are on other
// machines for one lease, and then takes, run by run, what nobody owns.
import { ShoalError } from "../error.ts";
import { errnoOf } from "../file/disk.ts";
import { layout as fileLayout } from "../file/layout.ts";
import { troubleOf } from "../file/trouble.ts";
import { wholes as fileWholes } from "../file/whole.ts";
import type { Orphan, Place, PlaceOptions, SweepOptions } from "../sweep.ts";
import { cancelled } from "../cancellation.ts";
import { entriesIn, posixSweepDisk, type SweepDisk } from "./disk.ts";
import { hasEnded } from "./ended.ts";
import { lapses as sweepLapses } from "./lapses.ts";
import { orphansOf } from "./orphans.ts";
import { type Claimant, watched } from "./owners.ts";
import { isOfRun, removeTaken } from "./removal.ts";
import { claimsOf, type Found, found, held, idleDays, stateOf, survey } from "./survey.ts";
import { takeAway } from "./taking.ts";
import { verifyRun } from "./verifying.ts";
import { unknownRun } from "./wanted.ts";

export interface FolderPlaceOptions extends PlaceOptions {
  /** An absolute path. */
  readonly root: string;
  readonly url: string;
  readonly disk?: SweepDisk;
  /** The machine's time since its start. */
  readonly uptimeMs?: () => number | undefined;
}

export function folderPlace(options: FolderPlaceOptions): Place {
  const { root, url, environment, disk = posixSweepDisk, uptimeMs } = options;

  /** What is wrong with the folder itself is the asker's to mend. */
  async function rooted(what: string): Promise<void> {
    try {
      await disk.list(root);
    } catch (error) {
      const why = { ENOENT: "there is no such folder", ENOTDIR: "it is no folder" }[errnoOf(error)];
      if (why === undefined) throw troubleOf(error, `${what} ${url}`);
      throw new ShoalError("BadInput", `Cannot ${what} ${url}: ${why}; name the folder that a store was opened with`);
    }
  }

  /** All runs, and whether those elsewhere show a sign of life within a lease. */
  async function looked(runs: readonly string[]): Promise<Found[]> {
    const all: Found[] = [];
    for (const run of runs) all.push(await found(disk, root, run));
    const seen = await watched(disk, all.flatMap(({ claimants }) => claimants), options);
    let next = 0;
    return all.map((one) => ({ ...one, claimants: one.claimants.map((): Claimant => seen[next++]!) }));
  }

  /** Why a run goes whole, or nothing where it stays. */
  async function whyItGoes(
    one: Found,
    { run: givenUp, keepDays = Infinity }: SweepOptions,
  ): Promise<string | undefined> {
    const state = stateOf(one);
    if (givenUp === one.run) return "it is given up";
    if (state === "ended") return "it has ended";
    if (state !== "interrupted" || keepDays === Infinity) return undefined;
    const days = await idleDays(disk, root, one.run);
    return days >= keepDays ? `nobody has opened it for ${Math.floor(days)} days` : undefined;
  }

  async function* sweepRun(one: Found, sweeping: SweepOptions): AsyncGenerator<Orphan> {
    const { dryRun = false, run: givenUp, keepDays = Infinity } = sweeping;
    const { run, claimants } = one;
    const layout = fileLayout(root, run);
    const state = stateOf(one);
    if (givenUp === run && (state === "live" || state === "strange")) throw refused(one);
    if (state === "strange") return;
    const why = await whyItGoes(one, sweeping);
    if (why !== undefined) {
      const foreign = (await entriesIn(disk, layout.run)).filter(({ name }) => !isOfRun(name));
      if (foreign.length > 0) {
        const names = foreign.slice(0, 3).map(({ name }) => name).join(", ");
        yield { run, kind: "foreign", what: layout.run, bytes: 0, why: `${names} in it is not the store's` };
        return;
      }
      const { tensors, bytes } = await held(disk, root, run);
      const idle = await idleDays(disk, root, run);
      const mayGo = async (): Promise<boolean> =>
        givenUp === run || idle >= keepDays || await hasEnded(claimsOf(disk, root, run));
      const taken = dryRun ? "" : await takeAway({ ...options, disk, root, run, mayGo });
      if (taken === undefined) return;
      if (!dryRun) yield* remains(taken, run);
      yield { run, kind: "run", what: `${tensors} tensor${tensors === 1 ? "" : "s"} and all else`, bytes, why };
      return;
    }
    const lapses = sweepLapses(fileWholes(disk, false, environment.token()), uptimeMs);
    yield* orphansOf({ disk, layout, run, writers: one.writers, claimants, lapses, dryRun });
  }

  /** Files that a run's folder held and that are not the store's. */
  async function* remains(name: string, run: string): AsyncGenerator<Orphan> {
    const { foreign } = await removeTaken(disk, `${root}/${name}`);
    for (const what of foreign) yield { run, kind: "foreign", what, bytes: 0, why: "it is not the store's" };
  }

  return {
    url,
    async *runs() {
      try {
        await rooted("list");
        for (const run of (await survey(disk, root)).runs) yield await held(disk, root, run);
      } catch (error) {
        throw troubleOf(error, `list ${url}`);
      }
    },
    async *sweep(sweeping = {}) {
      const { dryRun = false, run: givenUp, signal } = sweeping;
      try {
        await rooted("sweep");
        const { runs, taken } = await survey(disk, root);
        if (givenUp !== undefined && !runs.includes(givenUp)) throw unknownRun(givenUp, runs, url);
        const all = await looked(givenUp === undefined ? runs : [givenUp]);
        for (const name of givenUp === undefined ? taken : []) {
          if (signal?.aborted) throw cancelled(signal);
          const removed = dryRun ? { bytes: 0, foreign: [] } : await removeTaken(disk, `${root}/${name}`);
          for (const what of removed.foreign) {
            yield { run: "", kind: "foreign", what, bytes: 0, why: "it is not the store's" };
          }
          yield { run: "", kind: "remains", what: name, bytes: removed.bytes, why: "a sweep was cut off" };
        }
        for (const one of all) {
          if (signal?.aborted) throw cancelled(signal);
          yield* sweepRun(one, sweeping);
        }
      } catch (error) {
        throw troubleOf(error, `sweep ${url}`);
      }
    },
    async *verify({ run: only, signal } = {}) {
      try {
        await rooted("verify");
        const { runs } = await survey(disk, root);
        if (only !== undefined && !runs.includes(only)) throw unknownRun(only, runs, url);
        for (const run of only === undefined ? runs : [only]) {
          for await (const one of verifyRun({ disk, root, run, environment })) {
            if (signal?.aborted) throw cancelled(signal);
            yield one;
          }
        }
      } catch (error) {
        throw troubleOf(error, `verify ${url}`);
      }
    },
  };
}

/** A run is given up by whoever says so, but never from under one who uses it. */
function refused({ run, claimants, why }: Found): ShoalError {
  if (why !== undefined) return new ShoalError("Incompatible", why);
  const owner = claimants.find(({ role, presence }) => role === "store" && presence !== "dead");
  const who = owner === undefined ? "somebody" : `process ${owner.pid}${owner.host === "" ? "" : ` on ${owner.host}`}`;
  return new ShoalError("Conflict", `Cannot sweep run ${run}: ${who} uses it since ${owner?.since}; stop that first`);
}
