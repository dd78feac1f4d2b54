// `memory:`: tensors in pooled shared memory, logs in arrays, claims in a map. For one thread: each open is a store of
// its own, of the same run or not, and its end is the end of all it held.
import { constants } from "node:buffer";
import { totalmem } from "node:os";
import { ShoalError } from "./error.ts";
import { memoryClaims } from "./memory/claims.ts";
import { entries as memoryEntries } from "./memory/entries.ts";
import { memoryLogs } from "./memory/logs.ts";
import { room as memoryRoom } from "./memory/room.ts";
import { memoryTensors } from "./memory/tensors.ts";
import { slabs as memorySlabs } from "./slabs.ts";
import type { OpenOptions, Store, StoreEnvironment } from "./store.ts";
import { msOption, readOptions, sizeOption, type StoreUrl, unknown, wordOption } from "./url.ts";

export interface MemoryOptions {
  readonly run: string;
  readonly environment: StoreEnvironment;
  /** Fill released slots with a pattern, and sum again when a view or a tensor ends. Off unless set. */
  readonly strict?: boolean;
  /** What tensors may take together, drafts included. Half of the machine's memory unless set. */
  readonly capacityBytes?: number;
  /** What becomes of an allocation beyond the capacity. `wait` unless set. */
  readonly full?: "wait" | "reject";
  /** How long it waits before it is `CapacityExceeded`. 30 s unless set. */
  readonly waitMs?: number;
  /** How long after its lease a tensor may still take room. 1 s unless set. */
  readonly graceMs?: number;
  /** `always` sums a tensor's bytes on every get. `entry` unless set: memory is not read to prove that it is memory. */
  readonly verify?: "entry" | "always";
  /** What all logs may hold together. 1 GiB unless set. */
  readonly logBytesMax?: number;
  /** Without secrets. `memory:` unless set. */
  readonly url?: string;
}

const frameBytesMax = 16 * 2 ** 20;
const where = "memory:";

/** The options that a URL may give, and how each is read. */
const urlOptions = {
  capacity: sizeOption,
  full: wordOption("wait", "reject"),
  waitMs: msOption,
  graceMs: msOption,
  verify: wordOption("entry", "always"),
  logs: sizeOption,
};

/** Opens the store of a `memory:` URL. */
export function openMemory(url: StoreUrl, { run, environment, strict }: OpenOptions): Store {
  if (url.address !== "") {
    throw new ShoalError("BadInput", unknown("address of memory:", url.address, ["memory:?capacity=4GB"]));
  }
  const { capacity, logs, ...rest } = readOptions(url, urlOptions);
  return memoryStore({
    run,
    environment,
    strict,
    url: url.redacted,
    ...rest,
    ...(capacity === undefined ? {} : { capacityBytes: capacity }),
    ...(logs === undefined ? {} : { logBytesMax: logs }),
  });
}

/** A store in this thread's memory. */
export function memoryStore(options: MemoryOptions): Store {
  const { run, environment, strict = false, verify = "entry" } = options;
  const { capacityBytes = Math.floor(totalmem() / 2), full = "wait", waitMs = 30_000, graceMs = 1_000 } = options;
  const { logBytesMax = 2 ** 30, url = where } = options;
  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);

  function throwIfClosed(): void {
    if (isClosed) throw new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`);
  }

  const slabs = memorySlabs(capacityBytes);
  const room = memoryRoom({ capacityBytes, full, waitMs, environment });
  const sums = strict || verify === "always";
  const entries = memoryEntries({ run, environment, slabs, room, strict, sums, graceMs: Math.max(1, graceMs) });
  const verifyAlways = verify === "always";
  const tensors = memoryTensors({ run, where, entries, room, strict, verifyAlways, throwIfClosed });
  const logs = memoryLogs({ environment, frameBytesMax, logBytesMax, throwIfClosed });
  const claims = memoryClaims(throwIfClosed);

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    room.close();
    logs.close();
    const [found] = entries.close();
    slabs.clear();
    end(found);
    // Nothing else would tell of a write that was found by a timer, or only now.
    if (found !== undefined) throw found;
  }

  return {
    url,
    run,
    abilities: {
      survives: "nothing",
      lossWindowMs: 0,
      shared: "thread",
      zeroCopy: true,
      tensorBytesMax: Math.min(capacityBytes, constants.MAX_LENGTH),
      frameBytesMax,
    },
    tensors,
    logs,
    claims,
    statistics() {
      const bytes = room.usedBytes;
      return {
        tensors: entries.size,
        bytes,
        pooledBytes: Math.max(0, slabs.heldBytes - bytes),
        putBytes: tensors.putBytes,
        getBytes: tensors.getBytes,
      };
    },
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}
