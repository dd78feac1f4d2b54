// Tensors in files: what is checked before anything is written, which way each goes by its size, and the views of what
// was read, which lie in pooled buffers until they are done.
import { throwIfCancelled } from "../cancellation.ts";
import { crc32 } from "../checksum.ts";
import { tensorBytes } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import { lifetimeOf } from "../lifetime.ts";
import type { Room } from "../room.ts";
import { checkedRef, isSameTensor, tensorRef } from "../reference.ts";
import type { Dtype, Tensor, TensorEntry, TensorRef, Tensors } from "../store.ts";
import type { Adopted } from "./adopted.ts";
import { fetchedAhead } from "../copied/ahead.ts";
import type { Bodies, Body } from "./bodies.ts";
import type { Buffers } from "../copied/buffers.ts";
import { putting } from "../copied/putting.ts";
import { views } from "../copied/views.ts";
import type { Entries, Entry } from "../copied/entries.ts";
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
  /** Told of each that stands from now on. */
  readonly told?: (() => Promise<void> | undefined) | undefined;
  readonly strict: boolean;
  /** Tensors of fewer bytes share files. */
  readonly packedBytesMax: number;
  readonly adopted: Adopted;
  readonly throwIfClosed: () => void;
  /** What closing must wait for. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  /** Takes a tensor away for everybody, once. */
  readonly erase: (ref: TensorRef, mark: "gone" | "late") => Promise<void>;
  /** Told of one that the node need not keep any more. */
  readonly forget: (id: string) => void;
  /** What stands on the disk, of all writers. */
  readonly listed: () => AsyncIterable<TensorEntry>;
}

export interface FileTensors extends Tensors {
  readonly putBytes: number;
  readonly getBytes: number;
  /** Looks which of its own others have released, and lets go of them. */
  look(): Promise<void>;
}

export function fileTensors(options: FileTensorsOptions): FileTensors {
  const { run, where, bodies, segments, entries, buffers, room, strict, track, erase, listed } = options;
  const { packedBytesMax, adopted, throwIfClosed, forget, told } = options;
  const seen = views({ run, entries, buffers });
  let putBytes = 0;

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
      const telling = told?.();
      if (telling !== undefined) await telling;
      return ref;
    } catch (error) {
      throw troubleOf(error, `put tensor in ${where}`, true);
    }
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
      seen.settle(ref.id, body.lifetime);
    } catch (error) {
      if (body.landed === undefined) buffers.give(body.buffer);
      else body.landed.done(true);
      throw error;
    }
    const { buffer, offset, sum, seed } = body;
    const isAsRead = (): boolean => crc32(new Uint8Array(buffer, offset, ref.bytes), seed) === sum;
    return seen.view(ref, body, strict ? isAsRead : undefined);
  }

  async function followed(ref: TensorRef): Promise<Body> {
    const { buffer, offset, lifetime, bytes } = await bodies.read(ref);
    try {
      return { lifetime, ...await adopted.follow(ref, new Uint8Array(buffer, offset, bytes)) };
    } finally {
      buffers.give(buffer);
    }
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
        forget(ref.id);
        if (entry !== undefined && !entry.isOwn && entry.ref !== undefined && isSameTensor(entry.ref, ref)) {
          entries.release(entry);
        }
      } catch (error) {
        // Gone for this process in any case, whatever the disk's reason was.
        const { code, message, cause } = troubleOf(error, `release tensor ${ref.id}`);
        throw new ShoalError(code, message, { outcome: "unknown", cause });
      }
    },
    async look() {
      const own = Array.from(entries.own());
      for (const entry of own) {
        if (entry.state !== "sealed" || entry.bytes === 0 || entry.ref === undefined) continue;
        if (!await bodies.stands(entry.ref)) entries.release(entry);
      }
    },
    pin: seen.pin,
    unpin: seen.unpin,
    async *list() {
      throwIfClosed();
      const told = new Set<string>();
      for (const { id, bytes, state } of entries.own()) {
        told.add(id);
        yield { id, run, bytes, state };
      }
      for await (const entry of listed()) if (!told.has(entry.id)) yield entry;
    },
  };
}
