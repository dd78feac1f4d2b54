// Shards: each key lies on one of the servers that the URL names, by rendezvous hashing over their places in the URL,
// not their names: a server may have several, and a proxy may stand before it.
import { crc32 } from "../checksum.ts";
import { laneIn } from "./keys.ts";
import type { Endpoint } from "./client.ts";
import type { Placement } from "./servers.ts";

/** Spreads what a sum that is linear leaves alike. */
function mixed(value: number): number {
  let mix = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  mix = Math.imul(mix ^ (mix >>> 15), 0x846ca68b);
  return (mix ^ (mix >>> 16)) >>> 0;
}

export function shards(endpoints: readonly Endpoint[]): Placement {
  const weights = endpoints.map((_, index) => mixed(crc32(`shard ${index}`)));
  const all = endpoints.map((_, index) => index);
  return {
    endpoints,
    current: () => all,
    endpointOf(key) {
      if (endpoints.length === 1) return 0;
      const lane = laneIn(key);
      if (lane !== undefined) return lane % endpoints.length;
      const sum = crc32(key);
      let best = 0;
      let bestWeight = -1;
      for (const [index, weight] of weights.entries()) {
        const own = mixed(sum ^ weight);
        if (own > bestWeight) [best, bestWeight] = [index, own];
      }
      return best;
    },
  };
}
