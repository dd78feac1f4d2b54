// Tensors of a route: put where the first rule that fits their size says, and looked for where their reference says.
import { fetchedAhead } from "../copied/ahead.ts";
import { layoutOf, tensorBytes } from "../dtype.ts";
import { isShoalError } from "../error.ts";
import type { Dtype, Item, PutOptions, Tensor, TensorRef, Tensors } from "../store.ts";
import { type Part, partsOf } from "./parts.ts";

/** A part, and the size that it takes no more. */
export interface Rule {
  readonly part: Part;
  readonly belowBytes: number;
}

export function routedTensors(parts: readonly Part[], rules: readonly Rule[]): Tensors {
  const ruleFor = (bytes: number): Rule => rules.find(({ belowBytes }) => bytes < belowBytes) ?? rules.at(-1)!;
  const forBytes = (bytes: number): Tensors => ruleFor(bytes).part.store.tensors;
  const canAdopt = [...rules.map(({ part }) => part), ...parts].filter(({ store }) =>
    store.tensors.adopt !== undefined
  );

  async function get<D extends Dtype>(
    ref: TensorRef<D>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Tensor<D>> {
    const [first, ...others] = partsOf(parts, ref);
    let missing: unknown;
    try {
      return await first!.store.tensors.get(ref, options);
    } catch (error) {
      if (others.length === 0 || !isShoalError(error, "Missing")) throw error;
      missing = error;
    }
    // An id is given out once, whoever gives it: what another part has under it is what was meant.
    for (const { store } of others) {
      try {
        return await store.tensors.get(ref, options);
      } catch (error) {
        if (!isShoalError(error, "Missing")) throw error;
      }
    }
    throw missing;
  }

  /** All or none: part by part in one order for everybody, so that no two wait for each other's half. */
  async function putMany<D extends Dtype>(items: readonly Item<D>[], options?: PutOptions): Promise<TensorRef<D>[]> {
    const chosen = items.map((item) => ruleFor(layoutOf(item).bytes));
    const refs: TensorRef<D>[] = [];
    try {
      for (const rule of rules) {
        const own = items.filter((_, index) => chosen[index] === rule);
        if (own.length === 0) continue;
        const made = await rule.part.store.tensors.putMany(own, options);
        for (const [index, one] of chosen.entries()) if (one === rule) refs[index] = made.shift()!;
      }
    } catch (error) {
      const made = refs.filter((ref) => ref !== undefined);
      await Promise.allSettled(made.map((ref) => release(ref)));
      throw error;
    }
    return refs;
  }

  async function release(ref: TensorRef): Promise<void> {
    for (const { store } of partsOf(parts, ref)) await store.tensors.release(ref);
  }

  const tensors: Tensors = {
    allocate: async (dtype, shape, options) => forBytes(tensorBytes(dtype, shape)).allocate(dtype, shape, options),
    put: async (item, options) => forBytes(layoutOf(item).bytes).put(item, options),
    async putMany(items, options) {
      // Most often all go one way.
      const [first] = rules;
      return rules.length === 1 ? first!.part.store.tensors.putMany(items, options) : await putMany(items, options);
    },
    get,
    getMany: (refs) => fetchedAhead(refs, get),
    release,
    pin(ref, holder) {
      for (const { store } of partsOf(parts, ref)) store.tensors.pin(ref, holder);
    },
    unpin(ref, holder, read) {
      for (const { store } of partsOf(parts, ref)) store.tensors.unpin(ref, holder, read);
    },
    async *list() {
      for (const { store } of parts) yield* store.tensors.list();
    },
  };
  const [adopter] = canAdopt;
  if (adopter === undefined) return tensors;
  return {
    ...tensors,
    adopt: (path, dtype, shape, options) => adopter.store.tensors.adopt!(path, dtype, shape, options),
  };
}
