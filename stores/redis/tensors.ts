// Tensors on Redis servers: what is checked before anything is written, what a put does when its answer is lost, and
// the views of what was read, which lie in pooled buffers until they are done.
import { throwIfCancelled } from "../cancellation.ts";
import { arrayOver, layoutOf, tensorBytes } from "../dtype.ts";
import { isShoalError, ShoalError } from "../error.ts";
import { fetchedAhead } from "../file/ahead.ts";
import type { Buffers } from "../file/buffers.ts";
import { draftOf } from "../file/drafts.ts";
import type { Entries, Entry } from "../file/entries.ts";
import { lifetimeOf } from "../lifetime.ts";
import { checkedRef, isSameTensor, tensorRef } from "../reference.ts";
import type { Room } from "../room.ts";
import type { Dtype, Item, Lifetime, PutOptions, Tensor, TensorRef, Tensors } from "../store.ts";
import type { Bodies, Body } from "./bodies.ts";
import { bodyOf, chunkBytes } from "./manifest.ts";

export interface RedisTensorsOptions {
  readonly run: string;
  readonly where: string;
  /** Begins the ids of this opening. */
  readonly writer: string;
  readonly bodies: Bodies;
  readonly entries: Entries;
  readonly buffers: Buffers;
  readonly room: Room;
  readonly strict: boolean;
  /** How long a put whose answer was lost is tried again, under another id. */
  readonly patienceMs: number;
  /** Waits for room on a server that is full; false where it is over. */
  readonly roomier: (since: number) => Promise<boolean>;
  readonly now: () => number;
  readonly throwIfClosed: () => void;
  /** What closing must wait for. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  /** Told of a tensor that the server has taken away already. */
  readonly erased: (id: string) => void;
}

const noSums: readonly number[] = [];

export interface RedisTensors extends Tensors {
  readonly putBytes: number;
  readonly getBytes: number;
}

export function redisTensors(options: RedisTensorsOptions): RedisTensors {
  const { run, where, writer, bodies, entries, buffers, room, strict, patienceMs } = options;
  const { roomier, now, throwIfClosed, track, erased } = options;
  let count = 0;
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

  const forget = (ref: TensorRef): void => void track(bodies.erase(ref)).catch(() => {});

  /** A put that did not go well at once: what it comes to, or its error. */
  async function rewritten<D extends Dtype>(
    first: TensorRef<D>,
    lifetime: Lifetime,
    bytes: Uint8Array,
    failure: unknown,
    firstSums: readonly number[] | undefined,
  ): Promise<TensorRef<D>> {
    const deadline = performance.now() + patienceMs;
    const since = now();
    let [ref, sums, error] = [first, firstSums, failure];
    for (let tries = 1;; tries++) {
      const isFull = isShoalError(error, "CapacityExceeded");
      const isUnknown = isShoalError(error) && error.outcome === "unknown";
      if (isFull) {
        // What is half written is in the way of everybody.
        await bodies.erase(ref).catch(() => {});
        sums = undefined;
        if (!await roomier(since)) throw error;
      } else if (sums !== undefined && isUnknown && performance.now() < deadline) {
        // An id never means two things: where the answer was lost, another announces the same bytes.
        const last = ref;
        ref = tensorRef({ ...first, id: `${bodyOf(first.id)}.${tries}` });
        void track(bodies.withdraw(last)).catch(() => {});
      } else {
        forget(ref);
        throw error;
      }
      try {
        sums ??= await bodies.write(ref, bytes);
        await bodies.announce(ref, lifetime, sums, bytes);
        return ref;
      } catch (again) {
        error = again;
      }
    }
  }

  async function written<D extends Dtype>(
    ref: TensorRef<D>,
    lifetime: Lifetime,
    bytes: Uint8Array,
  ): Promise<TensorRef<D>> {
    let sums: readonly number[] | undefined;
    try {
      sums = ref.bytes > chunkBytes ? await bodies.write(ref, bytes) : noSums;
      await bodies.announce(ref, lifetime, sums, bytes);
      return ref;
    } catch (error) {
      return await rewritten(ref, lifetime, bytes, error, sums);
    }
  }

  async function sealed<D extends Dtype>(
    entry: Entry,
    dtype: D,
    shape: readonly number[],
    bytes: Uint8Array,
  ): Promise<TensorRef<D>> {
    const id = `${writer}-${(count++).toString(36)}`;
    const made = tensorRef({ run, id, dtype, shape, bytes: entry.bytes, where });
    const ref = await track(written(made, entry.lifetime ?? { until: "run" }, bytes));
    entries.seal(entry, ref);
    putBytes += entry.bytes;
    return ref;
  }

  function viewOf<D extends Dtype>(ref: TensorRef<D>, body: Body): Tensor<D> {
    const { buffer, lifetime } = body;
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
      data: arrayOver(ref.dtype, buffer, 0, ref.bytes),
      keep: () => tensor,
      done() {
        if (isDone) return;
        isDone = true;
        const isAsRead = !strict || bodies.isAsSealed(ref, new Uint8Array(buffer, 0, ref.bytes), body);
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
    const body = await track(bodies.read(ref));
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
    async get(ref, options) {
      throwIfCancelled(options?.signal);
      return await standing(ref);
    },
    getMany: (refs) => fetchedAhead(refs, standing),
    async release(value) {
      throwIfClosed();
      const ref = checkedRef(value, run);
      const entry = entries.held(ref.id);
      if (entry?.isOwn && (entry.ref === undefined || !isSameTensor(entry.ref, ref))) return;
      // Where the server cannot be reached it may still stand, and is not forgotten here either.
      await track(bodies.erase(ref));
      if (entry?.ref === undefined || !isSameTensor(entry.ref, ref)) return;
      erased(ref.id);
      entries.release(entry);
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
        // Whether what was sealed still stands, the server knows: a release may have got there, and no answer back.
        if (state === "sealed") continue;
        seen.add(id);
        yield { id, run, bytes, state };
      }
      for await (const entry of bodies.list()) if (!seen.has(entry.id)) yield entry;
    },
  };
}

/** The bytes of an array, which may have been handed away while it waited for room. */
function bytesIn(data: ArrayBufferView, bytes: number): Uint8Array {
  if (data.byteLength === bytes) return new Uint8Array(data.buffer, data.byteOffset, bytes);
  throw new ShoalError("BadInput", "Cannot put tensor: its array changed its length meanwhile");
}
