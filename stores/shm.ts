// `shm:`: tensors for the processes of one host. Each opening owns an arena in shared memory that it alone allocates
// in; all others of the same URL and run read there, without a copy where memory can be mapped. Logs and claims are
// those of `file:`, in the same place. shm/place.ts says where everything lies.
import { constants } from "node:buffer";
import { existsSync, statfsSync } from "node:fs";
import { resolve } from "node:path";
import { ShoalError } from "./error.ts";
import { buffers as fileBuffers } from "./copied/buffers.ts";
import { fileClaims } from "./file/claims.ts";
import { layout as fileLayout } from "./file/layout.ts";
import type { Disk } from "./file/disk.ts";
import { fileLogs } from "./file/logs.ts";
import { posixDiskNow } from "./file/posix.ts";
import { troubleOf } from "./file/trouble.ts";
import { wholes as fileWholes } from "./file/whole.ts";
import { room as boundedRoom } from "./room.ts";
import { type Admission, admission as shmAdmission } from "./shm/admission.ts";
import { type Arena, dataWindows } from "./shm/arena.ts";
import type { Entry } from "./shm/entry.ts";
import { guests as shmGuests } from "./shm/guests.ts";
import { listed } from "./shm/listed.ts";
import { loadNative, type Native } from "./shm/native.ts";
import { openArenaOf, takeOver } from "./shm/opening.ts";
import { owned as shmOwned } from "./shm/owned.ts";
import { foldersOf, ownFolder, removeArena } from "./shm/place.ts";
import { roster as shmRoster } from "./shm/roster.ts";
import { sharing, writerOf } from "./shm/sharing.ts";
import { space as shmSpace } from "./shm/space.ts";
import { lenient, strict as shmStrict } from "./shm/strict.ts";
import { sweepOrphans } from "./shm/sweep.ts";
import { memoryOf, shmTensors } from "./shm/tensors.ts";
import { trimming as shmTrimming } from "./shm/trimming.ts";
import type { OpenOptions, Store, StoreEnvironment } from "./store.ts";
import { endedName, hasEnded } from "./sweep/ended.ts";
import { msOption, type Read, readOptions, sizeOption, type StoreUrl, unknown, wordOption } from "./url.ts";

export interface ShmOptions {
  readonly run: string;
  readonly environment: StoreEnvironment;
  /** A folder of memory. `/dev/shm` unless set. */
  readonly dir?: string;
  readonly strict?: boolean;
  /** What the tensors of all openings of the run may take here, drafts included. Most of the file system unless set. */
  readonly capacityBytes?: number;
  /** What becomes of an allocation beyond the capacity, or beyond what the file system has. `wait` unless set. */
  readonly full?: "wait" | "reject";
  readonly waitMs?: number;
  readonly graceMs?: number;
  /** What stays at hand of memory that is free, until another needs it; more goes in time. 64 MiB unless set. */
  readonly poolBytesMax?: number;
  /** `always` sums a tensor's bytes on every get. `entry` unless set: memory is not read to prove that it is memory. */
  readonly verify?: "entry" | "always";
  /** Whether memory is mapped, where it can be. `auto` unless set; `never` reads and writes the same files by calls. */
  readonly map?: "auto" | "never";
  readonly url?: string;
  /** Nobody else's, 16 hex digits. */
  readonly writer?: string;
  /** What takes memory, and where logs and claims stand: the machine's own unless said. */
  readonly native?: Native;
  readonly disk?: Disk;
}

const frameBytesMax = 16 * 2 ** 20;
/** What every runtime that may meet here can show in one array. */
const arrayBytesMax = Math.min(2 ** 32, constants.MAX_LENGTH);
const dirUnlessSaid = "/dev/shm";
const pollMs = { min: 2, max: 200 } as const;
/** Without mapped memory: what views that are done leave for the next ones. */
const viewsBytesMax = 2 ** 28;

const urlOptions = {
  dir: (text: string): string => text,
  capacity: sizeOption,
  full: wordOption("wait", "reject"),
  waitMs: msOption,
  graceMs: msOption,
  pool: sizeOption,
  verify: wordOption("entry", "always"),
  map: wordOption("auto", "never"),
};

function optionsOf(url: StoreUrl): Read<typeof urlOptions> {
  if (url.address === "") return readOptions(url, urlOptions);
  throw new ShoalError("BadInput", unknown("address of shm:", url.address, ["shm:?dir=/dev/shm"]));
}

/** The user's own folder in the memory that a `shm:` URL names. */
export const shmRootOf = (url: StoreUrl): string => shmRoot(optionsOf(url).dir);

/** Opens the store of a `shm:` URL. */
export async function openShm(url: StoreUrl, { run, environment, strict, home }: OpenOptions): Promise<Store> {
  const { capacity, pool, ...rest } = optionsOf(url);
  return await shmStore({
    run,
    environment,
    strict,
    url: url.redacted,
    ...(home === undefined ? {} : { writer: writerOf(home) }),
    ...rest,
    ...(capacity === undefined ? {} : { capacityBytes: capacity }),
    ...(pool === undefined ? {} : { poolBytesMax: pool }),
  });
}

/** The folder of a user's own below a directory of memory. Throws BadInput or Unauthorized where it cannot be used. */
export function shmRoot(dir: string = dirUnlessSaid): string {
  try {
    return ownFolder(resolve(dir));
  } catch (error) {
    throw troubleOf(error, `open store in ${dir}`);
  }
}

/** What memory of the file system there is for the tensors of a run, unless somebody says. */
function mostOf(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return Math.max(1, Math.floor((blocks * bsize) * 0.75));
}

/** A store in a folder of shared memory. */
export async function shmStore(options: ShmOptions): Promise<Store> {
  const { run, environment, dir = dirUnlessSaid, strict = false, full = "wait", waitMs = 30_000 } = options;
  const { verify = "entry", map = "auto", graceMs = 1_000, poolBytesMax = 2 ** 26 } = options;
  const where = dir === dirUnlessSaid ? "shm:" : `shm:?dir=${encodeURIComponent(resolve(dir))}`;
  const { url = where, writer = environment.token() } = options;
  const root = shmRoot(dir);
  const { capacityBytes = mostOf(root) } = options;
  const folders = foldersOf(root, run);
  const native = map === "auto" ? options.native ?? await loadNative() : undefined;
  const disk = options.disk ?? posixDiskNow(root);
  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);

  function throwIfClosed(): void {
    if (isClosed) throw new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`);
  }

  const { arena, usage } = openArenaOf(folders, writer, capacityBytes, native, url);
  const readers = shmRoster(arena, undefined);
  const guarded = strict && native !== undefined ? shmStrict(arena.data) : lenient;
  const space = shmSpace({
    bytes: arena.dataBytes,
    windows: native === undefined ? undefined : dataWindows,
    reserve(from, to) {
      arena.data.reserve(from, to);
      guarded.onReserve(from, to);
    },
    yield(from, to) {
      guarded.onYield(from, to);
      arena.data.yield(from, to);
    },
    yields: native === undefined ? "at the end" : "anywhere",
  });
  const trimming = shmTrimming({ arena, space, environment, keepBytes: poolBytesMax });
  const room = boundedRoom({ capacityBytes, full, waitMs, environment });
  const sums = strict || verify === "always";
  // What others keep is looked for by who lets tensors in, and he comes after them.
  let admission: Admission | undefined = undefined;
  const watch = (): void => admission?.watch();
  const owned = shmOwned({
    run,
    arena,
    roster: readers,
    space,
    leave(bytes) {
      usage.leave(bytes);
      room.leave(bytes);
    },
    environment,
    sums,
    graceMs: Math.max(1, graceMs),
    onTake: guarded.onTake,
    onGive: guarded.onGive,
    onFreed: trimming.freed,
    bytesOf: (entry) => bytesOf(arena, entry),
    onKept: watch,
  });
  const guests = shmGuests({ folders, opening: writer, native, strict, environment });
  const tensorBytesMax = Math.min(capacityBytes, arrayBytesMax);
  const bounds = { capacityBytes, tensorBytesMax, full, waitMs, environment, folder: dir, throwIfClosed };
  const askOthers = (): void => guests.askAll(writer);
  const admitting = shmAdmission({ owned, room, usage, ...bounds, askOthers, lookAround: trimming.look });
  admission = admitting;
  const buffers = fileBuffers(viewsBytesMax, strict, () => {});
  const tensors = shmTensors({
    run,
    where,
    arena,
    owned,
    guests,
    admission: admitting,
    buffers,
    tensorBytesMax: arrayBytesMax,
    strict,
    verifyAlways: verify === "always",
    throwIfClosed,
    listed: () => listed(folders, guests, writer, run),
  });
  const layout = fileLayout(root, run);
  const wholes = fileWholes(disk, false, writer);
  const filed = { disk, wholes, layout, throwIfClosed };
  const logs = fileLogs({ ...filed, writer, durable: false, environment, pollMs, frameBytesMax });
  const claims = fileClaims(filed);

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    room.close();
    admitting.close();
    trimming.close();
    await logs.close();
    // Said by whoever ended it: then what it holds goes with the last who has it open.
    const isOver = existsSync(layout.claim(endedName)) &&
      await hasEnded(fileClaims({ ...filed, throwIfClosed() {} })).catch(() => false);
    owned.look(true);
    const isEmpty = owned.isEmpty && !readers.isUsed();
    const [found] = [...owned.close(), ...guarded.close()];
    guests.close();
    buffers.clear();
    readers.close();
    usage.close();
    arena.closeOwner();
    if (isEmpty) arena.ended = true;
    arena.close();
    try {
      if (isEmpty) removeArena(folders, writer);
      sweepOrphans(folders, writer);
      if (isOver) takeOver(folders, run, writer);
    } catch {
      // What is left behind, the next who comes or sweeps takes away.
    }
    end(found);
    // Nothing else would tell of a write that was found by a timer, or only now.
    if (found !== undefined) throw found;
  }

  return {
    url,
    where,
    run,
    abilities: {
      survives: "process",
      lossWindowMs: 0,
      shared: "host",
      zeroCopy: native !== undefined,
      tensorBytesMax,
      frameBytesMax,
    },
    tensors,
    logs,
    claims,
    statistics() {
      const bytes = room.usedBytes;
      return {
        tensors: owned.size,
        bytes,
        pooledBytes: Math.max(0, space.reservedBytes - bytes),
        putBytes: tensors.putBytes,
        getBytes: tensors.getBytes,
      };
    },
    share: () => sharing(folders, environment.token()),
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The bytes of an own tensor, to be summed up. */
function bytesOf(arena: Arena, entry: Entry): Uint8Array {
  const memory = memoryOf(arena, entry);
  if (memory !== undefined) return new Uint8Array(memory.buffer, memory.offset, entry.bytes);
  const bytes = new Uint8Array(entry.bytes);
  if (entry.chunk !== undefined) arena.data.read(entry.chunk.offset, bytes);
  return bytes;
}
