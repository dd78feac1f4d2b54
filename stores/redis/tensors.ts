// Tensors on Redis servers: what is checked before anything is written, what a put does when its answer is lost, and
// the views of what was read, which lie in pooled buffers until they are done.
import { throwIfCancelled } from "../cancellation.ts";
import { isShoalError, ShoalError } from "../error.ts";
import { fetchedAhead } from "../copied/ahead.ts";
import type { Buffers } from "../copied/buffers.ts";
import { putting } from "../copied/putting.ts";
import { views } from "../copied/views.ts";
import type { Entries, Entry } from "../copied/entries.ts";
import { checkedRef, isSameTensor, tensorRef } from "../reference.ts";
import type { Room } from "../room.ts";
import type { Dtype, Lifetime, Tensor, TensorRef, Tensors } from "../store.ts";
import { type Bodies, bytesIn } from "./bodies.ts";
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
  /** Told of one that the node need not keep any more. */
  readonly forget: (id: string) => void;
}

const noSums: readonly number[] = [];

export interface RedisTensors extends Tensors {
  readonly putBytes: number;
  readonly getBytes: number;
}

export function redisTensors(options: RedisTensorsOptions): RedisTensors {
  const { run, where, writer, bodies, entries, buffers, room, strict, patienceMs } = options;
  const { roomier, now, throwIfClosed, track, erased, forget } = options;
  let count = 0;
  const seen = views({ run, entries, buffers });
  let putBytes = 0;

  const giveUp = (ref: TensorRef): void => void track(bodies.erase(ref)).catch(() => {});

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
        giveUp(ref);
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

  function announced<D extends Dtype>(
    ref: TensorRef<D>,
    lifetime: Lifetime,
    sums: readonly number[],
    bytes: Uint8Array,
  ): Promise<TensorRef<D>> {
    const again = (error: unknown): Promise<TensorRef<D>> => rewritten(ref, lifetime, bytes, error, sums);
    return bodies.announce(ref, lifetime, sums, bytes).then(() => ref, again);
  }

  async function written<D extends Dtype>(
    ref: TensorRef<D>,
    lifetime: Lifetime,
    bytes: Uint8Array,
  ): Promise<TensorRef<D>> {
    let sums: readonly number[];
    try {
      sums = await bodies.write(ref, bytes);
    } catch (error) {
      return await rewritten(ref, lifetime, bytes, error, undefined);
    }
    return await announced(ref, lifetime, sums, bytes);
  }

  /** Of small tensors there are many: for them nothing is awaited but the server. */
  function sealed<D extends Dtype>(
    entry: Entry,
    dtype: D,
    shape: readonly number[],
    bytes: Uint8Array,
  ): Promise<TensorRef<D>> {
    const id = `${writer}-${(count++).toString(36)}`;
    const made = tensorRef({ run, id, dtype, shape, bytes: entry.bytes, where });
    const lifetime = entry.lifetime ?? { until: "run" };
    const isLarge = made.bytes > chunkBytes;
    const writing = isLarge ? written(made, lifetime, bytes) : announced(made, lifetime, noSums, bytes);
    return track(writing).then((ref) => {
      entries.seal(entry, ref);
      putBytes += entry.bytes;
      return ref;
    });
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
      seen.settle(ref.id, body.lifetime);
    } catch (error) {
      body.landed.done(true);
      throw error;
    }
    const { landed, lifetime } = body;
    const isAsRead = (): boolean => bodies.isAsSealed(ref, bytesIn(ref, landed), body);
    const copy = { buffer: landed.buffer, offset: landed.offset, lifetime, landed };
    return seen.view(ref, copy, strict ? isAsRead : undefined);
  }

  const into = putting({ buffers, entries, room, strict, throwIfClosed, sealed });

  return {
    get putBytes() {
      return putBytes;
    },
    get getBytes() {
      return seen.getBytes;
    },
    allocate: into.allocate,
    put: into.put,
    putMany: into.putMany,
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
      forget(ref.id);
      if (entry?.ref === undefined || !isSameTensor(entry.ref, ref)) return;
      erased(ref.id);
      entries.release(entry);
    },
    pin: seen.pin,
    unpin: seen.unpin,
    async *list() {
      throwIfClosed();
      const told = new Set<string>();
      for (const { id, bytes, state } of entries.own()) {
        // Whether what was sealed still stands, the server knows: a release may have got there, and no answer back.
        if (state === "sealed") continue;
        told.add(id);
        yield { id, run, bytes, state };
      }
      for await (const entry of bodies.list()) if (!told.has(entry.id)) yield entry;
    },
  };
}
