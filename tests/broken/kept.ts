// A store for the laws to be tried on that survives its end and is shared, in the simplest way: all who open one place
// and run in this process have one `memory:` store. And a backend of it that can be cut off.
import type { Subject, SubjectOptions } from "../../stores/conformance/mod.ts";
import { type FailingStore, failingStore } from "../../stores/conformance/mod.ts";
import { ShoalError } from "../../stores/error.ts";
import { memoryStore } from "../../stores/memory.ts";
import type { Draft, Dtype, Store } from "../../stores/store.ts";

/** What a broken store may know beside the store that it breaks. */
export interface Circumstances {
  readonly options: SubjectOptions;
  /** The store of this place as it was left by whoever was here first. */
  readonly inner: Store;
}

export type Breaking = (store: Store, circumstances: Circumstances) => Store;

/** One handle on a store that others have too: its end is not theirs. */
function handle(inner: Store): Store {
  let isClosed = false;
  let end: (error: undefined) => void;
  const ended = new Promise<undefined>((resolve) => end = resolve);
  const closing = new AbortController();
  const shut = (): ShoalError => new ShoalError("ShuttingDown", "Cannot use store: it was closed");
  const open = (): void => {
    if (isClosed) throw shut();
  };
  const draftOf = <D extends Dtype>(draft: Draft<D>): Draft<D> => ({
    ...draft,
    data: draft.data,
    async seal() {
      open();
      return draft.seal();
    },
  });
  const { tensors, logs, claims } = inner;
  return {
    ...inner,
    abilities: { ...inner.abilities, survives: "host", shared: "host" },
    statistics: () => inner.statistics(),
    tensors: {
      allocate: async (dtype, shape, options) => (open(), draftOf(await tensors.allocate(dtype, shape, options))),
      put: async (item, options) => (open(), tensors.put(item, options)),
      putMany: async (items, options) => (open(), tensors.putMany(items, options)),
      get: async (ref, options) => (open(), tensors.get(ref, options)),
      async *getMany(refs) {
        open();
        yield* tensors.getMany(refs);
      },
      release: async (ref) => (open(), tensors.release(ref)),
      pin: (ref, holder) => tensors.pin(ref, holder),
      unpin: (ref, holder, read) => tensors.unpin(ref, holder, read),
      async *list() {
        open();
        yield* tensors.list();
      },
    },
    logs: {
      append: async (stream, epoch, frames) => (open(), logs.append(stream, epoch, frames)),
      async read(stream, after, options = {}) {
        open();
        const { signal } = options;
        const both = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
        try {
          return await logs.read(stream, after, { ...options, signal: both });
        } catch (error) {
          if (isClosed) throw shut();
          throw error;
        }
      },
      trim: async (stream, through) => (open(), logs.trim(stream, through)),
      streams: async (prefix) => (open(), logs.streams(prefix)),
    },
    claims: {
      claim: async (name, epoch, value) => (open(), claims.claim(name, epoch, value)),
      claimed: async (name) => (open(), claims.claimed(name)),
      claims: async (prefix) => (open(), claims.claims(prefix)),
    },
    ended,
    async close() {
      isClosed = true;
      closing.abort();
      end(undefined);
    },
    [Symbol.asyncDispose]() {
      return this.close();
    },
  };
}

const same: Breaking = (store) => store;

/** A subject that keeps, shares, is bounded and can be cut off; broken where a breaking is given, in the store or in its handles. */
export function keptSubject(name: string, breaking: Breaking = same, outside: Breaking = same): Subject {
  const places = new Map<string, Map<string, FailingStore>>();
  return {
    name,
    bounded: true,
    open(options) {
      const { place, run, environment, capacity } = options;
      const runs = places.get(place) ?? new Map<string, FailingStore>();
      places.set(place, runs);
      let inner = runs.get(run);
      if (inner === undefined) {
        const room = capacity === undefined ? {} : { capacityBytes: capacity.bytes, ...capacity };
        inner = failingStore(memoryStore({ run, environment, ...room }));
        runs.set(run, inner);
      }
      return outside(handle(breaking(inner, { options, inner })), { options, inner });
    },
    async remove(place) {
      for (const store of places.get(place)?.values() ?? []) await store.close();
      places.delete(place);
    },
    faults: {
      arm: (place, nth, kind) => places.get(place)?.forEach((store) => store.arm(nth, kind)),
      disarm: (place) => [...places.get(place)?.values() ?? []].map((store) => store.disarm()).some(Boolean),
    },
  };
}
