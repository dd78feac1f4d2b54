// Tensors in pooled shared memory: a draft is written where the tensor will stand, and a get is a view of that place,
// in whatever thread. Every view counts until its `done`; which views end with their handler, and which were kept, the
// runtime knows.
import { throwIfCancelled } from "../cancellation.ts";
import { arrayOver, layoutOf, tensorBytes } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import { lifetimeOf } from "../lifetime.ts";
import { checkedRef, tensorRef } from "../reference.ts";
import { releasedByte } from "../slabs.ts";
import type { Arrays, Draft, Dtype, Item, PutOptions, Tensor, TensorRef, Tensors } from "../store.ts";
import type { Entries, Entry } from "./entries.ts";
import type { Line } from "./line.ts";

export interface MemoryTensorsOptions {
  readonly run: string;
  readonly where: string;
  /** What all references to a tensor come to, and nobody can make another come to. */
  readonly mark: (ref: TensorRef) => number;
  /** Brings a slab here that has not come by itself. */
  readonly fetch: (slab: number) => Promise<void>;
  readonly entries: Entries;
  readonly room: Line;
  readonly strict: boolean;
  /** Sum a tensor's bytes on every get. */
  readonly verifyAlways: boolean;
  /** Throws once the store has been closed. */
  readonly throwIfClosed: () => void;
}

export interface MemoryTensors extends Tensors {
  readonly putBytes: number;
  readonly getBytes: number;
}

export function memoryTensors(options: MemoryTensorsOptions): MemoryTensors {
  const { run, where, mark, fetch, entries, room, strict, verifyAlways, throwIfClosed } = options;
  let putBytes = 0;
  let getBytes = 0;

  /** Room for all or for none: two who each hold half of what they need would wait for each other. */
  async function admitted(sizes: readonly number[], options: PutOptions | undefined): Promise<Entry[]> {
    throwIfClosed();
    const lifetime = lifetimeOf(options);
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
    const waiting = room.enter(total, options?.signal);
    if (waiting !== undefined) await waiting;
    const made: Entry[] = [];
    try {
      // Closed in the turn between being let in and getting here.
      throwIfClosed();
      for (const bytes of sizes) made.push(entries.add(bytes, lifetime));
      return made;
    } catch (error) {
      room.refund(total - made.reduce((sum, entry) => sum + entry.bytes, 0));
      for (const entry of made) entries.discard(entry);
      if (!(error instanceof RangeError)) throw error;
      throw new ShoalError("CapacityExceeded", `Cannot allocate ${total} bytes: the system has no memory`, {
        cause: error,
      });
    }
  }

  function arrayOf<D extends Dtype>(dtype: D, entry: Entry): Arrays[D] {
    try {
      const { buffer, byteOffset } = entries.bytes(entry);
      return arrayOver(dtype, buffer, byteOffset, entry.bytes);
    } catch (cause) {
      throw new ShoalError("TooLarge", `Cannot make an array of ${entry.bytes} bytes on this runtime`, { cause });
    }
  }

  function sealed<D extends Dtype>(entry: Entry, dtype: D, shape: readonly number[]): TensorRef<D> {
    const ref = tensorRef({ run, id: entry.id, dtype, shape, bytes: entry.bytes, where });
    entries.seal(entry, mark(ref));
    putBytes += entry.bytes;
    return ref;
  }

  function draftOf<D extends Dtype>(entry: Entry, dtype: D, shape: readonly number[]): Draft<D> {
    let ref: TensorRef<D> | undefined;
    return {
      dtype,
      shape: Object.freeze([...shape]),
      data: arrayOf(dtype, entry),
      async seal() {
        if (ref !== undefined) return ref;
        throwIfClosed();
        if (!entries.isDraft(entry)) throw new TypeError("Cannot seal draft: it was discarded");
        return ref = sealed(entry, dtype, shape);
      },
      discard: () => entries.discard(entry),
    };
  }

  async function standing<D extends Dtype>(value: TensorRef<D>): Promise<Tensor<D>> {
    throwIfClosed();
    const ref = checkedRef(value, run);
    const lacking = entries.lacks(ref.id);
    if (lacking !== undefined) await fetch(lacking);
    const entry = entries.view(ref, mark(ref), verifyAlways);
    getBytes += entry.bytes;
    let isDone = false;
    const tensor: Tensor<D> = {
      ref,
      dtype: ref.dtype,
      shape: ref.shape,
      data: arrayOf(ref.dtype, entry),
      keep: () => tensor,
      done() {
        if (isDone) return;
        isDone = true;
        entries.unview(entry);
      },
    };
    return tensor;
  }

  async function putMany<D extends Dtype>(items: readonly Item<D>[], options?: PutOptions): Promise<TensorRef<D>[]> {
    const layouts = items.map((item) => layoutOf(item));
    const made = await admitted(layouts.map((layout) => layout.bytes), options);
    throwIfClosed();
    // What was put may have been handed away while its turn came.
    if (made.some((entry, index) => items[index]!.data.byteLength !== entry.bytes)) {
      for (const entry of made) entries.discard(entry);
      throw new ShoalError("BadInput", "Cannot put tensor: its array changed its length meanwhile");
    }
    return made.map((entry, index) => {
      const { dtype, shape } = layouts[index]!;
      const { data } = items[index]!;
      entries.bytes(entry).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      return sealed(entry, dtype, shape);
    });
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
      throwIfClosed();
      // A draft holds whatever stood there before; in strict mode that is never by chance what a program expects.
      if (strict) entries.bytes(entry!).fill(releasedByte);
      return draftOf(entry!, dtype, shape);
    },
    async put(item, options) {
      const [ref] = await putMany([item], options);
      return ref!;
    },
    putMany,
    async get(ref, options) {
      throwIfCancelled(options?.signal);
      return standing(ref);
    },
    async *getMany(refs) {
      for (const ref of refs) yield await standing(ref);
    },
    async release(ref) {
      throwIfClosed();
      const checked = checkedRef(ref, run);
      entries.release(checked, mark(checked));
    },
    pin(ref, holder) {
      const checked = checkedRef(ref, run);
      entries.pin(checked, mark(checked), holder);
    },
    unpin(ref, holder, read) {
      const checked = checkedRef(ref, run);
      entries.unpin(checked, mark(checked), holder, read);
    },
    async *list() {
      throwIfClosed();
      yield* entries.list();
    },
  };
}
