// A store of which every call goes through a function that may let it fail, or be late; and the one that makes all late.
import type { Store } from "../store.ts";
import { turn } from "./world.ts";

/** How a call is let through: at once, late, or not at all. */
export type Through = <T>(call: () => Promise<T>) => Promise<T>;

/** All but pins, statistics and close, which are no requests; what is listed goes through one by one. */
export function wrappedStore(inner: Store, through: Through): Store {
  const { tensors, logs, claims } = inner;

  async function* each<T>(all: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    for await (const one of all) yield await through(async () => one);
  }

  return {
    ...inner,
    statistics: () => inner.statistics(),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
    tensors: {
      ...tensors,
      async allocate(dtype, shape, options) {
        const draft = await through(() => tensors.allocate(dtype, shape, options));
        return { ...draft, data: draft.data, seal: () => through(() => draft.seal()) };
      },
      put: (item, options) => through(() => tensors.put(item, options)),
      putMany: (items, options) => through(() => tensors.putMany(items, options)),
      get: (ref, options) => through(() => tensors.get(ref, options)),
      getMany: (refs) => each(tensors.getMany(refs)),
      release: (ref) => through(() => tensors.release(ref)),
      list: () => each(tensors.list()),
    },
    logs: {
      append: (stream, epoch, frames) => through(() => logs.append(stream, epoch, frames)),
      read: (stream, after, options) => through(() => logs.read(stream, after, options)),
      trim: (stream, position) => through(() => logs.trim(stream, position)),
      streams: (prefix) => through(() => logs.streams(prefix)),
    },
    claims: {
      claim: (name, epoch, value) => through(() => claims.claim(name, epoch, value)),
      claimed: (name) => through(() => claims.claimed(name)),
      claims: (prefix) => through(() => claims.claims(prefix)),
    },
  };
}

/** A store whose calls begin late and whose answers come late, by some turns of the event loop each, drawn by chance. */
export function lateStore(inner: Store, chance: () => number, turnsMax: number = 4): Store {
  async function late(): Promise<void> {
    for (let turns = Math.floor(chance() * (turnsMax + 1)); turns > 0; turns--) await turn();
  }
  return wrappedStore(inner, async (call) => {
    await late();
    try {
      return await call();
    } finally {
      await late();
    }
  });
}
