// Tensors in shared memory: a draft is written where the tensor will stand, and a get is a view of that place, in this
// opening's arena and in those of others. Without mapped memory, both are buffers that are copied from and to it.
import { throwIfCancelled } from "../cancellation.ts";
import { crc32 } from "../checksum.ts";
import { arrayOver, type Layout, layoutOf, tensorBytes } from "../dtype.ts";
import { ShoalError } from "../error.ts";
import type { Buffers } from "../copied/buffers.ts";
import { troubleOf } from "../file/trouble.ts";
import { checkedRef, isSameTensor, tensorRef } from "../reference.ts";
import { releasedByte } from "../slabs.ts";
import type { Draft, Dtype, Item, PutOptions, Tensor, TensorEntry, TensorRef, Tensors } from "../store.ts";
import type { Admission } from "./admission.ts";
import type { Arena } from "./arena.ts";
import type { Entry, Owned } from "./entry.ts";
import { gone, type Guests } from "./guests.ts";
import { type Place, placeOf } from "./place.ts";
import type { Memory } from "./region.ts";

export interface ShmTensorsOptions {
  readonly run: string;
  readonly where: string;
  readonly arena: Arena;
  readonly owned: Owned;
  readonly guests: Guests;
  readonly admission: Admission;
  readonly buffers: Buffers;
  /** What an array of this runtime may hold. */
  readonly tensorBytesMax: number;
  readonly strict: boolean;
  /** Sum a tensor's bytes on every get. */
  readonly verifyAlways: boolean;
  readonly throwIfClosed: () => void;
  /** What stands in the arenas of others. */
  readonly listed: () => Iterable<TensorEntry>;
}

export interface ShmTensors extends Tensors {
  readonly putBytes: number;
  readonly getBytes: number;
}

/** Where the bytes of an own entry lie, where they are mapped. Of no bytes, anywhere. */
export function memoryOf(arena: Arena, { chunk, bytes }: Entry): Memory | undefined {
  if (arena.native === undefined) return undefined;
  if (chunk === undefined) return { buffer: new ArrayBuffer(0), offset: 0 };
  return arena.data.memory(chunk.offset, Math.max(bytes, chunk.slab === undefined ? chunk.room : 0));
}

const octets = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export function shmTensors(options: ShmTensorsOptions): ShmTensors {
  const { run, where, arena, owned, guests, admission, buffers, tensorBytesMax, strict, verifyAlways } = options;
  const { throwIfClosed, listed } = options;
  const sums = strict || verifyAlways;
  let putBytes = 0;
  let getBytes = 0;

  const tooLarge = (bytes: number, cause: unknown): ShoalError =>
    new ShoalError("TooLarge", `Cannot make an array of ${bytes} bytes on this runtime`, { cause });

  function bufferOf(bytes: number): Memory {
    try {
      return { buffer: buffers.take(bytes), offset: 0 };
    } catch (cause) {
      throw tooLarge(bytes, cause);
    }
  }

  function sealed<D extends Dtype>(entry: Entry, dtype: D, shape: readonly number[], bytes: Uint8Array): TensorRef<D> {
    // Where it is mapped, it stands there already.
    if (arena.native === undefined && entry.chunk !== undefined) arena.data.write(entry.chunk.offset, bytes);
    const ref = tensorRef({ run, id: entry.id, dtype, shape, bytes: entry.bytes, where });
    owned.seal(entry, ref, sums ? crc32(bytes) : undefined);
    putBytes += entry.bytes;
    return ref;
  }

  function draftOf<D extends Dtype>(entry: Entry, dtype: D, shape: readonly number[]): Draft<D> {
    const { buffer, offset } = memoryOf(arena, entry) ?? bufferOf(entry.bytes);
    // A draft holds whatever stood there before; in strict mode that is never by chance what a program expects.
    if (strict && arena.native === undefined) new Uint8Array(buffer).fill(releasedByte);
    const data = arrayOver(dtype, buffer, offset, entry.bytes);
    let ref: TensorRef<D> | undefined;
    return {
      dtype,
      shape: Object.freeze([...shape]),
      data,
      async seal() {
        if (ref !== undefined) return ref;
        throwIfClosed();
        if (entry.state !== "draft") throw new TypeError("Cannot seal draft: it was discarded");
        return ref = sealed(entry, dtype, shape, octets(data));
      },
      discard: () => owned.discard(entry),
    };
  }

  /** A view that ends once. `end` lets go; what was written to is found first. */
  function viewOf<D extends Dtype>(
    ref: TensorRef<D>,
    { buffer, offset }: Memory,
    sum: number | undefined,
    end: () => void,
  ): Tensor<D> {
    const data = arrayOver(ref.dtype, buffer, offset, ref.bytes);
    getBytes += ref.bytes;
    let isDone = false;
    const tensor: Tensor<D> = {
      ref,
      dtype: ref.dtype,
      shape: ref.shape,
      data,
      keep: () => tensor,
      done() {
        if (isDone) return;
        isDone = true;
        const isSound = sum === undefined || crc32(octets(data)) === sum;
        end();
        if (!isSound) throw new ShoalError("Corrupt", `Tensor ${ref.id} was written to after it was sealed`);
      },
    };
    return tensor;
  }

  /** A copy, which nobody else writes to. */
  function copyOf<D extends Dtype>(ref: TensorRef<D>, from: Arena, at: number, sum: number | undefined): Tensor<D> {
    const memory = bufferOf(ref.bytes);
    const buffer = memory.buffer;
    try {
      const bytes = new Uint8Array(buffer, 0, ref.bytes);
      from.data.read(at, bytes);
      if (verifyAlways) checkSum(ref.id, bytes, sum);
      return viewOf(ref, memory, strict ? sum ?? crc32(bytes) : undefined, () => buffers.give(buffer));
    } catch (error) {
      buffers.give(buffer);
      throw error;
    }
  }

  function checkSum(id: string, bytes: Uint8Array, sum: number | undefined): void {
    if (sum === undefined || crc32(bytes) === sum) return;
    throw new ShoalError("Corrupt", `Cannot get tensor ${id}: its bytes and their checksum disagree`);
  }

  function ownView<D extends Dtype>(ref: TensorRef<D>): Tensor<D> {
    const entry = owned.standing(ref.id);
    if (entry.ref === undefined || !isSameTensor(entry.ref, ref)) {
      throw new ShoalError("Corrupt", `Cannot get tensor ${ref.id}: it is another than the reference says`);
    }
    if (verifyAlways) owned.verify(entry);
    if (entry.corrupt) throw new ShoalError("Corrupt", `Cannot get tensor ${ref.id}: it was written to`);
    const memory = memoryOf(arena, entry);
    if (memory === undefined) return copyOf(ref, arena, entry.chunk?.offset ?? 0, entry.sum);
    const tensor = viewOf(ref, memory, undefined, () => owned.unview(entry));
    owned.view(entry);
    return tensor;
  }

  function foreignView<D extends Dtype>(ref: TensorRef<D>, place: Place): Tensor<D> {
    // One that another runtime made may be more than this one can show.
    if (ref.bytes > tensorBytesMax) throw tooLarge(ref.bytes, undefined);
    const found = guests.find(ref, place);
    try {
      const { offset, sum } = found.told;
      const memory = found.arena.data.memory(offset, ref.bytes);
      if (memory === undefined) {
        const tensor = copyOf(ref, found.arena, offset, sum);
        found.done();
        return tensor;
      }
      const bytes = new Uint8Array(memory.buffer, memory.offset, ref.bytes);
      if (verifyAlways) checkSum(ref.id, bytes, sum);
      return viewOf(ref, memory, strict ? sum ?? crc32(bytes) : undefined, found.done);
    } catch (error) {
      found.done();
      throw troubleOf(error, `get tensor ${ref.id}`);
    }
  }

  function standing<D extends Dtype>(value: TensorRef<D>): Tensor<D> {
    throwIfClosed();
    const ref = checkedRef(value, run);
    const place = placeOf(ref.id);
    if (place === undefined) throw gone("Missing", ref.id);
    return place.writer === arena.writer ? ownView(ref) : foreignView(ref, place);
  }

  const isOwn = (ref: TensorRef): boolean => placeOf(ref.id)?.writer === arena.writer;

  /** The entry that a reference means, for those who only hold on: nothing where it is gone, or is another. */
  function held(ref: TensorRef): Entry | undefined {
    const entry = owned.held(ref.id);
    return entry?.ref !== undefined && isSameTensor(entry.ref, ref) ? entry : undefined;
  }

  /** At once where there is room, so that a small tensor costs no turn. */
  function puts<D extends Dtype>(
    items: readonly Item<D>[],
    options: PutOptions | undefined,
  ): TensorRef<D>[] | Promise<TensorRef<D>[]> {
    const layouts = items.map((item) => layoutOf(item));
    const made = admission.admit(layouts, options);
    return made instanceof Promise
      ? made.then((made) => allFilled(made, layouts, items))
      : allFilled(made, layouts, items);
  }

  function allFilled<D extends Dtype>(
    made: readonly Entry[],
    layouts: readonly Layout<D>[],
    items: readonly Item<D>[],
  ): TensorRef<D>[] {
    try {
      // What was put may have been handed away while its turn came.
      if (made.some((entry, index) => items[index]!.data.byteLength !== entry.bytes)) {
        throw new ShoalError("BadInput", "Cannot put tensor: its array changed its length meanwhile");
      }
      return made.map((entry, index) => filled(entry, layouts[index]!, items[index]!));
    } catch (error) {
      for (const entry of made) {
        if (entry.state === "draft") owned.discard(entry);
        else owned.release(entry);
      }
      throw troubleOf(error, "put tensor");
    }
  }

  function filled<D extends Dtype>(entry: Entry, { dtype, shape }: Layout<D>, item: Item<D>): TensorRef<D> {
    const from = octets(item.data);
    const memory = memoryOf(arena, entry);
    if (memory === undefined) return sealed(entry, dtype, shape, from);
    const bytes = new Uint8Array(memory.buffer, memory.offset, entry.bytes);
    bytes.set(from);
    return sealed(entry, dtype, shape, bytes);
  }

  return {
    get putBytes() {
      return putBytes;
    },
    get getBytes() {
      return getBytes;
    },
    async allocate(dtype, shape, options) {
      const made = admission.admit([{ bytes: tensorBytes(dtype, shape), shape }], options);
      const [entry] = made instanceof Promise ? await made : made;
      try {
        return draftOf(entry!, dtype, shape);
      } catch (error) {
        owned.discard(entry!);
        throw error;
      }
    },
    async put(item, options) {
      const made = puts([item], options);
      const [ref] = made instanceof Promise ? await made : made;
      return ref!;
    },
    putMany: async (items, options) => puts(items, options),
    async get(ref, options) {
      throwIfCancelled(options?.signal);
      return standing(ref);
    },
    async *getMany(refs) {
      for (const ref of refs) yield standing(ref);
    },
    async release(value) {
      throwIfClosed();
      const ref = checkedRef(value, run);
      const entry = held(ref);
      if (entry !== undefined) owned.release(entry);
      else if (!isOwn(ref)) guests.release(ref);
    },
    pin(value, holder) {
      const ref = checkedRef(value, run);
      const entry = held(ref);
      if (entry !== undefined) owned.pin(entry, holder);
      else if (!isOwn(ref)) guests.pin(ref, holder);
    },
    unpin(value, holder, read) {
      const ref = checkedRef(value, run);
      const entry = held(ref);
      if (entry !== undefined) owned.unpin(entry, holder, read);
      else if (!isOwn(ref)) guests.unpin(ref, holder, read);
    },
    async *list() {
      throwIfClosed();
      owned.look(true);
      yield* owned.list();
      yield* listed();
    },
  };
}
