// A store around a store: a tensor below the threshold travels inside its reference and never costs a store's time.
// What differs for the program: nothing but that such a reference always resolves. Its bytes are wherever it is, so
// that no release, read or lease takes them back; a release is taken and changes nothing.
import { throwIfCancelled } from "./cancellation.ts";
import { crc32 } from "./checksum.ts";
import { arrayOver, layoutOf, tensorBytes } from "./dtype.ts";
import { ShoalError } from "./error.ts";
import { lifetimeOf } from "./lifetime.ts";
import { checkedRef, inlineBytes, inlineRef } from "./reference.ts";
import { releasedByte } from "./slabs.ts";
import type { Draft, Dtype, Item, OpenOptions, PutOptions, Store, Tensor, TensorRef, Tensors } from "./store.ts";

/** Larger tensors in references would make frames of them. */
export const thresholdBytesMax: number = 2 ** 20;

const where = "inline:";

/** A store that keeps tensors below `thresholdBytes` inside their references, and passes the others on. */
export function inlineStore(inner: Store, { run, environment, strict, thresholdBytes }: OpenOptions): Store {
  if (!Number.isSafeInteger(thresholdBytes) || thresholdBytes < 0 || thresholdBytes > thresholdBytesMax) {
    const range = `a whole number from 0 to ${thresholdBytesMax} is wanted`;
    throw new ShoalError("BadInput", `Cannot open store: thresholdBytes is ${thresholdBytes}; ${range}`);
  }
  const prefix = environment.token();
  let count = 0;
  let putBytes = 0;
  let getBytes = 0;
  let isClosed = false;

  function check(options: PutOptions | undefined): void {
    throwIfEnded(options?.signal);
    lifetimeOf(options);
  }

  function throwIfEnded(signal: AbortSignal | undefined): void {
    if (isClosed) throw new ShoalError("ShuttingDown", `Cannot use store ${inner.url}: it was closed`);
    throwIfCancelled(signal);
  }

  function sealed<D extends Dtype>(dtype: D, shape: readonly number[], bytes: Uint8Array): TensorRef<D> {
    const id = `${prefix}-${(count++).toString(36)}`;
    putBytes += bytes.byteLength;
    return inlineRef({ run, id, dtype, shape, bytes: bytes.byteLength, where }, bytes);
  }

  function draftOf<D extends Dtype>(dtype: D, shape: readonly number[], length: number): Draft<D> {
    const bytes = new Uint8Array(length);
    if (strict) bytes.fill(releasedByte);
    let ref: TensorRef<D> | undefined;
    let isDiscarded = false;
    return {
      dtype,
      shape: Object.freeze([...shape]),
      data: arrayOver(dtype, bytes.buffer, 0, length),
      async seal() {
        if (isDiscarded) throw new TypeError("Cannot seal draft: it was discarded");
        if (ref === undefined) throwIfEnded(undefined);
        return ref ??= sealed(dtype, shape, bytes);
      },
      discard() {
        isDiscarded = ref === undefined;
      },
    };
  }

  function tensorOf<D extends Dtype>(value: TensorRef<D>): Tensor<D> {
    throwIfEnded(undefined);
    const ref = checkedRef(value, run);
    const bytes = inlineBytes(ref);
    const sum = strict ? crc32(bytes) : undefined;
    getBytes += bytes.byteLength;
    let isDone = false;
    const tensor: Tensor<D> = {
      ref,
      dtype: ref.dtype,
      shape: ref.shape,
      data: arrayOver(ref.dtype, bytes.buffer, 0, bytes.byteLength),
      keep: () => tensor,
      done() {
        if (isDone) return;
        isDone = true;
        // It would harm nobody here, and somebody as soon as the tensor is larger.
        if (sum === undefined || crc32(bytes) === sum) return;
        throw new ShoalError("Corrupt", `Tensor ${ref.id} was written to after it was sealed`);
      },
    };
    return tensor;
  }

  const isInline = (ref: TensorRef): boolean => typeof ref === "object" && ref !== null && ref.inline !== undefined;

  async function putMany<D extends Dtype>(items: readonly Item<D>[], options?: PutOptions): Promise<TensorRef<D>[]> {
    const layouts = items.map((item) => layoutOf(item));
    const large = items.filter((_, index) => layouts[index]!.bytes >= thresholdBytes);
    if (large.length === items.length) return inner.tensors.putMany(items, options);
    check(options);
    const bytes = items.map(({ data }, index) =>
      layouts[index]!.bytes < thresholdBytes ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : undefined
    );
    // The small ones only once the large ones have found room: all or none.
    const stored = large.length === 0 ? [] : await inner.tensors.putMany(large, options);
    let next = 0;
    return bytes.map((own, index) => {
      const { dtype, shape } = layouts[index]!;
      return own === undefined ? stored[next++]! : sealed(dtype, shape, own);
    });
  }

  async function* getMany<D extends Dtype>(refs: Iterable<TensorRef<D>>): AsyncGenerator<Tensor<D>, void, undefined> {
    const all = [...refs];
    const stored = inner.tensors.getMany(all.filter((ref) => !isInline(ref)))[Symbol.asyncIterator]();
    try {
      for (const ref of all) {
        if (isInline(ref)) {
          yield tensorOf(ref);
          continue;
        }
        const next = await stored.next();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await stored.return?.();
    }
  }

  const tensors: Tensors = {
    async allocate(dtype, shape, options) {
      const bytes = tensorBytes(dtype, shape);
      if (bytes >= thresholdBytes) return inner.tensors.allocate(dtype, shape, options);
      check(options);
      return draftOf(dtype, shape, bytes);
    },
    async put(item, options) {
      const { dtype, shape, bytes } = layoutOf(item);
      if (bytes >= thresholdBytes) return inner.tensors.put(item, options);
      check(options);
      const { data } = item;
      return sealed(dtype, shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    },
    putMany,
    ...(inner.tensors.adopt === undefined ? {} : { adopt: inner.tensors.adopt }),
    async get(ref, options) {
      if (!isInline(ref)) return inner.tensors.get(ref, options);
      throwIfEnded(options?.signal);
      return tensorOf(ref);
    },
    getMany,
    async release(ref) {
      if (!isInline(ref)) return inner.tensors.release(ref);
      throwIfEnded(undefined);
      checkedRef(ref, run);
    },
    pin(ref, holder) {
      if (!isInline(ref)) inner.tensors.pin(ref, holder);
      else checkedRef(ref, run);
    },
    unpin(ref, holder, read) {
      if (!isInline(ref)) inner.tensors.unpin(ref, holder, read);
    },
    list: () => inner.tensors.list(),
  };

  async function close(): Promise<void> {
    isClosed = true;
    await inner.close();
  }

  return {
    url: inner.url,
    ...(inner.where === undefined ? {} : { where: inner.where }),
    run: inner.run,
    abilities: inner.abilities,
    tensors,
    logs: inner.logs,
    claims: inner.claims,
    ...(inner.others === undefined ? {} : { others: inner.others }),
    statistics() {
      const statistics = inner.statistics();
      return {
        ...statistics,
        putBytes: statistics.putBytes + putBytes,
        getBytes: statistics.getBytes + getBytes,
      };
    },
    ended: inner.ended,
    ...(inner.topic === undefined ? {} : { topic: (name: string) => inner.topic!(name) }),
    ...(inner.share === undefined ? {} : { share: () => inner.share!() }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
