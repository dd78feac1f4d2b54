// Files of tensors that are gone, kept to be written again: the pages of a new file cost more than the copy into them.
// Such a file has left its name and says that it is gone before it is kept, so that nobody reads it by mistake.
import type { Disk, DiskFile } from "./disk.ts";

export interface Spare {
  readonly path: string;
  readonly file: DiskFile;
  readonly bytes: number;
}

export interface Spares {
  /** The one that fits a length best, or nothing. It belongs to the caller. */
  take(bytes: number): Spare | undefined;
  /** Whether one of so many bytes may be kept at all. */
  wants(bytes: number): boolean;
  give(spare: Spare): Promise<void>;
  /** Drops what nobody has taken since the last call, and says whether anything is left. */
  tidy(): Promise<boolean>;
  /** Answers whether there was anything to drop. */
  clear(): Promise<boolean>;
}

const sparesMax = 64;

/** Keeps at most `keepBytesMax`. */
export function spares(disk: Disk, keepBytesMax: number, touched: () => void): Spares {
  let all: (Spare & { isFresh: boolean })[] = [];
  let keptBytes = 0;

  async function drop(gone: readonly Spare[]): Promise<void> {
    all = all.filter((spare) => !gone.includes(spare));
    for (const { bytes } of gone) keptBytes -= bytes;
    for (const { file, path } of gone) {
      await file.close().catch(() => {});
      // What a disk that fails leaves behind is garbage with a name that nobody reads.
      await disk.remove(path).catch(() => {});
    }
  }

  return {
    take(bytes) {
      let best: Spare | undefined;
      for (const spare of all) {
        const isFit = spare.bytes <= 2 * bytes && 2 * spare.bytes >= bytes;
        if (isFit && Math.abs(spare.bytes - bytes) < Math.abs((best?.bytes ?? Infinity) - bytes)) best = spare;
      }
      if (best === undefined) return undefined;
      all.splice(all.findIndex((spare) => spare === best), 1);
      keptBytes -= best.bytes;
      touched();
      return best;
    },
    wants: (bytes) => bytes <= keepBytesMax,
    async give(spare) {
      // Sizes change in the course of a campaign: what was not taken for longest makes room.
      let over = keptBytes + spare.bytes - keepBytesMax;
      const count = all.length + 1 - sparesMax;
      const gone = all.filter((each, index) => {
        const goes = over > 0 || index < count;
        if (goes) over -= each.bytes;
        return goes;
      });
      all.push({ ...spare, isFresh: true });
      keptBytes += spare.bytes;
      touched();
      await drop(gone);
    },
    async tidy() {
      await drop(all.filter(({ isFresh }) => !isFresh));
      for (const spare of all) spare.isFresh = false;
      return all.length > 0;
    },
    async clear() {
      const had = all.length > 0;
      await drop(all);
      return had;
    },
  };
}
