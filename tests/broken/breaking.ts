// How a broken store is written down, and how one part of a good store is replaced.
import type { Claims, Logs, Store, Tensors } from "../../stores/store.ts";
import type { Breaking } from "./kept.ts";

export interface BrokenStore {
  readonly name: string;
  /** The law that must catch it. */
  readonly law: string;
  readonly breaking?: Breaking;
  /** What is broken in a handle on the store, where it is not the store itself. */
  readonly outside?: Breaking;
}

export const withTensors = (store: Store, change: Partial<Tensors>): Store => ({
  ...store,
  statistics: () => store.statistics(),
  tensors: { ...store.tensors, ...change },
});
export const withLogs = (store: Store, change: Partial<Logs>): Store => ({
  ...store,
  statistics: () => store.statistics(),
  logs: { ...store.logs, ...change },
});
export const withClaims = (store: Store, change: Partial<Claims>): Store => ({
  ...store,
  statistics: () => store.statistics(),
  claims: { ...store.claims, ...change },
});
/** What outlives one handle of a store, for breakings that remember. */
export function memoOf<T>(make: () => T): (store: Store) => T {
  const memo = new WeakMap<Store, T>();
  return (store) => {
    const known = memo.get(store) ?? make();
    memo.set(store, known);
    return known;
  };
}
