// Small files that are there whole or not at all: written aside, linked to their name, and summed up. The link is what
// only one of many can win; whoever loses reads what the winner wrote.
import { Buffer } from "node:buffer";
import { crc32, hex32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import { type Disk, errnoOf, ifThere, readAll, writeAll } from "./disk.ts";

export interface Wholes {
  /** Puts a text under a name where nothing stands yet, and answers whether it was this call that did. */
  place(folder: string, name: string, text: string): Promise<boolean>;
  /** The same in a folder that is there, under a name at which nobody puts anything else: it need not be won. */
  put(folder: string, name: string, text: string): Promise<void>;
  /** The text under a name, or nothing. Throws Corrupt where it is not as it was written. */
  read(folder: string, name: string): Promise<string | undefined>;
  /** Makes sure that what a reader saw in a folder will still be there. */
  settle(folder: string): Promise<void>;
  makeFolder(path: string): Promise<void>;
}

const textBytesMax = 2 ** 20;

/** `durable` puts every file and every name on the disk before a call ends. */
export function wholes(disk: Disk, durable: boolean, token: string): Wholes {
  let count = 0;
  const made = new Set<string>();
  const madeMax = 65_536;

  const summed = (name: string, text: string): Buffer => {
    const line = Buffer.from(`${name}\n${text}`);
    return Buffer.concat([Buffer.from(`${hex32(crc32(line))}\n`), line]);
  };

  async function makeFolder(path: string): Promise<void> {
    if (made.has(path)) return;
    await disk.makeFolder(path);
    if (durable) {
      // Each folder's name stands in the one above it: four levels are all that this store makes.
      for (let above = path, level = 0; level < 5 && above !== "/"; level++) {
        above = above.slice(0, above.lastIndexOf("/")) || "/";
        try {
          await disk.syncFolder(above);
        } catch (error) {
          // What lies above the store need not be ours to sync; what is ours is.
          if (level < 4 || (errnoOf(error) !== "EACCES" && errnoOf(error) !== "EPERM")) throw error;
        }
      }
    }
    if (made.size >= madeMax) made.clear();
    made.add(path);
  }

  async function write(aside: string, name: string, text: string): Promise<void> {
    const file = await disk.open(aside, "create");
    try {
      await writeAll(file, summed(name, text), 0);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
  }

  const asideIn = (folder: string): string => `${folder}/${token}-${(count++).toString(36)}.temp`;

  async function put(folder: string, name: string, text: string): Promise<void> {
    const aside = asideIn(folder);
    try {
      await write(aside, name, text);
      await disk.rename(aside, `${folder}/${name}`);
    } catch (error) {
      await disk.remove(aside).catch(() => {});
      throw error;
    }
    if (durable) await disk.syncFolder(folder);
  }

  async function place(folder: string, name: string, text: string): Promise<boolean> {
    await makeFolder(folder);
    const aside = asideIn(folder);
    try {
      await write(aside, name, text);
      let isFirst = true;
      try {
        await disk.link(aside, `${folder}/${name}`);
      } catch (error) {
        if (errnoOf(error) !== "EEXIST") throw error;
        isFirst = false;
      }
      // Also by who came second: what it learns here, it may act on.
      try {
        if (durable) await disk.syncFolder(folder);
      } catch (cause) {
        // The name is there, and others may have seen it: whatever the disk's reason was, this is no failure.
        const why = "whether it will still be there after a power cut cannot be told";
        throw new ShoalError("Unavailable", `Cannot place ${name}: ${why}`, { outcome: "unknown", cause });
      }
      return isFirst;
    } finally {
      // What is left of it on a disk that fails is garbage with a name that nobody reads.
      await disk.remove(aside).catch(() => {});
    }
  }

  return {
    makeFolder,
    place,
    put,
    async settle(folder) {
      if (durable) await disk.syncFolder(folder);
    },
    async read(folder, name) {
      const file = await ifThere(disk.open(`${folder}/${name}`, "read"));
      if (file === undefined) return undefined;
      try {
        const size = await file.size();
        const bytes = Buffer.alloc(Math.min(size, textBytesMax));
        const length = await readAll(file, bytes, 0);
        const start = 9 + Buffer.byteLength(name) + 1;
        const text = bytes.subarray(start, length).toString();
        if (size > textBytesMax || length < start || !summed(name, text).equals(bytes.subarray(0, length))) {
          throw new ShoalError("Corrupt", `Cannot read ${name}: it and its checksum disagree`);
        }
        return text;
      } finally {
        await file.close();
      }
    },
  };
}
