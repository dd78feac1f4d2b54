// How tensors get into a store that copies them into its medium: room for all or for none, drafts, and what is taken
// back where one of many fails. The store itself only says how one is sealed.
import { layoutOf, tensorBytes } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import { lifetimeOf } from "../lifetime.ts";
import type { Room } from "../room.ts";
import type { Dtype, Item, PutOptions, TensorRef, Tensors } from "../store.ts";
import { draftOf, type DraftsOptions } from "./drafts.ts";
import type { Entry } from "./entries.ts";

export interface PuttingOptions extends DraftsOptions {
  readonly room: Room;
}

export type Putting = Pick<Tensors, "allocate" | "put" | "putMany">;

export function putting(options: PuttingOptions): Putting {
  const { entries, room, throwIfClosed, sealed } = options;

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
  async function admitted(sizes: readonly number[], wanted: PutOptions | undefined): Promise<Entry[]> {
    throwIfClosed();
    const lifetime = lifetimeOf(wanted);
    const waiting = roomFor(sizes.reduce((sum, bytes) => sum + bytes, 0), wanted?.signal);
    if (waiting !== undefined) await waiting;
    return sizes.map((bytes) => entries.add(bytes, lifetime));
  }

  async function putMany<D extends Dtype>(items: readonly Item<D>[], wanted?: PutOptions): Promise<TensorRef<D>[]> {
    const layouts = items.map((item) => layoutOf(item));
    const made = await admitted(layouts.map((layout) => layout.bytes), wanted);
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
    async allocate(dtype, shape, wanted) {
      const [entry] = await admitted([tensorBytes(dtype, shape)], wanted);
      try {
        return draftOf(entry!, dtype, shape, options);
      } catch (error) {
        entries.discard(entry!);
        throw error;
      }
    },
    async put(item, wanted) {
      const { dtype, shape, bytes } = layoutOf(item);
      throwIfClosed();
      const lifetime = lifetimeOf(wanted);
      const waiting = roomFor(bytes, wanted?.signal);
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
  };
}

/** The bytes of an array, which may have been handed away while it waited for room. */
function bytesIn(data: ArrayBufferView, bytes: number): Uint8Array {
  if (data.byteLength === bytes) return new Uint8Array(data.buffer, data.byteOffset, bytes);
  throw new ShoalError("BadInput", "Cannot put tensor: its array changed its length meanwhile");
}
