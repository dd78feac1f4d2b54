// Tensors over Kafka: what is checked before anything is sent, views of what was read, in pooled buffers until they are
// done, and the end of a tensor, which one record tells to everybody.
import { throwIfCancelled } from "../cancellation.ts";
import { crc32 } from "../checksum.ts";
import { arrayOver, layoutOf, tensorBytes } from "../dtype.ts";
import { isShoalError, ShoalError } from "../error.ts";
import { fetchedAhead } from "../file/ahead.ts";
import type { Buffers } from "../file/buffers.ts";
import { draftOf } from "../file/drafts.ts";
import type { Entries, Entry } from "../file/entries.ts";
import { lifetimeOf } from "../lifetime.ts";
import { checkedRef, isSameTensor } from "../reference.ts";
import type { Room } from "../room.ts";
import type { Dtype, Item, PutOptions, Tensor, TensorEntry, TensorRef, Tensors } from "../store.ts";
import { type Bodies, type Body, placeOf } from "./bodies.ts";
import { type Control, named } from "./control.ts";

export interface KafkaTensorsOptions {
  readonly run: string;
  readonly writer: string;
  readonly bodies: Bodies;
  readonly control: Control;
  readonly entries: Entries;
  readonly buffers: Buffers;
  readonly room: Room;
  readonly strict: boolean;
  readonly throwIfClosed: () => void;
  /** What closing must wait for. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  /** Takes a tensor away for everybody, once. */
  readonly erase: (ref: TensorRef, why: "gone" | "late") => Promise<void>;
  /** What stands there, of all writers. */
  readonly listed: () => AsyncIterable<TensorEntry>;
}

export interface KafkaTensors extends Tensors {
  readonly putBytes: number;
  readonly getBytes: number;
}

export function kafkaTensors(options: KafkaTensorsOptions): KafkaTensors {
  const { run, writer, bodies, control, entries, buffers, room, strict, throwIfClosed, track, erase, listed } = options;
  let putBytes = 0;
  let getBytes = 0;

  /** Room for all or for none: two who each hold half of what they need would wait for each other. */
  async function admitted(sizes: readonly number[], options: PutOptions | undefined): Promise<Entry[]> {
    throwIfClosed();
    const lifetime = lifetimeOf(options);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    await room.enter(bytes, options?.signal);
    try {
      throwIfClosed();
    } catch (error) {
      room.leave(bytes);
      throw error;
    }
    return sizes.map((size) => entries.add(size, lifetime));
  }

  async function sealed<D extends Dtype>(
    entry: Entry,
    dtype: D,
    shape: readonly number[],
    bytes: Uint8Array,
  ): Promise<TensorRef<D>> {
    try {
      const lifetime = entry.lifetime ?? { until: "run" };
      const ref = await track(bodies.write({ dtype, shape, bytes: entry.bytes }, lifetime, bytes));
      entries.seal(entry, ref);
      putBytes += entry.bytes;
      return ref;
    } catch (error) {
      throw named(error, "put tensor");
    }
  }

  function viewOf<D extends Dtype>(ref: TensorRef<D>, { buffer, lifetime }: Body): Tensor<D> {
    const entry = entries.foreign(ref);
    entry.lifetime ??= lifetime;
    // Verified now, whatever it was that was pinned under this id before.
    entry.ref = ref;
    entries.view(entry);
    getBytes += ref.bytes;
    const bytes = new Uint8Array(buffer, 0, ref.bytes);
    const sum = strict ? crc32(bytes) : 0;
    let isDone = false;
    const tensor: Tensor<D> = {
      ref,
      dtype: ref.dtype,
      shape: ref.shape,
      data: arrayOver(ref.dtype, buffer, 0, ref.bytes),
      keep: () => tensor,
      done() {
        if (isDone) return;
        isDone = true;
        const isAsRead = !strict || crc32(bytes) === sum;
        buffers.give(buffer);
        entries.unview(entry);
        if (!isAsRead) throw new ShoalError("Corrupt", `Tensor ${ref.id} was written to after it was sealed`);
      },
    };
    return tensor;
  }

  function throwIfGone(id: string): void {
    entries.known(id);
    const why = control.goneAs(id);
    if (why === "late") throw new ShoalError("Expired", `Cannot get tensor ${id}: its lease has lapsed`);
    if (why === "gone") throw new ShoalError("Missing", `Cannot get tensor ${id}: it was released`);
  }

  async function standing<D extends Dtype>(value: TensorRef<D>): Promise<Tensor<D>> {
    throwIfClosed();
    const ref = checkedRef(value, run);
    throwIfGone(ref.id);
    // Whether it is gone is asked while its bytes are on their way.
    const [synced, read] = await Promise.allSettled([control.sync(), track(bodies.read(ref))]);
    try {
      throwIfClosed();
      if (synced.status === "rejected") throw synced.reason;
      throwIfGone(ref.id);
      if (read.status === "rejected") throw read.reason;
      // Another's, of which all declared reads have happened here.
      const foreign = entries.held(ref.id);
      if (foreign !== undefined && !foreign.isOwn) {
        foreign.lifetime ??= read.value.lifetime;
        entries.settle(foreign);
        entries.known(ref.id);
      }
      return viewOf(ref, read.value);
    } catch (error) {
      if (read.status === "fulfilled") buffers.give(read.value.buffer);
      throw named(error, `get tensor ${ref.id}`);
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

  async function release(ref: TensorRef): Promise<void> {
    const entry = entries.held(ref.id);
    if (entry?.isOwn) {
      if (entry.ref === undefined || !isSameTensor(entry.ref, ref)) return;
      entries.release(entry);
    } else if (control.goneAs(ref.id) !== undefined || placeOf(ref.id)?.writer === writer) return;
    else if (!await bodies.isThere(ref)) return;
    await erase(ref, "gone");
    if (entry !== undefined && !entry.isOwn && entry.ref !== undefined && isSameTensor(entry.ref, ref)) {
      entries.release(entry);
    }
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
      const [ref] = await putMany([item], options);
      return ref!;
    },
    putMany,
    async get(ref, options) {
      throwIfCancelled(options?.signal);
      return await standing(ref);
    },
    getMany: (refs) => fetchedAhead(refs, standing),
    async release(value) {
      throwIfClosed();
      const ref = checkedRef(value, run);
      try {
        await release(ref);
      } catch (error) {
        if (!isShoalError(error)) throw error;
        // Gone for this process in any case, whatever the servers' reason was.
        const { code, message } = error;
        throw new ShoalError(code, message, { outcome: "unknown", cause: error });
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
