// The node's memory of what its processes have fetched from a store: the first of them brings a tensor into its arena of
// shared memory, and the others look at it there. Bounded, and away with it when the last of them closes. Where there
// is no such memory, or no room in it, everybody fetches for himself as if there were no cache.
import { createHash } from "node:crypto";
import type { Opened } from "./cache/ground.ts";
import type { Landed, Landing, Wanted } from "./copied/landing.ts";
import { ShoalError } from "./error.ts";
import { type Reader, sizeOption } from "./url.ts";

export interface CacheOptions {
  /** All that tells this store from others, and the run. */
  readonly identity: readonly string[];
  /** What all processes of the node may keep of it together. */
  readonly bytesMax: number;
  /** Tensors of so many bytes are worth keeping: smaller ones cost as little to fetch. 1 MiB and a byte unless set. */
  readonly bytesMin: number | undefined;
  /** A folder of memory. `/dev/shm` unless set. */
  readonly dir: string | undefined;
  readonly strict: boolean;
  /** Where bytes land that are not kept. */
  readonly otherwise: Landing;
}

export interface Cache extends Landing {
  /** Whether tensors of so many bytes are kept. */
  isKept(bytes: number): boolean;
  /** Somebody has released it: what lies here of it may go. */
  forget(id: string): void;
  close(): Promise<void>;
}

/** What a URL may say of the cache. */
export const cacheUrlOptions: {
  readonly cache: Reader<number>;
  readonly cacheFrom: Reader<number>;
  readonly cacheDir: Reader<string>;
} = {
  cache: (text, name) => text === "off" ? 0 : sizeOption(text, name),
  cacheFrom: sizeOption,
  cacheDir(text) {
    if (text.startsWith("/") && !text.includes("\0")) return text;
    throw new ShoalError("BadInput", `Cannot open store: cacheDir=${text}: an absolute path is wanted, as in /dev/shm`);
  },
};

/** What the processes of a node keep of one store unless its URL says otherwise. */
export const cacheBytesUnlessSaid: number = 2 ** 30;
/** One request fetches what is smaller. */
const bytesMinUnlessSaid = 2 ** 20 + 1;

let isSaid = false;
/** Said once: everything goes on, only with more to fetch. */
function say(why: unknown): void {
  if (isSaid) return;
  isSaid = true;
  const text = why instanceof Error ? why.message : String(why);
  process.emitWarning(`each process fetches for itself what the node could keep once: ${text}`, "ShoalWarning");
}

/** The cache of a store on this node. Nothing is opened, or loaded, before something is worth keeping. */
export function nodeCache(
  { identity, bytesMax, bytesMin = bytesMinUnlessSaid, dir, strict, otherwise }: CacheOptions,
): Cache {
  const run = `cache-${createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 16)}`;
  let opening: Promise<Opened | undefined> | undefined;
  let isClosed = false;

  async function open(): Promise<Opened | undefined> {
    try {
      const { openGround } = await import("./cache/ground.ts");
      return await openGround({ run, bytesMax, dir, strict, say });
    } catch (error) {
      say(error);
      return undefined;
    }
  }

  /** What the store said is the reader's; what is wrong with the cache is nobody's. */
  async function landed(
    opened: Opened,
    wanted: Wanted,
    fill: (into: Uint8Array) => Promise<void>,
  ): Promise<Landed | undefined> {
    let failure: { readonly error: unknown } | undefined;
    try {
      return await opened.land(wanted, async (into) => {
        try {
          await fill(into);
        } catch (error) {
          failure = { error };
          throw error;
        }
      });
    } catch (error) {
      if (failure !== undefined) throw failure.error;
      say(error);
      return undefined;
    }
  }

  const isKept = (bytes: number): boolean => bytes >= bytesMin && bytes <= bytesMax && !isClosed;

  return {
    isKept,
    async land(wanted, fill) {
      const opened = isKept(wanted.bytes) ? await (opening ??= open()) : undefined;
      const found = opened === undefined || isClosed ? undefined : await landed(opened, wanted, fill);
      return found ?? await otherwise.land(wanted, fill);
    },
    forget(id) {
      if (isClosed || opening === undefined) return;
      // What cannot be taken away now goes when there is no room.
      opening.then((opened) => opened?.forget(id)).catch(() => {});
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      const opened = await opening;
      await opened?.close().catch(say);
    },
  };
}
