// The disk as a sweeper needs it: it alone takes folders away, only empty ones, and never follows a link out of them.
import { readdir, rmdir, stat } from "node:fs/promises";
import { type Disk, errnoOf, ifThere } from "../file/disk.ts";
import { posixDisk } from "../file/posix.ts";

export interface Named {
  readonly name: string;
  /** What is neither file nor folder, a link among them, is none of ours. */
  readonly kind: "file" | "folder" | "other";
}

export interface SweepDisk extends Disk {
  /** Takes away a folder that holds nothing (ENOTEMPTY where it does). */
  removeFolder(path: string): Promise<void>;
  entries(path: string): Promise<Named[]>;
  bytesOf(path: string): Promise<number>;
  /** When names in a folder came or went last, in milliseconds since 1970. */
  changedAt(path: string): Promise<number>;
}

export const posixSweepDisk: SweepDisk = {
  ...posixDisk,
  removeFolder: rmdir,
  async entries(path) {
    const all = await readdir(path, { withFileTypes: true });
    return all.map((entry): Named => ({
      name: entry.name,
      kind: entry.isFile() ? "file" : entry.isDirectory() ? "folder" : "other",
    })).sort((a, b) => a.name < b.name ? -1 : 1);
  },
  bytesOf: async (path) => (await stat(path)).size,
  changedAt: async (path) => (await stat(path)).mtimeMs,
};

/** What is in a folder, in order; nothing where there is none. */
export async function entriesIn(disk: SweepDisk, path: string): Promise<Named[]> {
  try {
    return await disk.entries(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw error;
  }
}

/** The names of one kind in a folder. */
export async function namesIn(disk: SweepDisk, path: string, kind: Named["kind"]): Promise<string[]> {
  return (await entriesIn(disk, path)).filter((entry) => entry.kind === kind).map(({ name }) => name);
}

export async function bytesIn(disk: SweepDisk, path: string): Promise<number> {
  return await ifThere(disk.bytesOf(path)) ?? 0;
}

/** Removes a folder unless something is in it, or another was faster. */
export async function removeIfEmpty(disk: SweepDisk, path: string): Promise<void> {
  try {
    await disk.removeFolder(path);
  } catch (error) {
    if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(errnoOf(error))) throw error;
  }
}
