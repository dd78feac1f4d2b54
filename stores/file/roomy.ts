// A disk that finds room where something is only kept for the next use: a call that finds it full is made once more
// when that has gone.
import type { Disk, DiskFile } from "./disk.ts";
import { isFull } from "./trouble.ts";

/** `free` lets go of what can be spared, and answers whether there was anything. */
export function roomy(disk: Disk, free: () => Promise<boolean>): Disk {
  async function tried<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!isFull(error) || !await free()) throw error;
      return await call();
    }
  }

  const fileOf = (file: DiskFile): DiskFile => ({
    ...file,
    // Its calls are not made again.
    direct: undefined,
    write: (bytes, position) => tried(() => file.write(bytes, position)),
    truncate: (bytes) => tried(() => file.truncate(bytes)),
  });

  return {
    ...disk,
    direct: undefined,
    makeFolder: (path) => tried(() => disk.makeFolder(path)),
    open: (path, how) => tried(async () => fileOf(await disk.open(path, how))),
    link: (from, to) => tried(() => disk.link(from, to)),
    rename: (from, to) => tried(() => disk.rename(from, to)),
  };
}
