// What was read of a store that copies: views in pooled buffers until they are done, the entries behind them, and who
// holds on to a tensor.
import { arrayOver } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import { checkedRef, isSameTensor } from "../reference.ts";
import type { Dtype, Lifetime, Tensor, TensorRef, Tensors } from "../store.ts";
import type { Buffers } from "./buffers.ts";
import type { Entries, Entry } from "./entries.ts";
import type { Landed } from "./landing.ts";

/** A tensor's bytes as they were read, and verified. */
export interface Copy {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly lifetime: Lifetime;
  /** Where they lie in memory that is not a buffer of this process's own. */
  readonly landed?: Landed | undefined;
}

export interface ViewsOptions {
  readonly run: string;
  readonly entries: Entries;
  readonly buffers: Buffers;
}

export interface Views extends Pick<Tensors, "pin" | "unpin"> {
  readonly getBytes: number;
  /** `isAsRead` looks, when the view is done, whether somebody wrote to it. */
  view<D extends Dtype>(ref: TensorRef<D>, copy: Copy, isAsRead: (() => boolean) | undefined): Tensor<D>;
  /** Throws where a tensor of others was released while it was read: what was asked first may be answered last. */
  settle(id: string, lifetime: Lifetime): void;
}

export function views({ run, entries, buffers }: ViewsOptions): Views {
  let getBytes = 0;

  /** The entry that a reference means, for those who only hold on: nothing where it is known to be another. */
  function held(value: TensorRef): Entry | undefined {
    const ref = checkedRef(value, run);
    const entry = entries.foreign(ref);
    return entry.ref !== undefined && isSameTensor(entry.ref, ref) ? entry : undefined;
  }

  return {
    get getBytes() {
      return getBytes;
    },
    view<D extends Dtype>(
      ref: TensorRef<D>,
      { buffer, offset, lifetime, landed }: Copy,
      isAsRead: (() => boolean) | undefined,
    ): Tensor<D> {
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
          const isWhole = isAsRead === undefined || landed?.isThere() === false || isAsRead();
          if (landed === undefined) buffers.give(buffer);
          else landed.done(isWhole);
          entries.unview(entry);
          if (!isWhole) throw new ShoalError("Corrupt", `Tensor ${ref.id} was written to after it was sealed`);
        },
      };
      return tensor;
    },
    settle(id, lifetime) {
      const foreign = entries.known(id);
      if (foreign === undefined || foreign.isOwn) return;
      foreign.lifetime ??= lifetime;
      entries.settle(foreign);
      entries.known(id);
    },
    pin(ref, holder) {
      const entry = held(ref);
      if (entry !== undefined) entries.pin(entry, holder);
    },
    unpin(ref, holder, read) {
      const entry = held(ref);
      if (entry !== undefined) entries.unpin(entry, holder, read);
    },
  };
}
