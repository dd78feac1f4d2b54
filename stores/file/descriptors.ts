// Files that stay open between calls: a small tensor costs one read then, instead of four calls. Only for files whose
// names are never used again, and whose bytes say themselves when they are gone.
import { type Disk, type DiskFile, ifThere } from "./disk.ts";

export interface Descriptors {
  /** Calls with an open file, or answers nothing where none is there. */
  use<T>(path: string, how: "read" | "change", call: (file: DiskFile) => Promise<T>): Promise<T | undefined>;
  /** Closes a file that was removed: its room on the disk is free only then. */
  forget(path: string): Promise<void>;
  /** Closes what nobody has used since the last call, and says whether anything is left. */
  tidy(): Promise<boolean>;
  close(): Promise<void>;
}

interface Open {
  readonly key: string;
  readonly file: Promise<DiskFile | undefined>;
  users: number;
  isFresh: boolean;
  isOut: boolean;
}

/** A removed file keeps its room on the disk while somebody has it open. */
const openMax = 32;

export function descriptors(disk: Disk, touched: () => void): Descriptors {
  const all = new Map<string, Open>();

  /** Out of the table at once; closed when the last who uses it is done. */
  async function drop(open: Open): Promise<void> {
    if (all.get(open.key) === open) all.delete(open.key);
    open.isOut = true;
    if (open.users > 0) return;
    const file = await open.file.catch(() => undefined);
    await file?.close();
  }

  return {
    async use(path, how, call) {
      const key = `${how} ${path}`;
      let open = all.get(key);
      if (open === undefined) {
        for (const oldest of all.values()) {
          if (all.size < openMax) break;
          await drop(oldest);
        }
        open = all.get(key);
      }
      if (open === undefined) {
        const file = ifThere(disk.open(path, how));
        all.set(key, open = { key, file, users: 0, isFresh: true, isOut: false });
        touched();
      } else {
        // Last in the order of the table is last to go.
        all.delete(key);
        all.set(key, open);
      }
      open.users += 1;
      open.isFresh = true;
      try {
        const file = await open.file;
        if (file !== undefined) return await call(file);
        open.isOut = true;
        return undefined;
      } catch (error) {
        // One that failed is opened anew next time: a server may have come back under another handle.
        open.isOut = true;
        throw error;
      } finally {
        open.users -= 1;
        if (open.isOut) await drop(open);
      }
    },
    async forget(path) {
      for (const how of ["read", "change"]) {
        const open = all.get(`${how} ${path}`);
        if (open !== undefined) await drop(open);
      }
    },
    async tidy() {
      for (const open of all.values()) {
        if (!open.isFresh && open.users === 0) await drop(open);
        open.isFresh = false;
      }
      return all.size > 0;
    },
    async close() {
      for (const open of all.values()) await drop(open);
    },
  };
}
