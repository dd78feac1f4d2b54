// Drafts of tensors in files: filled in memory, and written when they are sealed.
import { arrayOver } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import { releasedByte } from "../slabs.ts";
import type { Draft, Dtype, TensorRef } from "../store.ts";
import type { Buffers } from "./buffers.ts";
import type { Entries, Entry } from "./entries.ts";

export interface DraftsOptions {
  readonly buffers: Buffers;
  readonly entries: Entries;
  readonly strict: boolean;
  readonly throwIfClosed: () => void;
  readonly sealed: <D extends Dtype>(
    entry: Entry,
    dtype: D,
    shape: readonly number[],
    bytes: Uint8Array,
  ) => Promise<TensorRef<D>>;
}

/** A draft of an entry's room. */
export function draftOf<D extends Dtype>(
  entry: Entry,
  dtype: D,
  shape: readonly number[],
  { buffers, entries, strict, throwIfClosed, sealed }: DraftsOptions,
): Draft<D> {
  const buffer = bufferOf(buffers, entry.bytes);
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

function bufferOf(buffers: Buffers, bytes: number): ArrayBuffer {
  try {
    return buffers.take(bytes);
  } catch (cause) {
    throw new ShoalError("CapacityExceeded", `Cannot allocate ${bytes} bytes: the system has no memory`, { cause });
  }
}
