// Tensors over Kafka: what is checked before anything is sent, views of what was read, in pooled buffers until they are
// done, and the end of a tensor, which one record tells to everybody.
import { throwIfCancelled } from "../cancellation.ts";
import { crc32 } from "../checksum.ts";
import { isShoalError, ShoalError } from "../error.ts";
import { fetchedAhead } from "../copied/ahead.ts";
import type { Buffers } from "../copied/buffers.ts";
import { putting } from "../copied/putting.ts";
import { views } from "../copied/views.ts";
import type { Entries, Entry } from "../copied/entries.ts";
import { checkedRef, isSameTensor } from "../reference.ts";
import type { Room } from "../room.ts";
import type { Dtype, Tensor, TensorEntry, TensorRef, Tensors } from "../store.ts";
import { type Bodies, placeOf } from "./bodies.ts";
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
  /** Told of one that the node need not keep any more. */
  readonly forget: (id: string) => void;
  /** What stands there, of all writers. */
  readonly listed: () => AsyncIterable<TensorEntry>;
}

export interface KafkaTensors extends Tensors {
  readonly putBytes: number;
  readonly getBytes: number;
}

export function kafkaTensors(options: KafkaTensorsOptions): KafkaTensors {
  const { run, writer, bodies, control, entries, buffers, room, strict, throwIfClosed, track, erase, forget, listed } =
    options;
  const seen = views({ run, entries, buffers });
  let putBytes = 0;

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
      seen.settle(ref.id, read.value.lifetime);
      const { landed, lifetime } = read.value;
      const { buffer, offset } = landed;
      const bytes = new Uint8Array(buffer, offset, ref.bytes);
      const sum = strict ? crc32(bytes) : 0;
      return seen.view(ref, { buffer, offset, lifetime, landed }, strict ? () => crc32(bytes) === sum : undefined);
    } catch (error) {
      if (read.status === "fulfilled") read.value.landed.done(true);
      throw named(error, `get tensor ${ref.id}`);
    }
  }

  async function release(ref: TensorRef): Promise<void> {
    const entry = entries.held(ref.id);
    if (entry?.isOwn) {
      if (entry.ref === undefined || !isSameTensor(entry.ref, ref)) return;
      entries.release(entry);
    } else if (control.goneAs(ref.id) !== undefined || placeOf(ref.id)?.writer === writer) return;
    else if (!await bodies.isThere(ref)) return;
    await erase(ref, "gone");
    forget(ref.id);
    if (entry !== undefined && !entry.isOwn && entry.ref !== undefined && isSameTensor(entry.ref, ref)) {
      entries.release(entry);
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
