// Tensors in files: what is checked before anything is written, which way each goes by its size, and the views of what
// was read, which lie in pooled buffers until they are done.
import { throwIfCancelled } from "../cancellation.ts";
import { crc32 } from "../checksum.ts";
import { arrayOver, layoutOf, tensorBytes } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import { lifetimeOf } from "../lifetime.ts";
import type { Room } from "../memory/room.ts";
import { checkedRef, isSameTensor, tensorRef } from "../reference.ts";
import { releasedByte } from "../slabs.ts";
import type { Draft, Dtype, Item, PutOptions, Tensor, TensorEntry, TensorRef, Tensors } from "../store.ts";
import type { Bodies, Body } from "./bodies.ts";
import type { Buffers } from "./buffers.ts";
import type { Entries, Entry } from "./entries.ts";
import { packedBytesMax, type Segments } from "./segments.ts";
import { idOf } from "./layout.ts";
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

const aheadMax = 4;
const aheadBytesMax = 2 ** 26;

export function fileTensors(options: FileTensorsOptions): FileTensors {
  const { run, where, bodies, segments, entries, buffers, room, strict, throwIfClosed, track, erase, listed } = options;
  let putBytes = 0;
  let getBytes = 0;

  /** Room for all or for none: two who each hold half of what they need would wait for each other. */
  async function admitted(sizes: readonly number[], options: PutOptions | undefined): Promise<Entry[]> {
    throwIfClosed();
    const lifetime = lifetimeOf(options);
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
    const waiting = room.enter(total, options?.signal);
    if (waiting !== undefined) await waiting;
    try {
      throwIfClosed();
    } catch (error) {
      room.leave(total);
      throw error;
    }
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

  function draftOf<D extends Dtype>(entry: Entry, dtype: D, shape: readonly number[]): Draft<D> {
    const buffer = bufferOf(entry.bytes);
    // A draft holds whatever stood there before; in strict mode that is never by chance what a program expects.
    if (strict) new Uint8Array(buffer).fill(releasedByte);
    let sealing: Promise<TensorRef<D>> | undefined;
    const bytes = new Uint8Array(buffer, 0, entry.bytes);
    async function seal(): Promise<TensorRef<D>> {
      throwIfClosed();
      if (entry.state !== "draft") throw new TypeError("Cannot seal draft: it was discarded");
      return await sealed(entry, dtype, shape, bytes);
    }
    return {
      dtype,
      shape: Object.freeze([...shape]),
      data: arrayOver(dtype, buffer, 0, entry.bytes),
      seal() {
        // One that found the disk full may be sealed again when there is space. Its buffer is never used again: who
        // filled it may still hold it.
        sealing ??= seal().catch((error: unknown) => {
          sealing = undefined;
          throw error;
        });
        return sealing;
      },
      discard() {
        if (sealing === undefined) entries.discard(entry);
      },
    };
  }

  function bufferOf(bytes: number): ArrayBuffer {
    try {
      return buffers.take(bytes);
    } catch (cause) {
      throw new ShoalError("CapacityExceeded", `Cannot allocate ${bytes} bytes: the system has no memory`, { cause });
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
      body = await track(bodies.read(ref));
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

  /** The entry that a reference means, for those who only hold on: nothing where it is known to be another. */
  function held(value: TensorRef): Entry | undefined {
    const ref = checkedRef(value, run);
    const entry = entries.foreign(ref);
    return entry.ref !== undefined && isSameTensor(entry.ref, ref) ? entry : undefined;
  }

  async function putMany<D extends Dtype>(items: readonly Item<D>[], options?: PutOptions): Promise<TensorRef<D>[]> {
    const layouts = items.map((item) => layoutOf(item));
    const made = await admitted(layouts.map((layout) => layout.bytes), options);
    const results = await Promise.allSettled(made.map((entry, index) => {
      const { dtype, shape } = layouts[index]!;
      const { data } = items[index]!;
      return sealed(entry, dtype, shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
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
        return draftOf(entry!, dtype, shape);
      } catch (error) {
        entries.discard(entry!);
        throw error;
      }
    },
    async put(item, options) {
      const [ref] = await putMany([item], options);
      return ref!;
    },
    putMany,
    async get(ref, options) {
      throwIfCancelled(options?.signal);
      return await standing(ref);
    },
    async *getMany<D extends Dtype>(refs: Iterable<TensorRef<D>>) {
      const rest = [...refs];
      const ahead: { readonly bytes: number; readonly tensor: Promise<Tensor<D>> }[] = [];
      let bytes = 0;
      try {
        while (rest.length > 0 || ahead.length > 0) {
          while (rest.length > 0 && (ahead.length === 0 || (ahead.length < aheadMax && bytes < aheadBytesMax))) {
            const ref = rest.shift()!;
            const tensor = standing(ref);
            // Its error is told in its turn, and to nobody where the reader has gone.
            tensor.catch(() => {});
            bytes += ref.bytes;
            ahead.push({ bytes: ref.bytes, tensor });
          }
          const first = ahead.shift()!;
          bytes -= first.bytes;
          yield await first.tensor;
        }
      } finally {
        for (const { tensor } of ahead) void tensor.then((each) => each.done(), () => {});
      }
    },
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
        throw troubleOf(error, `release tensor ${ref.id}`, true);
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
