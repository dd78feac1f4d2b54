// Tensors on the disk: written aside and renamed, so that a half-written one does not exist; read whole and summed up;
// and taken away for good, by whoever releases them.
import type { Cache } from "../cache.ts";
import { hex32 } from "../checksum.ts";
import type { Landed } from "../copied/landing.ts";
import { isShoalError, ShoalError } from "../error.ts";
import type { Lifetime, TensorRef } from "../store.ts";
import type { Buffers } from "../copied/buffers.ts";
import type { Descriptors } from "./descriptors.ts";
import { closed, type Disk, type DiskFile, ifThere, ifThereNow, readAll, writeAll, writeNow } from "./disk.ts";
import { fanOut, folderOf, idOf, isAdoptedId, type Layout, type Place, placeOf } from "./layout.ts";
import { readSummed, writeSummed } from "./pieces.ts";
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
import { corrupt, gone, liveHead, tooShort } from "./standing.ts";
import type { Spare, Spares } from "./spares.ts";
import type { Striping } from "./striping.ts";
import { isFull } from "./trouble.ts";
import type { Wholes } from "./whole.ts";

/** No more than this is allocated for a length that nobody has checked against the file's. */
const uncheckedBytesMax = 2 ** 26;

export interface Body {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly bytes: number;
  readonly lifetime: Lifetime;
  /** What the whole sums up to, and what the sum over the bytes began with. */
  readonly sum: number;
  readonly seed: number;
  /** Where the bytes lie in memory that the node shares. */
  readonly landed?: Landed;
}

export interface Bodies {
  write(meta: Omit<Meta, "id">, lifetime: Lifetime, bytes: Uint8Array, isAdopted?: boolean): Promise<Place>;
  /** All bytes, verified; of an adopted tensor its record. Throws Missing, Expired or Corrupt. */
  read(ref: TensorRef): Promise<Body>;
  /** Whether it is there, and not marked as gone. */
  stands(ref: TensorRef): Promise<boolean>;
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
  /** What the node keeps of what it has read. Nothing unless set. */
  readonly cache?: Cache | undefined;
  readonly descriptors: Descriptors;
  /** What sets how the files lie on the targets of Lustre, and from how many bytes on a file is set for itself. */
  readonly striping: Striping | undefined;
  readonly wideBytesMin: number;
  /** Files that may be written again. None where a power cut must not mix the old with the new. */
  readonly spares: Spares | undefined;
}

export function bodies(options: BodiesOptions): Bodies {
  const { disk, wholes, layout, writer, durable, buffers, cache, descriptors, spares, striping } = options;
  const isNear = disk.isNear === true;
  /** Which of the folders that tensors are spread over are there. */
  const homes = new Set<number>();
  let count = 0;
  let prepared: Promise<void> | undefined;

  /** Calls with the file that a place names; answers nothing where none is there. */
  async function opened<T>(
    place: Place,
    how: "read" | "change",
    use: (file: DiskFile, at: number) => Promise<T>,
  ): Promise<T | undefined> {
    const path = layout.tensor(place);
    if (place.kind === "packed") return await descriptors.use(path, how, (file) => use(file, place.offset));
    const direct = disk.direct?.(how);
    const file = direct === undefined ? await ifThere(disk.open(path, how)) : ifThereNow(() => direct.open(path, how));
    if (file === undefined) return undefined;
    try {
      return await use(file, 0);
    } finally {
      await closed(file);
    }
  }

  async function missing(id: string): Promise<ShoalError> {
    // A file system that is not mounted has no tensors either, and must not be taken for one that lost them.
    if (!await disk.exists(layout.run)) {
      return new ShoalError("Unavailable", `Cannot get tensor ${id}: the store's folder is not there`);
    }
    return gone(id);
  }

  async function headAt(file: DiskFile, ref: TensorRef, at: number): Promise<Head | undefined> {
    const bytes = new Uint8Array(headBytesOf(ref));
    const length = await readAll(file, bytes, at);
    const head = readHead(bytes.subarray(0, length));
    return head !== undefined && isHeadOf(head, ref) ? head : undefined;
  }

  /** By its head alone, where the node has its bytes already. */
  async function shared(file: DiskFile, ref: TensorRef, at: number, cache: Cache): Promise<Body> {
    const head = liveHead(await headAt(file, ref, at), ref);
    const { sum, seed, lifetime } = head;
    const { id, bytes } = ref;
    const start = at + headBytesOf(ref);
    if (bytes > uncheckedBytesMax && await file.size() < start + bytes) throw tooShort(id);
    const landed = await cache.land({ id, bytes, sum: hex32(sum) }, async (into) => {
      const read = await readSummed(file, into, start, isNear, () => ({ headBytes: 0, seed }));
      if (read.sum === undefined) throw tooShort(id);
      if (read.sum !== sum) throw corrupt(id, "its bytes and their checksum disagree");
    });
    return { buffer: landed.buffer, offset: landed.offset, bytes, lifetime, sum, seed, landed };
  }

  async function body(file: DiskFile, ref: TensorRef, at: number): Promise<Body> {
    if (cache?.isKept(ref.bytes) && !isAdoptedId(ref.id)) return await shared(file, ref, at, cache);
    const headBytes = headBytesOf(ref);
    const bytes = isAdoptedId(ref.id) ? liveHead(await headAt(file, ref, at), ref).bytes : ref.bytes;
    const total = headBytes + bytes;
    if (total > uncheckedBytesMax && await file.size() < at + total) throw tooShort(ref.id);
    const buffer = buffers.take(total);
    try {
      const into = new Uint8Array(buffer, 0, total);
      const reading = readSummed(file, into, at, isNear, (bytes) => liveHead(readHead(bytes), ref));
      const { beginning, sum } = reading instanceof Promise ? await reading : reading;
      if (sum === undefined) throw tooShort(ref.id);
      if (sum !== beginning.sum) throw corrupt(ref.id, "its bytes and their checksum disagree");
      return { buffer, offset: headBytes, bytes, lifetime: beginning.lifetime, sum, seed: beginning.seed };
    } catch (error) {
      buffers.give(buffer);
      throw error;
    }
  }

  async function makeTemp(temp: string): Promise<void> {
    try {
      await wholes.makeFolder(temp);
      await striping?.narrow(temp);
    } catch (error) {
      prepared = undefined;
      throw error;
    }
  }

  async function fresh(id: string, bytes: number): Promise<Spare> {
    const { temp } = layout.writer(writer);
    prepared ??= makeTemp(temp);
    await prepared;
    const path = `${temp}/${id}`;
    const isWide = bytes >= options.wideBytesMin && await striping?.wide(path) === true;
    return { path, file: await disk.open(path, isWide ? "change" : "create"), bytes: 0 };
  }

  async function write(
    place: Place & { readonly kind: "file" },
    meta: Meta,
    lifetime: Lifetime,
    bytes: Uint8Array,
  ): Promise<Place> {
    const { head, seed } = headFor(meta, lifetime);
    const total = head.byteLength + meta.bytes;
    const home = layout.tensor(place);
    const number = fanOut(place.count);
    if (!homes.has(number)) {
      await wholes.makeFolder(folderOf(home));
      homes.add(number);
    }
    // One of about that length, or a new one.
    const { path, file, bytes: stale } = spares?.take(total) ?? await fresh(meta.id, total);
    let isHome = false;
    try {
      try {
        if (stale > total) await file.truncate(total);
        const writing = writeSummed(file, bytes, head.byteLength, seed, isNear);
        const sum = typeof writing === "number" ? writing : await writing;
        if (bytes.byteLength !== meta.bytes) {
          throw new ShoalError("BadInput", "Cannot put tensor: its array changed its length meanwhile");
        }
        setSum(head, sum);
        // Last: until it is there, the file says that it is no tensor, or one that is gone.
        const { direct } = file;
        if (direct === undefined) await writeAll(file, head, 0);
        else writeNow(direct, head, 0);
        if (durable) await file.sync();
      } finally {
        await closed(file);
      }
      const direct = disk.direct?.("change");
      if (direct === undefined) await disk.rename(path, home);
      else direct.rename(path, home);
      isHome = true;
      if (durable) await disk.syncFolder(folderOf(home));
      return place;
    } catch (error) {
      await disk.remove(isHome ? home : path).catch(() => {});
      throw error;
    }
  }

  /** Our own file, which nobody else ever writes to: marked, out of its folder, and kept for the next. */
  async function keep(place: Place, ref: TensorRef, mark: "gone" | "late", into: Spares): Promise<Head | undefined> {
    const home = layout.tensor(place);
    const file = await ifThere(disk.open(home, "change"));
    if (file === undefined) return undefined;
    const path = `${layout.writer(writer).temp}/${ref.id}`;
    let isKept = false;
    try {
      const head = await headAt(file, ref, 0);
      if (head === undefined) return undefined;
      // Who has it open already, and reads on while it is written anew, learns from the mark that it was released.
      await writeAll(file, markBytes(mark), markOffset);
      await ifThere(disk.rename(home, path).then(() => isKept = true));
      if (isKept) await into.give({ path, file, bytes: headBytesOf(ref) + ref.bytes });
      return head;
    } finally {
      if (!isKept) await file.close();
    }
  }

  /** Answers nothing where there was nothing. */
  async function eraseFile(ref: TensorRef, place: Place, mark: "gone" | "late"): Promise<Head | undefined> {
    if (place.writer === writer && spares?.wants(ref.bytes) && !isAdoptedId(ref.id)) {
      return await keep(place, ref, mark, spares);
    }
    // Another's is taken away and never written to: it may be a spare already, and a new tensor by the time of the write.
    const head = await opened(place, "read", (file) => headAt(file, ref, 0));
    if (head === undefined) return undefined;
    const home = layout.tensor(place);
    await ifThere(disk.remove(home));
    if (durable) await disk.syncFolder(folderOf(home));
    return head;
  }

  async function eraseHere(ref: TensorRef, place: Place, mark: "gone" | "late"): Promise<Head | undefined> {
    return await opened(place, "change", async (file, at) => {
      const head = await headAt(file, ref, at);
      if (head?.mark === "live") await writeAll(file, markBytes(mark), at + markOffset);
      if (head?.mark !== undefined && durable) await file.sync();
      return head;
    });
  }

  return {
    async write(meta, lifetime, bytes, isAdopted = false) {
      const place = { kind: "file", writer, count: count++, isAdopted } as const;
      const whole = { ...meta, id: idOf(place) };
      try {
        return await write(place, whole, lifetime, bytes);
      } catch (error) {
        // The disk may be full of what is only kept for the next.
        if (!isFull(error) || !await spares?.clear()) throw error;
        return await write(place, whole, lifetime, bytes);
      }
    },
    async read(ref) {
      const place = placeOf(ref.id);
      if (place === undefined) throw gone(ref.id);
      let found: Body | undefined;
      try {
        found = await opened(place, "read", (file, at) => body(file, ref, at));
      } catch (error) {
        if (!isShoalError(error, "Corrupt")) throw error;
        // Released while it was read, its file is another's by now: what it says of itself decides.
        const head = await opened(place, "read", (file, at) => headAt(file, ref, at));
        if (head !== undefined) liveHead(head, ref);
        if (place.kind === "file" && head === undefined && !await disk.exists(layout.tensor(place))) {
          throw await missing(ref.id);
        }
        throw error;
      }
      if (found === undefined) throw await missing(ref.id);
      return found;
    },
    async stands(ref) {
      const place = placeOf(ref.id);
      const head = place && await opened(place, "read", (file, at) => headAt(file, ref, at));
      if (head === undefined && !await disk.exists(layout.run)) throw await missing(ref.id);
      return head?.mark === "live";
    },
    async erase(ref, mark) {
      const place = placeOf(ref.id);
      if (place === undefined) return;
      const found = place.kind === "file" ? await eraseFile(ref, place, mark) : await eraseHere(ref, place, mark);
      if (found === undefined && !await disk.exists(layout.run)) throw await missing(ref.id);
    },
  };
}
