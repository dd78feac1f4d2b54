// How the processes of the kill harness come to their store: by its URL, or through a module that somebody brought.
import { randomBytes } from "node:crypto";
import { isShoalError } from "../../error.ts";
import { openStore } from "../../open.ts";
import type { Store, StoreEnvironment } from "../../store.ts";
import type { Place, PlaceOptions } from "../../sweep.ts";
import { openPlace } from "../../sweep/places.ts";

/** What a module may bring instead of shoal's own: `openPlace` only where there is something to sweep. */
export interface Opener {
  readonly openStore: typeof openStore;
  readonly openPlace?: (url: string, options: PlaceOptions) => Promise<Place>;
}

export const environment: StoreEnvironment = {
  now: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  token: () => randomBytes(8).toString("hex"),
};

async function openerOf(module: string | undefined): Promise<Opener> {
  if (module === undefined) return { openStore, openPlace };
  const opener = await import(module) as Partial<Opener>;
  if (typeof opener.openStore !== "function") {
    throw new TypeError(`Cannot use ${module}: it exports no function openStore`);
  }
  return opener as Opener;
}

export async function openedStore(url: string, run: string, module: string | undefined): Promise<Store> {
  const { openStore } = await openerOf(module);
  return await openStore(url, { run, environment, strict: false, thresholdBytes: 0 });
}

/** Nothing where the store leaves nothing to sweep. */
export async function openedPlace(url: string, module: string | undefined): Promise<Place | undefined> {
  const { openPlace } = await openerOf(module);
  if (openPlace === undefined) return undefined;
  try {
    return await openPlace(url, { environment });
  } catch (error) {
    if (isShoalError(error, "BadInput")) return undefined;
    throw error;
  }
}
