// A part of a route that is opened when something in it is wanted: whoever has no business there need not reach it.
import { ShoalError } from "../error.ts";
import type { Abilities, Claims, Dtype, Holder, Store, TensorRef, Tensors } from "../store.ts";
import { parseStoreUrl } from "../url.ts";

/** What a route needs of each of its stores. Of one that is opened later it is not known yet what it can do. */
export interface PartStore extends Pick<Store, "url" | "tensors" | "statistics" | "ended" | "close" | "share"> {
  readonly where?: string;
  readonly abilities: Abilities | undefined;
  readonly claims: Claims | undefined;
}

/** What a message pinned before the store was there. */
interface Pin {
  readonly ref: TensorRef;
  readonly holder: Holder;
}

/** `who` says in errors for whom it is opened. What fails is tried again the next time that something is wanted. */
export function laterStore(url: string, who: string, open: () => Promise<Store>): PartStore {
  const { redacted } = parseStoreUrl(url);
  let opened: Store | undefined;
  let opening: Promise<Store> | undefined;
  let isClosed = false;
  let pins: Pin[] = [];
  let settleEnded!: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => settleEnded = resolve);

  async function reach(): Promise<Store> {
    try {
      const store = await open();
      if (isClosed) {
        await store.close();
        throw new ShoalError("ShuttingDown", `Cannot use store ${redacted}: it was closed`);
      }
      opened = store;
      for (const { ref, holder } of pins) store.tensors.pin(ref, holder);
      pins = [];
      void store.ended.then(settleEnded);
      return store;
    } catch (error) {
      opening = undefined;
      if (!(error instanceof ShoalError) || error.code === "ShuttingDown") throw error;
      const text = `Cannot use store ${redacted}: ${who} cannot open it: ${error.message}`;
      const cure = "name one that it reaches for what its tasks read, as in --simulate-store file:///scratch/run";
      throw new ShoalError(error.code, `${text}; ${cure}`, { outcome: error.outcome, cause: error });
    }
  }

  async function tensors(): Promise<Tensors> {
    if (isClosed) throw new ShoalError("ShuttingDown", `Cannot use store ${redacted}: it was closed`);
    return (opened ?? await (opening ??= reach())).tensors;
  }

  return {
    url: redacted,
    get where() {
      return opened?.where ?? opened?.url ?? redacted;
    },
    get abilities() {
      return opened?.abilities;
    },
    get claims() {
      return opened?.claims;
    },
    tensors: {
      allocate: async (dtype, shape, options) => (await tensors()).allocate(dtype, shape, options),
      put: async (item, options) => (await tensors()).put(item, options),
      putMany: async (items, options) => (await tensors()).putMany(items, options),
      get: async (ref, options) => (await tensors()).get(ref, options),
      async *getMany<D extends Dtype>(refs: Iterable<TensorRef<D>>) {
        yield* (await tensors()).getMany(refs);
      },
      release: async (ref) => (await tensors()).release(ref),
      pin(ref, holder) {
        if (opened === undefined) pins.push({ ref, holder });
        else opened.tensors.pin(ref, holder);
      },
      // A declared read that nobody here has made counts for nothing: what it was of lives until the run ends.
      unpin(ref, holder, read) {
        if (opened !== undefined) return opened.tensors.unpin(ref, holder, read);
        const at = pins.findIndex((pin) => pin.ref.id === ref.id && pin.holder === holder);
        if (at >= 0) pins.splice(at, 1);
      },
      async *list() {
        if (opened !== undefined) yield* opened.tensors.list();
      },
    },
    statistics: () => opened?.statistics() ?? { tensors: 0, bytes: 0, pooledBytes: 0, putBytes: 0, getBytes: 0 },
    ended,
    async close() {
      isClosed = true;
      await opening?.catch(() => {});
      await opened?.close();
      settleEnded(undefined);
    },
  };
}
