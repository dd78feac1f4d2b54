// Taking a run for oneself, to take it away: a sweeper says that it is there and then looks for others, as a store that
// opens a run does. Of the two, one always sees the other, and then the sweeper leaves.
import { isShoalError } from "../error.ts";
import { errnoOf, ifThere } from "../file/disk.ts";
import { layout as fileLayout } from "../file/layout.ts";
import type { PlaceOptions } from "../sweep.ts";
import type { SweepDisk } from "./disk.ts";
import { filesOf, writersIn } from "./heads.ts";
import { everybody, sweepersOf, watched } from "./owners.ts";
import { filePresence } from "./presence.ts";
import { takenName } from "./removal.ts";

export interface TakingOptions extends PlaceOptions {
  readonly disk: SweepDisk;
  readonly root: string;
  readonly run: string;
  /** Whether it may go, asked once nobody else can change that. Who was told its name may go without. */
  readonly mayGo: () => Promise<boolean>;
}

const triesMax = 10;
const pauseMs = 10;

/** Answers the name that the run's folder has now; nothing where it is another's, or was gone before. */
export async function takeAway(options: TakingOptions): Promise<string | undefined> {
  for (let tries = 0;; tries++) {
    try {
      return await tried(options);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      if (isFull(error) && tries < triesMax && await makeRoom(options)) continue;
      // Two sweepers that saw each other both left: the next time they come at different times.
      if (!isShoalError(error, "Unavailable") || tries >= triesMax) throw error;
      const byChance = parseInt(options.environment.token().slice(-2), 16) / 4 || tries;
      await new Promise<void>((resolve) => options.environment.after(pauseMs + byChance, resolve));
    }
  }
}

const isFull = (error: unknown): boolean => ["ENOSPC", "EDQUOT"].includes(errnoOf(error));

/**
 * A full disk takes not even a sweeper's record. One file of the run goes ahead of it then: on such a disk nobody else
 * can make himself known either, nor say that the run goes on.
 */
async function makeRoom({ disk, root, run, mayGo }: TakingOptions): Promise<boolean> {
  const layout = fileLayout(root, run);
  const others = await everybody(disk, layout.run);
  if (others.some(({ presence }) => presence !== "dead") || !await mayGo()) return false;
  for (const writer of await writersIn(disk, layout)) {
    for (const { path } of await filesOf(disk, layout, writer)) {
      await ifThere(disk.remove(path));
      return true;
    }
  }
  return false;
}

async function tried(options: TakingOptions): Promise<string | undefined> {
  const { disk, root, run, mayGo, environment } = options;
  const { run: folder } = fileLayout(root, run);
  const token = environment.token();
  const presence = filePresence({ ...options, folder, writer: token, durable: false, role: "sweep" });
  try {
    const seen = await watched(disk, await presence.enter(), options);
    if (seen.some((other) => other.presence !== "dead")) return undefined;
    // It may have been resumed, and cut off, since somebody looked.
    if (!await mayGo()) return undefined;
    const name = takenName(token);
    await disk.rename(folder, `${root}/${name}`);
    if (await disk.exists(`${sweepersOf(`${root}/${name}`)}/${token}`)) return name;
    // Not the one that was looked at: another sweeper took that, and somebody has begun it anew since.
    await disk.rename(`${root}/${name}`, folder);
    return undefined;
  } finally {
    await presence.leave();
  }
}
