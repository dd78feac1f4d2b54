// The store before a port: what an actor puts is compared by its sum, and what it got is kept with its bytes.

import { createHash } from "node:crypto";
import type { Arrays, Draft, Dtype, Item, Tensor, TensorRef, Tensors } from "../../stores/store.ts";
import { type ArrayName, arrayName, bytesOf, emptyArray } from "../messages/arrays.ts";
import { type Form, iterableOver, type Port } from "./part.ts";

const sum = (data: ArrayBufferView): string => createHash("sha256").update(bytesOf(data)).digest("hex").slice(0, 16);

const itemOf = ({ data, dtype, shape }: Item): unknown => ({
  sum: sum(data),
  bytes: data.byteLength,
  dtype: dtype ?? null,
  shape: shape ?? null,
});

interface Kept {
  readonly ref: TensorRef;
  readonly data: Arrays[Dtype];
}

function tensorOf(kept: unknown): Tensor<never> {
  const { ref, data } = kept as Kept;
  const { dtype, shape } = ref;
  const tensor: Tensor = { ref, dtype, shape, data, keep: () => tensor, done() {} };
  return tensor as never;
}

const tensorsIn = ({ shelf }: Port): Form<Tensor<never>> => ({
  keep: ({ ref, data }) => shelf === undefined ? { ref, data } : shelf.keep(ref, data),
  make: (kept) => tensorOf(shelf === undefined ? kept : shelf.load(kept)),
});

const stepsOf = ({ keep, make }: Form<Tensor<never>>): Form<IteratorResult<Tensor<never>, undefined>> => ({
  keep: ({ done = false, value }) => value === undefined ? { done } : { done, value: keep(value) },
  make(kept) {
    const { done, value } = kept as { readonly done: boolean; readonly value?: unknown };
    return done ? { done, value: undefined } : { done: false, value: make(value) };
  },
});

function draftOver(port: Port, name: string, draft: Draft<never>): Draft<never> {
  return {
    dtype: draft.dtype,
    shape: draft.shape,
    data: draft.data,
    seal: () => port.later(`seals ${name}`, sum(draft.data), () => draft.seal()),
    discard: () => port.act(`discards ${name}`, null, () => draft.discard()),
  };
}

/** A draft of zeros, where there was one. */
const drafts: Form<Draft<never>> = {
  keep: ({ dtype, shape, data }: Draft) => ({ dtype, shape, name: arrayName(data) ?? null, length: data.length }),
  make(kept) {
    const { dtype, shape, name, length } = kept as Draft & { readonly name: ArrayName; readonly length: number };
    const none = (): never => {
      throw new Error("There is no store behind a replay");
    };
    return { dtype, shape, data: emptyArray(name, length), seal: none, discard: none } as never;
  },
};

export function tensorsOver(port: Port, real?: Tensors): Tensors {
  let count = 0;
  const tensors = tensorsIn(port);
  const steps = stepsOf(tensors);
  return {
    async allocate(dtype, shape, options) {
      const name = `draft ${++count}`;
      const draft = await port.later(
        `allocates ${name}`,
        [dtype, shape, options?.lifetime ?? null],
        () => real!.allocate(dtype, shape, options) as Promise<Draft<never>>,
        drafts,
      );
      return draftOver(port, name, draft);
    },
    put: (item, options) =>
      port.later("puts a tensor", [itemOf(item), options?.lifetime ?? null], () => real!.put(item, options)),
    putMany: (items, options) =>
      port.later("puts tensors", [items.map(itemOf), options?.lifetime ?? null], () => real!.putMany(items, options)),
    adopt: (path, dtype, shape, options) =>
      port.later("adopts a file", [path, dtype, shape], async () => await real!.adopt!(path, dtype, shape, options)),
    get: (ref, options) =>
      port.later(`gets ${ref.id}`, null, () => real!.get(ref, options) as Promise<Tensor<never>>, tensors),
    getMany(refs) {
      const all = [...refs];
      const what = `row of ${all.map(({ id }) => id).join(", ")}`;
      return iterableOver(port, what, () => real!.getMany(all) as AsyncIterable<Tensor<never>>, steps);
    },
    release: (ref) => port.later(`releases ${ref.id}`, null, () => real!.release(ref)),
    pin: (ref, holder) => port.act(`pins ${ref.id}`, holder, () => real!.pin(ref, holder)),
    unpin: (ref, holder, isRead) =>
      port.act(`unpins ${ref.id}`, [holder, isRead], () => real!.unpin(ref, holder, isRead)),
    list() {
      const form = { keep: (step: unknown) => step, make: (kept: unknown) => kept as never };
      return iterableOver(port, "list of tensors", () => real!.list(), form);
    },
  };
}
