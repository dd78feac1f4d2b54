// `file:`: tensors, logs and claims in a folder of any POSIX file system, Lustre among them. Whoever opens the same
// URL and run, from whatever process or node, has the same store; file/layout.ts says where everything lies.
import { constants } from "node:buffer";
import { nodeCache } from "./cache.ts";
import { ShoalError } from "./error.ts";
import { adopted as fileAdopted } from "./file/adopted.ts";
import { bodies as fileBodies } from "./file/bodies.ts";
import { buffers as fileBuffers } from "./copied/buffers.ts";
import { fileClaims } from "./file/claims.ts";
import { descriptors as fileDescriptors } from "./file/descriptors.ts";
import type { Disk } from "./file/disk.ts";
import { entries as fileEntries } from "./copied/entries.ts";
import { layout as fileLayout, placeOf } from "./file/layout.ts";
import { pooledLanding } from "./copied/landing.ts";
import { listed } from "./file/listed.ts";
import { fileLogs } from "./file/logs.ts";
import { posixDiskAt, posixDiskOf } from "./file/posix.ts";
import { packedBytesMax, packedNearBytesMax, segments as fileSegments } from "./file/segments.ts";
import { fileUrlOptions, rootOf } from "./file/options.ts";
import { roomy } from "./file/roomy.ts";
import { type Beside, besideOf, sharing } from "./file/sharing.ts";
import { spares as fileSpares } from "./file/spares.ts";
import { lfsStriping } from "./file/striping.ts";
import { fileTensors } from "./file/tensors.ts";
import { tidying as fileTidying } from "./copied/tidying.ts";
import { troubleOf } from "./file/trouble.ts";
import { type FileUsage, fileUsage } from "./file/usage.ts";
import { wholes as fileWholes } from "./file/whole.ts";
import { room as boundedRoom } from "./room.ts";
import type { OpenOptions, Store, StoreEnvironment, TensorRef } from "./store.ts";
import { claimants, ownersOf } from "./sweep/owners.ts";
import { filePresence } from "./sweep/presence.ts";
import { readOptions, type StoreUrl } from "./url.ts";

export interface FileOptions {
  /** An absolute path. */
  readonly root: string;
  readonly run: string;
  readonly environment: StoreEnvironment;
  readonly strict?: boolean;
  /** `always`: what a call has answered, a power cut does not take back. `never` unless set: the system decides when. */
  readonly fsync?: "always" | "never";
  /** What the run's tensors may take together. Without a limit, but for the disk's own, unless set. */
  readonly capacityBytes?: number;
  readonly full?: "wait" | "reject";
  readonly waitMs?: number;
  readonly graceMs?: number;
  /** What views that are done, and files of tensors that are gone, each leave for the next ones. 1 GiB unless set. */
  readonly poolBytesMax?: number;
  /** The folder whose files may be adopted. None unless set. */
  readonly adopt?: string;
  /** On how many targets of Lustre a very large file lies, and all others on one. As the site has it unless set. */
  readonly stripe?: number;
  /** How large that is. 1 GiB unless set. */
  readonly wideBytesMin?: number;
  /** How often a reader that waits looks for more, at first and at last. 5 ms to 1 s unless set. */
  readonly pollMs?: { readonly min: number; readonly max: number };
  readonly url?: string;
  /** How often it shows those on other machines that it is there. 15 s unless set. */
  readonly beatMs?: number;
  /** It is for logs and claims alone, of a process that has the run open besides: that it is there is shown by that. */
  readonly isAside?: boolean;
  /** Another opening of this process, which is closed after this one: until this one puts, that shows for both. */
  readonly beside?: Beside;
  /** What the node's processes keep of it in their own memory, from how many bytes on, and where. Nothing unless set. */
  readonly cache?: number;
  readonly cacheFrom?: number;
  readonly cacheDir?: string;
  /** The machine's own unless set. */
  readonly disk?: Disk;
}

const frameBytesMax = 16 * 2 ** 20;
/** What was pooled and not used for as long, and at most twice as long, goes. */
const tidyMs = 10_000;

/** Opens the store of a `file:` URL. */
export async function openFile(url: StoreUrl, { run, environment, strict, only, home }: OpenOptions): Promise<Store> {
  const { capacity, pool, cache, ...rest } = readOptions(url, fileUrlOptions);
  return await fileStore({
    root: rootOf(url.address),
    run,
    environment,
    strict,
    url: url.redacted,
    isAside: only?.topics.length === 0,
    ...(home === undefined ? {} : { beside: besideOf(home) }),
    ...rest,
    ...(capacity === undefined ? {} : { capacityBytes: capacity }),
    ...(pool === undefined ? {} : { poolBytesMax: pool }),
    ...(cache === undefined || cache === 0 ? {} : { cache }),
  });
}

/** A store in a folder, which it makes where there is none. */
export async function fileStore(options: FileOptions): Promise<Store> {
  const { root, run, environment, strict = false, fsync = "never" } = options;
  const { capacityBytes = Infinity, full = "wait", waitMs = 30_000, graceMs = 1_000 } = options;
  const { poolBytesMax = 2 ** 30, url = `file://${root}`, pollMs = { min: 5, max: 1_000 } } = options;
  const where = `file://${root}`;
  const durable = fsync === "always";
  const writer = environment.token();
  const layout = fileLayout(root, run);
  // A disk that was passed in is nobody's but the caller's: no sweeper comes there.
  const { beside } = options;
  const machine = options.disk ?? (beside === undefined ? await posixDiskAt(root) : posixDiskOf(beside.isNear));
  const known = { ...options, folder: layout.run, writer, durable, role: "store", beside: beside?.writer } as const;
  const isKnown = options.disk === undefined && options.isAside !== true;
  const presence = isKnown ? filePresence({ ...known, disk: machine }) : undefined;
  const disk = options.disk ?? presence?.disk ?? machine;
  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);

  try {
    if (presence !== undefined && beside?.writer === undefined) await presence.enter();
    if (options.disk !== undefined && !await disk.exists(layout.run)) {
      await fileWholes(disk, durable, writer).makeFolder(layout.run);
    }
  } catch (error) {
    throw troubleOf(error, `open store ${url}`);
  }

  function throwIfClosed(): void {
    if (isClosed) throw new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`);
    if (presence?.lost !== undefined) throw presence.lost;
  }

  let underWay = 0;
  let idle = (): void => {};
  async function track<T>(work: Promise<T>): Promise<T> {
    underWay += 1;
    try {
      return await work;
    } finally {
      underWay -= 1;
      if (underWay === 0) idle();
    }
  }

  const erasing = new Map<string, Promise<void>>();
  function erase(ref: TensorRef, mark: "gone" | "late"): Promise<void> {
    let work = erasing.get(ref.id);
    if (work === undefined) {
      work = track(bodies.erase(ref, mark)).finally(() => erasing.delete(ref.id));
      erasing.set(ref.id, work);
    }
    return work;
  }

  const tidying = fileTidying(
    environment,
    tidyMs,
    () => [buffers, descriptors, ...(spares === undefined ? [] : [spares])],
  );
  const buffers = fileBuffers(poolBytesMax, strict, tidying.touched);
  const descriptors = fileDescriptors(disk, tidying.touched);
  // A power cut may mix the old with the new in a file that is written again: not where that is promised away.
  const isSpared = disk.isNear === true && !durable;
  const spares = isSpared ? fileSpares(disk, Math.min(poolBytesMax, capacityBytes), tidying.touched) : undefined;
  // What is kept for the next tensor must not keep others from theirs, nor the mail.
  const spared = spares === undefined ? disk : roomy(disk, spares.clear);
  let usage: FileUsage | undefined;
  const shared = (usedBytes: () => number): FileUsage =>
    usage = fileUsage({
      disk: spared,
      layout,
      writer,
      durable,
      capacityBytes,
      environment,
      usedBytes,
      standingBytes: () => entries.standingBytes,
      look: () => track(tensors.look()),
      owners: presence && (async () => {
        const all = await claimants(disk, ownersOf(layout.run));
        return new Map(all.map((one) => [one.writer, one.isProvenDead]));
      }),
    });
  const bounds = { capacityBytes, full, waitMs, environment };
  const room = boundedRoom({ ...bounds, usage: capacityBytes === Infinity ? undefined : shared });

  const wholes = fileWholes(spared, durable, writer);
  const segments = fileSegments({ disk: spared, wholes, layout, writer, durable, descriptors });
  const striping = options.stripe === undefined ? undefined : lfsStriping(options.stripe);
  const wideBytesMin = options.wideBytesMin ?? 2 ** 30;
  const cache = options.cache === undefined ? undefined : nodeCache({
    identity: [where, run],
    bytesMax: options.cache,
    bytesMin: options.cacheFrom,
    dir: options.cacheDir,
    strict,
    otherwise: pooledLanding(buffers),
  });
  const written = { disk, wholes, layout, writer, durable, buffers, cache, descriptors, spares };
  const bodies = fileBodies({ ...written, striping, wideBytesMin });
  const adopted = fileAdopted({ disk, buffers, tree: options.adopt });
  const entries = fileEntries({
    writer,
    environment,
    room,
    graceMs: Math.max(1, graceMs),
    erase(ref, mark) {
      const place = placeOf(ref.id);
      // Gone for this process in any case; where the disk refuses now, release says so and a sweep finds it.
      void track(erase(ref, mark).then(() => place && segments.leave(place)).catch(() => {}));
    },
  });
  const tensors = fileTensors({
    run,
    where,
    bodies,
    segments,
    entries,
    buffers,
    room,
    told: usage?.sealed,
    strict,
    adopted,
    packedBytesMax: disk.isNear === true ? packedNearBytesMax : packedBytesMax,
    throwIfClosed,
    track,
    erase,
    forget: (id) => cache?.forget(id),
    listed: () => listed(disk, layout, run),
  });
  const kept = { disk: spared, wholes, layout, throwIfClosed };
  const logs = fileLogs({ ...kept, writer, durable, environment, pollMs, frameBytesMax });
  const claims = fileClaims(kept);

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    room.close();
    try {
      await usage?.stop();
      await logs.close();
      while (underWay > 0) await new Promise<void>((resolve) => idle = resolve);
      await segments.close();
      await tidying.close();
      await descriptors.close();
      await spares?.clear();
      await cache?.close();
      await usage?.close();
    } finally {
      entries.close();
      buffers.clear();
      await presence?.leave();
      end(undefined);
    }
  }

  return {
    url,
    where,
    run,
    abilities: {
      survives: durable ? "power" : "process",
      lossWindowMs: 0,
      shared: "network",
      zeroCopy: false,
      tensorBytesMax: Math.min(capacityBytes, constants.MAX_LENGTH - 4_096),
      frameBytesMax,
    },
    tensors,
    logs,
    claims,
    statistics() {
      return {
        tensors: entries.size,
        bytes: room.usedBytes,
        pooledBytes: buffers.pooledBytes,
        putBytes: tensors.putBytes,
        getBytes: tensors.getBytes,
      };
    },
    ...(presence === undefined ? {} : {
      share() {
        const shows = presence.isShown ? writer : beside?.writer;
        return sharing({ writer: shows, isNear: machine.isNear === true });
      },
    }),
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}
