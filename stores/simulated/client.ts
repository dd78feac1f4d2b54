// One process's handle on a simulated server. What it has got is its own copy; what it drafts is its own until sealed.
import { throwIfCancelled } from "../cancellation.ts";
import { crc32 } from "../checksum.ts";
import { arrayOver, layoutOf, tensorBytes } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import { lifetimeOf } from "../lifetime.ts";
import { releasedByte } from "../slabs.ts";
import type {
  Abilities,
  Draft,
  Dtype,
  Item,
  OpenOptions,
  PutOptions,
  Store,
  Tensor,
  TensorEntry,
  TensorRef,
} from "../store.ts";
import type { Part } from "./backend.ts";
import type { Asked, Calls } from "./way.ts";

export interface ClientOptions extends OpenOptions {
  readonly abilities: Abilities;
  readonly part: Part;
  readonly calls: Calls;
  readonly closed: () => void;
}

const url = "simulated:";
const room = (what: string): Asked => ({ what, writes: true, wantsRoom: true });
const write = (what: string): Asked => ({ what, writes: true, wantsRoom: false });
const look = (what: string): Asked => ({ what, writes: false, wantsRoom: false });

export function client({ abilities, part, calls, closed, run, strict }: ClientOptions): Store {
  const { memory, kept } = part;
  /** Reads that wait at the server. */
  const reading = new Set<AbortController>();
  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);
  const shut = (): ShoalError => new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`);

  function checkOpen(): void {
    if (isClosed) throw shut();
  }

  /** What is got is copied: the server's memory is nobody else's. */
  function copied<D extends Dtype>(inner: Tensor<D>): Tensor<D> {
    const { ref, dtype, shape, data } = inner;
    const bytes = new Uint8Array(data.byteLength);
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    inner.done();
    const sum = strict ? crc32(bytes) : 0;
    let isDone = false;
    const tensor: Tensor<D> = {
      ref,
      dtype,
      shape,
      data: arrayOver(dtype, bytes.buffer, 0, bytes.byteLength),
      keep: () => tensor,
      done() {
        if (isDone) return;
        isDone = true;
        if (!strict) return;
        const isSame = crc32(bytes) === sum;
        bytes.fill(releasedByte);
        if (!isSame) throw new ShoalError("Corrupt", `Tensor ${ref.id} was written to after it was sealed`);
      },
    };
    return tensor;
  }

  async function putMany<D extends Dtype>(items: readonly Item<D>[], options?: PutOptions): Promise<TensorRef<D>[]> {
    checkOpen();
    throwIfCancelled(options?.signal);
    lifetimeOf(options);
    // A request holds what was there when it left.
    const sent = items.map((item): Item<D> => {
      const { dtype, shape, bytes } = layoutOf(item);
      checkSize(bytes);
      const { buffer, byteOffset, byteLength } = item.data;
      const copy = new Uint8Array(byteLength);
      copy.set(new Uint8Array(buffer, byteOffset, byteLength));
      return { data: arrayOver(dtype, copy.buffer, 0, byteLength), dtype, shape };
    });
    return await calls.call(room("put"), async () => {
      const refs = await memory.tensors.putMany(sent, options);
      for (const ref of refs) part.stands(ref);
      return refs;
    });
  }

  function checkSize(bytes: number): void {
    if (bytes <= abilities.tensorBytesMax) return;
    throw new ShoalError(
      "TooLarge",
      `Cannot allocate ${bytes} bytes: store can hold ${abilities.tensorBytesMax} bytes`,
    );
  }

  function draftOf<D extends Dtype>(dtype: D, shape: readonly number[], options: PutOptions | undefined): Draft<D> {
    const bytes = new Uint8Array(tensorBytes(dtype, shape));
    if (strict) bytes.fill(releasedByte);
    const data = arrayOver(dtype, bytes.buffer, 0, bytes.byteLength);
    let sealing: Promise<TensorRef<D>> | undefined;
    let isDiscarded = false;
    return {
      dtype,
      shape: Object.freeze([...shape]),
      data,
      async seal() {
        if (sealing === undefined) checkOpen();
        if (isDiscarded) throw new TypeError("Cannot seal draft: it was discarded");
        sealing ??= putMany([{ data, dtype, shape }], options).then(([ref]) => ref!);
        // One that was refused may be tried again.
        sealing.catch(() => sealing = undefined);
        return await sealing;
      },
      discard() {
        isDiscarded = sealing === undefined;
      },
    };
  }

  const got = <D extends Dtype>(ref: TensorRef<D>): Promise<Tensor<D>> =>
    calls.call(look("get"), async () => copied(await memory.tensors.get(ref)));

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    for (const own of reading) own.abort();
    calls.close(shut);
    closed();
    end(undefined);
  }

  return {
    url,
    run,
    abilities,
    tensors: {
      async allocate(dtype, shape, options) {
        checkOpen();
        throwIfCancelled(options?.signal);
        lifetimeOf(options);
        checkSize(tensorBytes(dtype, shape));
        return draftOf(dtype, shape, options);
      },
      async put(item, options) {
        const [ref] = await putMany([item], options);
        return ref!;
      },
      putMany,
      async get(ref, options) {
        checkOpen();
        throwIfCancelled(options?.signal);
        return await got(ref);
      },
      async *getMany(refs) {
        checkOpen();
        for (const ref of refs) yield await got(ref);
      },
      release: (ref) => calls.call(write("release"), () => memory.tensors.release(ref)),
      pin(ref, holder) {
        if (!isClosed) memory.tensors.pin(ref, holder);
      },
      unpin(ref, holder, read) {
        if (!isClosed) memory.tensors.unpin(ref, holder, read);
      },
      async *list() {
        checkOpen();
        yield* await calls.call(look("list"), async () => {
          const all: TensorEntry[] = [];
          // A draft of the server's own is a put that is under way.
          for await (const entry of memory.tensors.list()) if (entry.state !== "draft") all.push(entry);
          return all;
        });
      },
    },
    logs: {
      append(stream, epoch, frames) {
        const sent = frames.map((frame) => frame instanceof Uint8Array ? frame.slice() : frame);
        return calls.call(room(`append to ${stream}`), () => kept.logs.append(stream, epoch, sent));
      },
      async read(stream, after, { signal, ...options } = {}) {
        checkOpen();
        throwIfCancelled(signal);
        const own = new AbortController();
        const abort = (): void => own.abort(signal?.reason);
        signal?.addEventListener("abort", abort);
        reading.add(own);
        try {
          return await calls.call(
            look(`read ${stream}`),
            () => kept.logs.read(stream, after, { ...options, signal: own.signal }),
          );
        } finally {
          reading.delete(own);
          signal?.removeEventListener("abort", abort);
        }
      },
      trim: (stream, through) => calls.call(write(`trim ${stream}`), () => kept.logs.trim(stream, through)),
      streams: (prefix) => calls.call(look("list streams"), () => kept.logs.streams(prefix)),
    },
    claims: {
      claim: (name, epoch, value) => calls.call(write(`claim ${name}`), () => kept.claims.claim(name, epoch, value)),
      claimed: (name) => calls.call(look(`look up ${name}`), () => kept.claims.claimed(name)),
      claims: (prefix) => calls.call(look("list claims"), () => kept.claims.claims(prefix)),
    },
    statistics: () => memory.statistics(),
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}
