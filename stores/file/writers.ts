// Appends to streams: opens an epoch where it must, writes a batch so that all of it shows at once, and asks, before
// it says that anything is kept, whether somebody else has opened the stream meanwhile.
import { ShoalError } from "../error.ts";
import type { Position } from "../store.ts";
import { type Disk, type DiskFile, errnoOf, writeAll } from "./disk.ts";
import { framed, magicBytes } from "./frames.ts";
import { numberedName } from "./layout.ts";
import type { Streams } from "./streams.ts";
import type { Wholes } from "./whole.ts";

/** A segment that has reached this is followed by another. */
export const segmentBytesMax: number = 16 * 2 ** 20;

interface Writing {
  readonly n: number;
  readonly epoch: number;
  sequence: number;
  file: DiskFile | undefined;
  end: number;
}

export interface WritersOptions {
  readonly disk: Disk;
  readonly wholes: Wholes;
  readonly streams: Streams;
  readonly writer: string;
  readonly durable: boolean;
}

export interface Writers {
  /** One at a time for each stream. */
  append(folder: string, name: string, epoch: number, frames: readonly Uint8Array[]): Promise<Position>;
  close(): Promise<void>;
}

export function writers({ disk, wholes, streams, writer, durable }: WritersOptions): Writers {
  const all = new Map<string, Writing>();

  async function drop(folder: string): Promise<void> {
    const file = all.get(folder)?.file;
    all.delete(folder);
    await file?.close().catch(() => {});
  }

  async function opened(folder: string, name: string, epoch: number): Promise<Writing> {
    const standing = all.get(folder);
    if (standing?.epoch === epoch) return standing;
    await drop(folder);
    for (;;) {
      const { openings } = await streams.load(folder);
      const last = openings.at(-1);
      if (last !== undefined && last.epoch > epoch) {
        throw new ShoalError("Fenced", `Cannot append to ${name} in epoch ${epoch}: epoch ${last.epoch} is open`);
      }
      if (last === undefined) {
        await wholes.makeFolder(folder);
        await wholes.put(folder, "name", name);
      }
      const n = (last?.n ?? 0) + 1;
      if (!await wholes.place(folder, numberedName("open", n), `${epoch} ${writer}`)) continue;
      // Loading says where the one before ended, if there was any.
      const own = last === undefined
        ? { base: 0 }
        : (await streams.load(folder)).openings.find((opening) => opening.n === n);
      if (own === undefined) throw new ShoalError("Unavailable", `Cannot open ${name}: its opening vanished`);
      const writing = { n, epoch, sequence: own.base, file: undefined, end: 0 };
      all.set(folder, writing);
      return writing;
    }
  }

  async function segment(folder: string, writing: Writing): Promise<DiskFile> {
    if (writing.file !== undefined && writing.end < segmentBytesMax) return writing.file;
    await writing.file?.close();
    writing.file = undefined;
    const path = `${folder}/${numberedName("log", writing.n, writing.sequence + 1)}`;
    try {
      writing.file = await disk.open(path, "create");
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      // Ours, from a try that failed right after it was made.
      writing.file = await disk.open(path, "change");
      await writing.file.truncate(0);
    }
    writing.end = 0;
    try {
      if (durable) await disk.syncFolder(folder);
    } catch (error) {
      // Nothing may be acknowledged in a file whose name is not on the disk yet: the next try syncs it again.
      const { file } = writing;
      writing.file = undefined;
      await file.close().catch(() => {});
      throw error;
    }
    return writing.file;
  }

  /** All but the first magic, and then that: until it is there, a reader sees nothing of the batch. */
  async function write(folder: string, writing: Writing, bytes: Uint8Array): Promise<void> {
    let mayShow = false;
    try {
      const file = await segment(folder, writing);
      const magic = new Uint8Array(bytes.subarray(0, magicBytes));
      bytes.fill(0, 0, magicBytes);
      await writeAll(file, bytes, writing.end);
      mayShow = true;
      await writeAll(file, magic, writing.end);
      if (durable) await file.sync();
    } catch (error) {
      const { file, end } = writing;
      try {
        // What lies behind the end now would be taken for frames once something else stands before it.
        if (mayShow || file === undefined) await drop(folder);
        else await file.truncate(end);
      } catch {
        await drop(folder);
      }
      if (!mayShow) throw error;
      throw new ShoalError("Unavailable", "Cannot append: the file system failed in the last step", {
        outcome: "unknown",
        cause: error,
      });
    }
  }

  return {
    async append(folder, name, epoch, frames) {
      for (;;) {
        const writing = await opened(folder, name, epoch);
        const last = writing.sequence + frames.length;
        const bytes = framed(streams.saltOf(folder, writing.n), epoch, writing.sequence + 1, frames);
        if (frames.length > 0) await write(folder, writing, bytes);
        let isLast: boolean;
        try {
          isLast = await streams.isLast(folder, writing.n);
        } catch (cause) {
          // What was written may have been read already: nothing else may ever stand in its place.
          await drop(folder);
          const why = "whether the stream is still its own cannot be told";
          throw new ShoalError("Unavailable", `Cannot append to ${name}: ${why}`, { outcome: "unknown", cause });
        }
        if (isLast) {
          writing.sequence = last;
          writing.end += bytes.byteLength;
          return { epoch, sequence: last };
        }
        await drop(folder);
        const { openings } = await streams.load(folder);
        const own = openings.find(({ n }) => n === writing.n);
        if (frames.length > 0 && own?.cut !== undefined && own.cut >= last) return { epoch, sequence: last };
      }
    },
    async close() {
      for (const folder of all.keys()) await drop(folder);
    },
  };
}
