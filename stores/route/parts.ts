// The stores that a route is made of: opened once each, all or none, and told apart by what their references say.
import type { MessagePort } from "node:worker_threads";
import { ShoalError } from "../error.ts";
import type { OpenOptions, Store, TensorRef } from "../store.ts";
import { parseStoreUrl } from "../url.ts";
import { laterStore, type PartStore } from "./later.ts";
import { portsIn } from "./sharing.ts";

/** Opens one store by its URL. */
export type OpenPart = (url: string, options: OpenOptions) => Promise<Store>;

export interface Part {
  /** Its URL as it stands in the route's. */
  readonly asked: string;
  readonly store: PartStore;
}

export interface Parts {
  readonly home: Store;
  /** The first is home. */
  readonly parts: readonly Part[];
}

/**
 * Opens all of them, and those that nobody needs here when somebody does; where one cannot be opened, those that were
 * are closed again.
 */
export async function opening(
  urls: readonly [string, ...string[]],
  { home, only, ...options }: OpenOptions,
  openPart: OpenPart,
  isNeeded: (url: string) => boolean,
): Promise<Parts> {
  const nested = urls.map((url) => parseStoreUrl(url)).find(({ scheme }) => scheme === "route");
  if (nested !== undefined) {
    throw new ShoalError("BadInput", "Cannot open store: a route: stands within a route:; name its parts in one");
  }
  const ports: readonly (MessagePort | undefined)[] = home === undefined ? [] : portsIn(home, urls.length);
  function open(index: number): Promise<Store> {
    const port = ports[index];
    // Which tensors travel in their references is decided before they are routed.
    return openPart(urls[index]!, { ...options, thresholdBytes: 0, ...(port === undefined ? {} : { home: port }) });
  }
  const first = open(0);
  const all = urls.map(async (url, index): Promise<Part> => {
    if (index === 0) return { asked: url, store: await first };
    if (only === undefined || isNeeded(url)) return { asked: url, store: await open(index) };
    return { asked: url, store: laterStore(url, only.who, () => open(index)) };
  });
  const opened = await Promise.allSettled(all);
  const failed = opened.find((one) => one.status === "rejected");
  if (failed === undefined) return { home: await first, parts: await Promise.all(all) };
  await Promise.allSettled(opened.flatMap((one) => one.status === "fulfilled" ? [one.value.store.close()] : []));
  throw failed.reason;
}

/**
 * The parts that may have what a reference means, the likeliest first: those whose references say so; and all where
 * none does, since a server may be called by another name elsewhere.
 */
export function partsOf(parts: readonly Part[], ref: TensorRef): readonly Part[] {
  // What is no reference at all, any part refuses.
  const where = typeof ref === "object" && ref !== null ? ref.where : "";
  const own = parts.filter(({ store }) => (store.where ?? store.url) === where);
  return own.length > 0 ? own : parts;
}
