// `file:`: tensors, logs and claims in a folder of any POSIX file system, Lustre among them. Whoever opens the same
// URL and run, from whatever process or node, has the same store; file/layout.ts says where everything lies.
import { constants } from "node:buffer";
import { fileURLToPath } from "node:url";
import { ShoalError } from "./error.ts";
import { bodies as fileBodies } from "./file/bodies.ts";
import { buffers as fileBuffers } from "./file/buffers.ts";
import { fileClaims } from "./file/claims.ts";
import type { Disk } from "./file/disk.ts";
import { entries as fileEntries } from "./file/entries.ts";
import { layout as fileLayout, placeOf } from "./file/layout.ts";
import { listed } from "./file/listed.ts";
import { fileLogs } from "./file/logs.ts";
import { posixDisk } from "./file/posix.ts";
import { segments as fileSegments } from "./file/segments.ts";
import { fileTensors } from "./file/tensors.ts";
import { troubleOf } from "./file/trouble.ts";
import { wholes as fileWholes } from "./file/whole.ts";
import { room as memoryRoom } from "./memory/room.ts";
import type { OpenOptions, Store, StoreEnvironment, TensorRef } from "./store.ts";
import { msOption, readOptions, sizeOption, type StoreUrl, wordOption } from "./url.ts";

export interface FileOptions {
  /** An absolute path. */
  readonly root: string;
  readonly run: string;
  readonly environment: StoreEnvironment;
  readonly strict?: boolean;
  /** `always`: what a call has answered, a power cut does not take back. `never` unless set: the system decides when. */
  readonly fsync?: "always" | "never";
  /** What the tensors of this opening may take together. Without a limit, but for the disk's own, unless set. */
  readonly capacityBytes?: number;
  readonly full?: "wait" | "reject";
  readonly waitMs?: number;
  readonly graceMs?: number;
  /** What views that are done leave for the next ones. 256 MiB unless set. */
  readonly poolBytesMax?: number;
  /** How often a reader that waits looks for more, at first and at last. 5 ms to 1 s unless set. */
  readonly pollMs?: { readonly min: number; readonly max: number };
  readonly url?: string;
  /** The machine's own unless set. */
  readonly disk?: Disk;
}

const frameBytesMax = 16 * 2 ** 20;

const urlOptions = {
  fsync: wordOption("always", "never"),
  capacity: sizeOption,
  full: wordOption("wait", "reject"),
  waitMs: msOption,
  graceMs: msOption,
  pool: sizeOption,
};

/** Opens the store of a `file:` URL. */
export async function openFile(url: StoreUrl, { run, environment, strict }: OpenOptions): Promise<Store> {
  const { capacity, pool, ...rest } = readOptions(url, urlOptions);
  return await fileStore({
    root: rootOf(url.address),
    run,
    environment,
    strict,
    url: url.redacted,
    ...rest,
    ...(capacity === undefined ? {} : { capacityBytes: capacity }),
    ...(pool === undefined ? {} : { poolBytesMax: pool }),
  });
}

function rootOf(address: string): string {
  try {
    if (!/^\/\/\/[^/]/.test(address)) throw new Error("no absolute path");
    return fileURLToPath(`file:${address}`).replace(/\/+$/, "");
  } catch (cause) {
    throw new ShoalError("BadInput", "Cannot open store: file: wants an absolute path, as in file:///scratch/run42", {
      cause,
    });
  }
}

/** A store in a folder, which it makes where there is none. */
export async function fileStore(options: FileOptions): Promise<Store> {
  const { root, run, environment, strict = false, fsync = "never", disk = posixDisk } = options;
  const { capacityBytes = Number.MAX_SAFE_INTEGER, full = "wait", waitMs = 30_000, graceMs = 1_000 } = options;
  const { poolBytesMax = 2 ** 28, url = `file://${root}`, pollMs = { min: 5, max: 1_000 } } = options;
  const where = `file://${root}`;
  const durable = fsync === "always";
  const writer = environment.token();
  const layout = fileLayout(root, run);
  const wholes = fileWholes(disk, durable, writer);
  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);

  try {
    if (!await disk.exists(layout.run)) await wholes.makeFolder(layout.run);
  } catch (error) {
    throw troubleOf(error, `open store ${url}`);
  }

  function throwIfClosed(): void {
    if (isClosed) throw new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`);
  }

  const underWay = new Set<Promise<unknown>>();
  function track<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(() => {}, () => {}).then(() => void underWay.delete(settled));
    underWay.add(settled);
    return work;
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

  const buffers = fileBuffers(poolBytesMax, strict);
  const room = memoryRoom({ capacityBytes, full, waitMs, environment });
  const segments = fileSegments({ disk, wholes, layout, writer, durable });
  const bodies = fileBodies({ disk, wholes, layout, writer, durable, buffers });
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
  const shared = { run, where, bodies, segments, entries, buffers, room, strict, throwIfClosed, track, erase };
  const tensors = fileTensors({ ...shared, listed: () => listed(disk, layout, run) });
  const logs = fileLogs({ disk, wholes, layout, writer, durable, environment, pollMs, frameBytesMax, throwIfClosed });
  const claims = fileClaims({ disk, wholes, layout, throwIfClosed });

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    room.close();
    try {
      await logs.close();
      while (underWay.size > 0) await Promise.all(underWay);
      await segments.close();
    } finally {
      entries.close();
      buffers.clear();
      end(undefined);
    }
  }

  return {
    url,
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
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}
