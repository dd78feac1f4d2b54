// The store as one actor sees it: what its handler got is given back when the handler ends, unless it was kept.

import type { Tensor, TensorRef, Tensors } from "../../stores/store.ts";

/** Who holds the views. */
export interface ViewHolder {
  alive(what: string): void;
  hold(view: Tensor): void;
  keep(view: Tensor): void;
  drop(view: Tensor): void;
}

/** Tensors whose views end with their holder's turn. */
export function heldTensors(store: Tensors, holder: ViewHolder): Tensors {
  async function get<D extends TensorRef["dtype"]>(ref: TensorRef<D>, options = {}): Promise<Tensor<D>> {
    holder.alive(`get ${ref.id}`);
    return held(await store.get(ref, options), holder);
  }

  return {
    ...store,
    get,
    async *getMany(refs) {
      holder.alive("get many");
      for await (const tensor of store.getMany(refs)) yield held(tensor, holder);
    },
    release(ref) {
      holder.alive("release");
      return store.release(ref);
    },
    allocate(dtype, shape, options) {
      holder.alive("allocate");
      return store.allocate(dtype, shape, options);
    },
    put(item, options) {
      holder.alive("put");
      return store.put(item, options);
    },
    putMany(items, options) {
      holder.alive("put");
      return store.putMany(items, options);
    },
  };
}

function held<D extends TensorRef["dtype"]>(tensor: Tensor<D>, holder: ViewHolder): Tensor<D> {
  try {
    holder.alive(`get ${tensor.ref.id}`);
  } catch (error) {
    // The actor has ended while the tensor came.
    tensor.done();
    throw error;
  }
  const view: Tensor<D> = {
    ref: tensor.ref,
    dtype: tensor.dtype,
    shape: tensor.shape,
    data: tensor.data,
    keep() {
      holder.keep(view);
      tensor.keep();
      return view;
    },
    done() {
      holder.drop(view);
      tensor.done();
    },
  };
  holder.hold(view);
  return view;
}
