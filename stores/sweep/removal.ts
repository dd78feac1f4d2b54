// Taking a whole run away. It is renamed first, in one step, so that whoever is cut off in the middle leaves nothing
// that looks like a run, and a sweeper that wakes late deletes what it took and nothing that has the name by then.
import { ifThere } from "../file/disk.ts";
import { isWriter, placeOf } from "../file/layout.ts";
import { bytesIn, entriesIn, removeIfEmpty, type SweepDisk } from "./disk.ts";

const takenPattern = /^\.swept-[0-9a-f]{16}$/;
export const takenName = (token: string): string => `.swept-${token}`;
export const isTaken = (name: string): boolean => takenPattern.test(name);

const hh = /^[0-9a-f]{2}$/;
const hash = /^[0-9a-f]{40}$/;
const temporary = /^[0-9a-f]{16}-[0-9a-z]+\.temp$/;
const numbered = /^\d{16}(\.\d{16})?\.(open|cut|log|trim|claim)$/;

/** What stands directly in a run's folder. */
const topNames: readonly string[] = ["tensors", "logs", "claims", "owners", "sweepers", "usage", "layout"];
export const isOfRun = (name: string): boolean => topNames.includes(name) || temporary.test(name);

/** Those with a file for each writer. */
const writersEach: ReadonlySet<string> = new Set(["owners", "sweepers", "usage"]);

/** Whether a file of this path below a run's folder is one that the store makes. */
export function isOfLayout(parts: readonly string[]): boolean {
  const [kind = "", a = "", b = "", c = ""] = parts;
  if (parts.length === 1) return kind === "layout" || temporary.test(kind);
  if (parts.length === 2) return writersEach.has(kind) && (isWriter(a.split(".")[0] ?? "") || temporary.test(a));
  if (parts.length !== 4) return false;
  if (kind === "logs" || kind === "claims") {
    return hh.test(a) && hash.test(b) && (c === "name" || numbered.test(c) || temporary.test(c));
  }
  if (kind !== "tensors" || !isWriter(a)) return false;
  return b === "segments" ? /^[0-9a-z]+$/.test(c) : b === "temp" ? isTensor(c) : hh.test(b) && isTensor(c);
}

const isTensor = (name: string): boolean => placeOf(name)?.kind === "file";

/** What a folder gave up, and what it keeps because it is not the store's. */
export interface Removed {
  bytes: number;
  readonly foreign: string[];
}

/** Removes what the store made below a folder that was taken away, and the folder itself where nothing is left. */
export async function removeTaken(disk: SweepDisk, folder: string): Promise<Removed> {
  const removed: Removed = { bytes: 0, foreign: [] };
  async function empty(path: string, parts: readonly string[]): Promise<void> {
    for (const { name, kind } of await entriesIn(disk, path)) {
      const inner = [...parts, name];
      const own = `${path}/${name}`;
      if (kind === "folder") await empty(own, inner);
      else if (kind === "file" && isOfLayout(inner)) {
        removed.bytes += await bytesIn(disk, own);
        await ifThere(disk.remove(own));
      } else removed.foreign.push(own);
    }
    await removeIfEmpty(disk, path);
  }
  await empty(folder, []);
  return removed;
}
