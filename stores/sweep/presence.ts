// How an opening of a run makes itself known, so that no sweep takes away what it uses, and learns that its run was
// taken away after all. It first says that it is there and then looks for a sweeper; a sweeper does both the same way
// round, so that one of the two always sees the other.
import { Buffer } from "node:buffer";
import { setInterval } from "node:timers";
import { ShoalError } from "../error.ts";
import { type Disk, errnoOf, ifThere, writeAll } from "../file/disk.ts";
import { wholes as fileWholes } from "../file/whole.ts";
import type { PlaceOptions } from "../sweep.ts";
import { ownIdentity } from "./identity.ts";
import {
  beatOf,
  type Claimant,
  claimants,
  everybody,
  ownersOf,
  recordText,
  type Role,
  sweepersOf,
  watched,
} from "./owners.ts";

/** What the files of a run look like. A number that is not known here was written by a later shoal. */
export const layoutVersion = 1;
const layoutName = "layout";
const beatMsUnlessSaid = 15_000;
const triesMax = 20;

export interface PresenceOptions extends PlaceOptions {
  readonly disk: Disk;
  /** The folder of the run. */
  readonly folder: string;
  readonly run: string;
  readonly writer: string;
  readonly durable: boolean;
  readonly role: Role;
  /** Another opening of this process, which shows for both that the run is in use until this one makes tensors. */
  readonly beside?: string | undefined;
  readonly beatMs?: number;
}

export interface FilePresence {
  /** The disk, for whoever may only make folders while it is known to be there. */
  readonly disk: Disk;
  /**
   * Answers a sweeper who else is there. Throws Unavailable where a sweeper has the run, and Incompatible where a later
   * shoal made it. On a disk that cannot be written to a store's comes to nothing, until it is to make a folder.
   */
  enter(): Promise<readonly Claimant[]>;
  leave(): Promise<void>;
  /** Whether others see that it is there. */
  readonly isShown: boolean;
  /** That the run was taken away meanwhile, once it is known. */
  readonly lost: ShoalError | undefined;
}

const unwritable = new Set(["EROFS", "EACCES", "EPERM", "ENOSPC", "EDQUOT"]);

/** The version of a run's layout; nothing where it says none. */
export async function layoutOf(disk: Disk, folder: string): Promise<string | undefined> {
  return await fileWholes(disk, false, "").read(folder, layoutName);
}

export function newerLayout(run: string, version: string): ShoalError {
  const what = `run ${run} has layout ${version.slice(0, 20)}, this shoal knows ${layoutVersion}`;
  return new ShoalError("Incompatible", `Cannot open store: ${what}; use the shoal that made it, or a later one`);
}

const missing = (path: string): Error => Object.assign(new Error(`There is no ${path}`), { code: "ENOENT" });

/** Of what failed for another reason than that there is no such folder, nothing is to be tried again. */
function isMissing(error: unknown): false {
  if (errnoOf(error) === "ENOENT") return false;
  throw error;
}

export function filePresence(options: PresenceOptions): FilePresence {
  const { disk, folder, run, writer, durable, role, beatMs = beatMsUnlessSaid } = options;
  const own = role === "store" ? ownersOf(folder) : sweepersOf(folder);
  const record = `${own}/${writer}`;
  /** Whose these are must be known, when nobody is there any more. */
  const isOwn = (path: string): boolean => path.startsWith(`${folder}/tensors`) || path.startsWith(`${folder}/usage`);
  const beatPath = beatOf(own, writer);
  let entering: Promise<readonly Claimant[]> | undefined;
  let isIn = false;
  let hasLeft = false;
  let lost: ShoalError | undefined;
  let count = 0;
  let stop = (): void => {};

  async function write(how: "create" | "change"): Promise<void> {
    const file = await disk.open(beatPath, how);
    try {
      await writeAll(file, Buffer.from((++count).toString().padStart(16, "0")), 0);
    } finally {
      await file.close();
    }
  }

  /** A record without a beat is that of one who has just come: the first makes the file. */
  async function beat(): Promise<void> {
    try {
      if (count > 0) return await write("change");
      if (!await disk.exists(record)) return void (hasLeft || fence());
      await write("create");
      if (hasLeft) await ifThere(disk.remove(beatPath));
    } catch (error) {
      // Any other failure passes, or is met by whoever writes.
      if (errnoOf(error) === "ENOENT" && !hasLeft && !await disk.exists(record)) fence();
    }
  }

  function fence(): ShoalError {
    stop();
    lost ??= new ShoalError("Fenced", `Cannot use run ${run}: a sweep took it away, since it was ended or given up`);
    return lost;
  }

  async function withdraw(): Promise<void> {
    for (const path of [beatPath, record]) await ifThere(disk.remove(path));
  }

  async function tried(): Promise<readonly Claimant[] | undefined> {
    const wholes = fileWholes(disk, durable, writer);
    const version = await layoutOf(disk, folder);
    if (version !== undefined && version !== `${layoutVersion}`) throw newerLayout(run, version);
    if (version === undefined && role === "store") await wholes.place(folder, layoutName, `${layoutVersion}`);
    const text = recordText({ role, since: new Date().toISOString(), identity: ownIdentity() });
    // What others have made need not be asked for, unless a power cut may take it back.
    const isThere = !durable && await wholes.put(own, writer, text).then(() => true, isMissing);
    if (!isThere) {
      // A sweeper must not make what it came to take away.
      if (role === "sweep" && !await disk.exists(folder)) throw missing(folder);
      await wholes.makeFolder(own);
      await wholes.put(own, writer, text);
    }
    const others = await (role === "store" ? claimants(disk, sweepersOf(folder)) : everybody(disk, folder));
    const sweepers = others.filter((one) => one.writer !== writer && one.role === "sweep" && one.presence !== "dead");
    const stillThere = (await watched(disk, sweepers, options)).find(({ presence }) => presence === "live");
    if (stillThere !== undefined) {
      await withdraw();
      const who = `process ${stillThere.pid}${stillThere.host === "" ? "" : ` on ${stillThere.host}`}`;
      throw new ShoalError("Unavailable", `Cannot open run ${run}: ${who} is sweeping it; try again when it is done`);
    }
    return await disk.exists(record) ? others.filter((other) => other.writer !== writer) : undefined;
  }

  async function enter(): Promise<readonly Claimant[]> {
    for (let tries = 0; tries < triesMax; tries++) {
      let others: readonly Claimant[] | undefined;
      try {
        others = await tried();
      } catch (error) {
        // The run is taken away under our feet: another of its name may be begun.
        if (errnoOf(error) !== "ENOENT" || role === "sweep") throw error;
      }
      if (others === undefined) continue;
      isIn = true;
      const timer = setInterval(() => void beat(), beatMs);
      timer.unref();
      stop = () => clearInterval(timer);
      return others;
    }
    if (!await disk.exists(folder)) {
      throw new ShoalError("Unavailable", `Cannot make ${folder}: the file system knows no such place; name another`);
    }
    throw new ShoalError("Unavailable", `Cannot open run ${run}: it was taken away each time that it was opened`);
  }

  function entered(): Promise<readonly Claimant[]> {
    entering ??= enter().catch(async (error: unknown) => {
      entering = undefined;
      // Half a record on a disk that took no more.
      await withdraw().catch(() => {});
      throw error;
    });
    return entering;
  }

  return {
    disk: {
      ...disk,
      async makeFolder(path) {
        if (lost !== undefined) throw lost;
        const { beside } = options;
        const shown = isIn ? record : beside === undefined ? undefined : `${own}/${beside}`;
        if (shown !== undefined && !await disk.exists(shown)) throw fence();
        if (!isIn && (beside === undefined || isOwn(path))) await entered();
        await disk.makeFolder(path);
      },
    },
    async enter() {
      try {
        return await entered();
      } catch (error) {
        // Who only reads needs nobody's leave; a sweeper without a record would not be seen by those who open.
        if (role === "sweep" || !unwritable.has(errnoOf(error)) || !await disk.exists(folder)) throw error;
        return [];
      }
    },
    async leave() {
      hasLeft = true;
      stop();
      await entering?.catch(() => {});
      // Where the disk refuses, the next sweep sees that nobody is behind it.
      if (isIn) await withdraw().catch(() => {});
    },
    get isShown() {
      return isIn && !hasLeft;
    },
    get lost() {
      return lost;
    },
  };
}
