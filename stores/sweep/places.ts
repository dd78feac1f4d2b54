// URL → what stands there, for who sweeps, lists and verifies: the stores that leave anything behind when they end.
import { ShoalError } from "../error.ts";
import type { Place, PlaceOptions } from "../sweep.ts";
import { parseStoreUrl, readOptions, type StoreUrl, unknown } from "../url.ts";

type PlaceOpener = (url: StoreUrl, options: PlaceOptions) => Place | Promise<Place>;

const redis = async (): Promise<PlaceOpener> => (await import("../redis/place.ts")).openRedisPlace;

const openers: ReadonlyMap<string, () => Promise<PlaceOpener>> = new Map([
  ["shm", async (): Promise<PlaceOpener> => (await import("../shm/survey.ts")).openShmPlace],
  ["file", async (): Promise<PlaceOpener> => {
    const [{ fileUrlOptions, rootOf }, { folderPlace }] = await Promise.all([
      import("../file/options.ts"),
      import("./folder.ts"),
    ]);
    return (url, options) => {
      readOptions(url, fileUrlOptions);
      return folderPlace({ ...options, root: rootOf(url.address), url: url.redacted });
    };
  }],
  ["kafka", async (): Promise<PlaceOpener> => (await import("../kafka/place.ts")).openKafkaPlace],
  ["redis", redis],
  ["rediss", redis],
  ["redis+cluster", redis],
  ["rediss+cluster", redis],
]);

/** Stores that leave nothing to anybody. */
const leavesNothing: ReadonlyMap<string, string> = new Map([
  ["memory", "memory: ends with its process, and leaves nothing"],
  ["route", "route: keeps nothing itself; look into each of its parts"],
  ["module", "a store of one's own has its own ways; shoal does not know what it leaves"],
]);

/** What a store's place holds, without opening the store. Throws BadInput for a store that leaves nothing behind. */
export async function openPlace(url: string, options: PlaceOptions): Promise<Place> {
  const parsed = parseStoreUrl(url);
  const nothing = leavesNothing.get(parsed.scheme);
  if (nothing !== undefined) throw new ShoalError("BadInput", `Cannot look into ${parsed.redacted}: ${nothing}`);
  const load = openers.get(parsed.scheme);
  if (load === undefined) {
    const known = [...openers.keys(), ...leavesNothing.keys()].map((name) => `${name}:`);
    throw new ShoalError("BadInput", unknown("scheme", `${parsed.scheme}:`, known));
  }
  return await (await load())(parsed, options);
}
