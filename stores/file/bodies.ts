// Tensors on the disk: written aside and renamed, so that a half-written one does not exist; read whole and summed up;
// and taken away for good, by whoever releases them.
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import type { Lifetime, TensorRef } from "../store.ts";
import type { Buffers } from "./buffers.ts";
import { type Disk, type DiskFile, ifThere, readAll, writeAll } from "./disk.ts";
import { fanOut, idOf, type Layout, type Place, placeOf } from "./layout.ts";
import {
  type Head,
  headBytesOf,
  headFor,
  isHeadOf,
  markBytes,
  markOffset,
  type Meta,
  readHead,
  setSum,
} from "./record.ts";
import type { Wholes } from "./whole.ts";

/** Summed up in pieces that still lie in the processor's cache when they are written or were just read. */
const pieceBytes = 2 ** 20;

export interface Body {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly lifetime: Lifetime;
  /** What the whole sums up to, and what the sum over the bytes began with. */
  readonly sum: number;
  readonly seed: number;
}

export interface Bodies {
  write(meta: Omit<Meta, "id">, lifetime: Lifetime, bytes: Uint8Array): Promise<Place>;
  /** All bytes, verified. Throws Missing, Expired or Corrupt. */
  read(ref: TensorRef): Promise<Body>;
  peek(ref: TensorRef): Promise<Head | undefined>;
  /** From here on it is Missing, or Expired, for everybody. Leaves alone what is not what the reference says. */
  erase(ref: TensorRef, mark: "gone" | "late"): Promise<void>;
}

export interface BodiesOptions {
  readonly disk: Disk;
  readonly wholes: Wholes;
  readonly layout: Layout;
  readonly writer: string;
  readonly durable: boolean;
  readonly buffers: Buffers;
}

const corrupt = (id: string, why: string): ShoalError => new ShoalError("Corrupt", `Cannot get tensor ${id}: ${why}`);

export function bodies({ disk, wholes, layout, writer, durable, buffers }: BodiesOptions): Bodies {
  let count = 0;

  async function fill(path: string, meta: Meta, lifetime: Lifetime, bytes: Uint8Array): Promise<void> {
    const file = await disk.open(path, "create");
    try {
      const { head, seed } = headFor(meta, lifetime);
      let sum = seed;
      for (let done = 0; done < bytes.byteLength; done += pieceBytes) {
        const piece = bytes.subarray(done, done + pieceBytes);
        sum = crc32(piece, sum);
        await writeAll(file, piece, head.byteLength + done);
      }
      if (bytes.byteLength !== meta.bytes) {
        throw new ShoalError("BadInput", "Cannot put tensor: its array changed its length meanwhile");
      }
      setSum(head, sum);
      await writeAll(file, head, 0);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
  }

  async function opened<T>(
    ref: TensorRef,
    how: "read" | "change",
    use: (file: DiskFile, at: number, place: Place) => Promise<T>,
  ): Promise<T | undefined> {
    const place = placeOf(ref.id);
    if (place === undefined) return undefined;
    const file = await ifThere(disk.open(layout.tensor(place), how));
    if (file === undefined) {
      // A file system that is not mounted has no tensors either, and must not be taken for one that lost them.
      if (await disk.exists(layout.run)) return undefined;
      throw new ShoalError("Unavailable", `Cannot get tensor ${ref.id}: the store's folder is not there`);
    }
    try {
      return await use(file, place.kind === "packed" ? place.offset : 0, place);
    } finally {
      await file.close();
    }
  }

  async function headAt(file: DiskFile, ref: TensorRef, at: number): Promise<Head | undefined> {
    const bytes = new Uint8Array(headBytesOf(ref));
    const length = await readAll(file, bytes, at);
    const head = readHead(bytes.subarray(0, length));
    return head !== undefined && isHeadOf(head, ref) ? head : undefined;
  }

  async function body(file: DiskFile, ref: TensorRef, at: number): Promise<Body> {
    const headBytes = headBytesOf(ref);
    const total = headBytes + ref.bytes;
    // Before anything is allocated for a length that is not true.
    if (await file.size() < at + total) throw corrupt(ref.id, "its file is shorter than the reference says");
    const buffer = buffers.take(total);
    try {
      const bytes = new Uint8Array(buffer, 0, total);
      let length = await readAll(file, bytes.subarray(0, Math.min(total, pieceBytes)), at);
      const head = readHead(bytes.subarray(0, length));
      if (head === undefined || !isHeadOf(head, ref)) throw corrupt(ref.id, "its head is not what the reference says");
      if (head.mark === "gone") throw missing(ref.id);
      if (head.mark === "late") throw new ShoalError("Expired", `Cannot get tensor ${ref.id}: its lease has lapsed`);
      if (head.mark === undefined) throw corrupt(ref.id, "its mark is none");
      let sum = crc32(bytes.subarray(headBytes, length), head.seed);
      while (length < total) {
        const piece = bytes.subarray(length, Math.min(total, length + pieceBytes));
        if (await readAll(file, piece, at + length) < piece.byteLength) throw corrupt(ref.id, "its file ends early");
        sum = crc32(piece, sum);
        length += piece.byteLength;
      }
      if (sum !== head.sum) throw corrupt(ref.id, "its bytes and their checksum disagree");
      return { buffer, offset: headBytes, lifetime: head.lifetime, sum, seed: head.seed };
    } catch (error) {
      buffers.give(buffer);
      throw error;
    }
  }

  return {
    async write(meta, lifetime, bytes) {
      const place: Place = { kind: "file", writer, count: count++ };
      const { temp, folder } = layout.writer(writer);
      const id = idOf(place);
      const aside = `${temp}/${id}`;
      const home = `${folder}/${fanOut(place.count)}`;
      await wholes.makeFolder(temp);
      await wholes.makeFolder(home);
      let isHome = false;
      try {
        await fill(aside, { ...meta, id }, lifetime, bytes);
        await disk.rename(aside, layout.tensor(place));
        isHome = true;
        if (durable) await disk.syncFolder(home);
        return place;
      } catch (error) {
        await disk.remove(isHome ? layout.tensor(place) : aside).catch(() => {});
        throw error;
      }
    },
    async read(ref) {
      const found = await opened(ref, "read", (file, at) => body(file, ref, at));
      if (found === undefined) throw missing(ref.id);
      return found;
    },
    peek: (ref) => opened(ref, "read", (file, at) => headAt(file, ref, at)),
    async erase(ref, mark) {
      await opened(ref, "change", async (file, at, place) => {
        const head = await headAt(file, ref, at);
        if (head === undefined || head.mark === undefined) return;
        // The mark first, also where the file goes: who has it open already learns it too.
        if (head.mark === "live") await writeAll(file, markBytes(mark), at + markOffset);
        if (durable) await file.sync();
        if (place.kind === "packed") return;
        await ifThere(disk.remove(layout.tensor(place)));
        if (durable) await disk.syncFolder(layout.tensor(place).replace(/\/[^/]*$/, ""));
      });
    },
  };
}

const missing = (id: string): ShoalError =>
  new ShoalError("Missing", `Cannot get tensor ${id}: it was released, or never was in this store`);
