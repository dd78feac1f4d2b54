// Tensors in files: what is checked before anything is written, which way each goes by its size, and the views of what
// was read, which lie in pooled buffers until they are done.
import { throwIfCancelled } from "../cancellation.ts";
import { crc32 } from "../checksum.ts";
import { arrayOver, layoutOf, tensorBytes } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import { lifetimeOf } from "../lifetime.ts";
import type { Room } from "../room.ts";
import { checkedRef, isSameTensor, tensorRef } from "../reference.ts";
import type { Dtype, Item, PutOptions, Tensor, TensorEntry, TensorRef, Tensors } from "../store.ts";
import type { Adopted } from "./adopted.ts";
import { fetchedAhead } from "./ahead.ts";
import type { Bodies, Body } from "./bodies.ts";
import type { Buffers } from "./buffers.ts";
import { draftOf } from "./drafts.ts";
import type { Entries, Entry } from "./entries.ts";
import type { Segments } from "./segments.ts";
import { idOf, isAdoptedId } from "./layout.ts";
import { troubleOf } from "./trouble.ts";

export interface FileTensorsOptions {
  readonly run: string;
  readonly where: string;
  readonly bodies: Bodies;
  readonly segments: Segments;
  readonly entries: Entries;
  readonly buffers: Buffers;
  readonly room: Room;
  readonly strict: boolean;
  /** Tensors of fewer bytes share files. */
  readonly packedBytesMax: number;
  readonly adopted: Adopted;
  readonly throwIfClosed: () => void;
  /** What closing must wait for. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  /** Takes a tensor away for everybody, once. */
  readonly erase: (ref: TensorRef, mark: "gone" | "late") => Promise<void>;
  /** What stands on the disk, of all writers. */
  readonly listed: () => AsyncIterable<TensorEntry>;
}

export interface FileTensors extends Tensors {
  readonly putBytes: number;
  readonly getBytes: number;
}

export function fileTensors(options: FileTensorsOptions): FileTensors {
  const { run, where, bodies, segments, entries, buffers, room, strict, track, erase, listed } = options;
  const { packedBytesMax, adopted, throwIfClosed } = options;
  let putBytes = 0;
  let getBytes = 0;

  /** Answers a promise where there is none yet. */
  function roomFor(bytes: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    return room.enter(bytes, signal)?.then(() => {
      try {
        throwIfClosed();
      } catch (error) {
        room.leave(bytes);
        throw error;
      }
    });
  }

  /** Room for all or for none: two who each hold half of what they need would wait for each other. */
  async function admitted(sizes: readonly number[], options: PutOptions | undefined): Promise<Entry[]> {
    throwIfClosed();
    const lifetime = lifetimeOf(options);
    const waiting = roomFor(sizes.reduce((sum, bytes) => sum + bytes, 0), options?.signal);
    if (waiting !== undefined) await waiting;
    return sizes.map((bytes) => entries.add(bytes, lifetime));
  }

  async function sealed<D extends Dtype>(
    entry: Entry,
    dtype: D,
    shape: readonly number[],
    bytes: Uint8Array,
  ): Promise<TensorRef<D>> {
    const meta = { run, dtype, shape, bytes: entry.bytes };
    const lifetime = entry.lifetime ?? { until: "run" };
    try {
      const place = await track(
        entry.bytes < packedBytesMax ? segments.append({ meta, lifetime, bytes }) : bodies.write(meta, lifetime, bytes),
      );
      const ref = tensorRef({ ...meta, id: idOf(place), where });
      entries.seal(entry, ref);
      putBytes += entry.bytes;
      return ref;
    } catch (error) {
      throw troubleOf(error, "put tensor", true);
    }
  }

  function viewOf<D extends Dtype>(ref: TensorRef<D>, { buffer, offset, sum, seed, lifetime }: Body): Tensor<D> {
    const entry = entries.foreign(ref);
    entry.lifetime ??= lifetime;
    // Verified now, whatever it was that was pinned under this id before.
    entry.ref = ref;
    entries.view(entry);
    getBytes += ref.bytes;
    let isDone = false;
    const tensor: Tensor<D> = {
      ref,
      dtype: ref.dtype,
      shape: ref.shape,
      data: arrayOver(ref.dtype, buffer, offset, ref.bytes),
      keep: () => tensor,
      done() {
        if (isDone) return;
        isDone = true;
        const isAsRead = !strict || crc32(new Uint8Array(buffer, offset, ref.bytes), seed) === sum;
        buffers.give(buffer);
        entries.unview(entry);
        if (!isAsRead) throw new ShoalError("Corrupt", `Tensor ${ref.id} was written to after it was sealed`);
      },
    };
    return tensor;
  }

  async function standing<D extends Dtype>(value: TensorRef<D>): Promise<Tensor<D>> {
    throwIfClosed();
    const ref = checkedRef(value, run);
    const entry = entries.known(ref.id);
    if (entry?.isOwn && entry.ref !== undefined && !isSameTensor(entry.ref, ref)) {
      throw new ShoalError("Corrupt", `Cannot get tensor ${ref.id}: it is another than the reference says`);
    }
    let body: Body;
    try {
      body = await track(isAdoptedId(ref.id) ? followed(ref) : bodies.read(ref));
    } catch (error) {
      throw troubleOf(error, `get tensor ${ref.id}`);
    }
    try {
      throwIfClosed();
      // Released while it was read: what was asked first may be answered last.
      const foreign = entries.known(ref.id);
      if (foreign !== undefined && !foreign.isOwn) {
        foreign.lifetime ??= body.lifetime;
        entries.settle(foreign);
        entries.known(ref.id);
      }
    } catch (error) {
      buffers.give(body.buffer);
      throw error;
    }
    return viewOf(ref, body);
  }

  async function followed(ref: TensorRef): Promise<Body> {
    const { buffer, offset, lifetime, bytes } = await bodies.read(ref);
    try {
      return { lifetime, ...await adopted.follow(ref, new Uint8Array(buffer, offset, bytes)) };
    } finally {
      buffers.give(buffer);
    }
  }

  /** The entry that a reference means, for those who only hold on: nothing where it is known to be another. */
  function held(value: TensorRef): Entry | undefined {
    const ref = checkedRef(value, run);
    const entry = entries.foreign(ref);
    return entry.ref !== undefined && isSameTensor(entry.ref, ref) ? entry : undefined;
  }

  async function putMany<D extends Dtype>(items: readonly Item<D>[], options?: PutOptions): Promise<TensorRef<D>[]> {
    const layouts = items.map((item) => layoutOf(item));
    const made = await admitted(layouts.map((layout) => layout.bytes), options);
    const results = await Promise.allSettled(made.map(async (entry, index) => {
      const { dtype, shape } = layouts[index]!;
      return await sealed(entry, dtype, shape, bytesIn(items[index]!.data, entry.bytes));
    }));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      for (const entry of made) {
        if (entry.state === "draft") entries.discard(entry);
        else entries.release(entry);
      }
      throw failed.reason;
    }
    return results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
  }

  return {
    get putBytes() {
      return putBytes;
    },
    get getBytes() {
      return getBytes;
    },
    async allocate(dtype, shape, options) {
      const bytes = tensorBytes(dtype, shape);
      const [entry] = await admitted([bytes], options);
      try {
        return draftOf(entry!, dtype, shape, { buffers, entries, strict, throwIfClosed, sealed });
      } catch (error) {
        entries.discard(entry!);
        throw error;
      }
    },
    async put(item, options) {
      const { dtype, shape, bytes } = layoutOf(item);
      throwIfClosed();
      const lifetime = lifetimeOf(options);
      const waiting = roomFor(bytes, options?.signal);
      if (waiting !== undefined) await waiting;
      const entry = entries.add(bytes, lifetime);
      try {
        return await sealed(entry, dtype, shape, bytesIn(item.data, bytes));
      } catch (error) {
        entries.discard(entry);
        throw error;
      }
    },
    putMany,
    async adopt(path, dtype, shape, options) {
      const bytes = tensorBytes(dtype, shape);
      throwIfClosed();
      throwIfCancelled(options?.signal);
      const lifetime = lifetimeOf(options);
      try {
        const record = await track(adopted.describe(path, options?.offset ?? 0, bytes));
        const place = await track(
          bodies.write({ run, dtype, shape, bytes: record.byteLength }, lifetime, record, true),
        );
        throwIfClosed();
        // It takes no room here, and what it is counted with is what it takes.
        const entry = entries.add(0, lifetime);
        const ref = tensorRef({ run, id: idOf(place), dtype, shape, bytes, where });
        entries.seal(entry, ref);
        return ref;
      } catch (error) {
        throw troubleOf(error, "adopt file", true);
      }
    },
    async get(ref, options) {
      throwIfCancelled(options?.signal);
      return await standing(ref);
    },
    getMany: (refs) => fetchedAhead(refs, standing),
    async release(value) {
      throwIfClosed();
      const ref = checkedRef(value, run);
      const entry = entries.held(ref.id);
      try {
        if (entry?.isOwn && (entry.ref === undefined || !isSameTensor(entry.ref, ref))) return;
        if (entry?.isOwn) entries.release(entry);
        // What this process does not know to be the one that is meant, the disk does.
        await erase(ref, "gone");
        if (entry !== undefined && !entry.isOwn && entry.ref !== undefined && isSameTensor(entry.ref, ref)) {
          entries.release(entry);
        }
      } catch (error) {
        // Gone for this process in any case, whatever the disk's reason was.
        const { code, message, cause } = troubleOf(error, `release tensor ${ref.id}`);
        throw new ShoalError(code, message, { outcome: "unknown", cause });
      }
    },
    pin(ref, holder) {
      const entry = held(ref);
      if (entry !== undefined) entries.pin(entry, holder);
    },
    unpin(ref, holder, read) {
      const entry = held(ref);
      if (entry !== undefined) entries.unpin(entry, holder, read);
    },
    async *list() {
      throwIfClosed();
      const seen = new Set<string>();
      for (const { id, bytes, state } of entries.own()) {
        seen.add(id);
        yield { id, run, bytes, state };
      }
      for await (const entry of listed()) if (!seen.has(entry.id)) yield entry;
    },
  };
}

/** The bytes of an array, which may have been handed away while it waited for room. */
function bytesIn(data: ArrayBufferView, bytes: number): Uint8Array {
  if (data.byteLength === bytes) return new Uint8Array(data.buffer, data.byteOffset, bytes);
  throw new ShoalError("BadInput", "Cannot put tensor: its array changed its length meanwhile");
}
