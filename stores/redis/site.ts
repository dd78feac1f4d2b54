// The servers that a URL names, found and with all that reaching them takes; no run is opened yet.
import type { StoreUrl } from "../url.ts";
import { addressOf, type RedisUrlOptions } from "./address.ts";
import { cluster } from "./cluster.ts";
import { type Servers, servers } from "./servers.ts";
import { shards } from "./shards.ts";

export interface Site {
  readonly options: RedisUrlOptions;
  readonly isCluster: boolean;
  /** Begins all keys. */
  readonly space: string;
  /** The `where` of references. */
  readonly where: string;
  /** Each server by its name. */
  readonly wheres: readonly string[];
  /** How many places there are for logs and claims. */
  readonly lanes: number;
  readonly patienceMs: number;
  /** Ways to the servers, with patience of their own. */
  reach(patienceMs: number): Servers;
}

/** Who opens a store is told soon that its server is not there. */
export const openMsMax = 3_000;
/** Logs and claims of a run lie on up to so many servers of a cluster. */
const clusterLanes = 8;

export async function siteOf(url: StoreUrl): Promise<Site> {
  const { address, options } = addressOf(url);
  const { endpoints, isCluster, access, where } = address;
  const { patienceMs = 10_000, replyMs = 5_000, space = "shoal" } = options;
  const limits = { connectMs: Math.min(openMsMax, Math.max(1, replyMs)), replyMs: Math.max(1, replyMs) };
  const placement = isCluster ? await cluster(endpoints, access, limits) : shards(endpoints);
  return {
    options,
    isCluster,
    space,
    where,
    wheres: placement.endpoints.map(({ host, port }) => `${host}:${port}`),
    lanes: isCluster ? clusterLanes : endpoints.length,
    patienceMs,
    reach: (patienceMs) => servers({ placement, access, limits, patienceMs, url: url.redacted }),
  };
}
