// `memory:`: tensors in pooled shared memory, logs in arrays, claims in a map. Each open is a store of its own, of the
// same run or not, and its end is the end of all it held; other threads take part in it over a port that it gives them.
import { constants } from "node:buffer";
import { totalmem } from "node:os";
import { ShoalError } from "./error.ts";
import { memoryClaims } from "./memory/claims.ts";
import { guestStore } from "./memory/guest.ts";
import { home as memoryHome } from "./memory/home.ts";
import { memoryLogs } from "./memory/logs.ts";
import { member } from "./memory/member.ts";
import { closed, joined, newGround } from "./memory/words.ts";
import type { Abilities, OpenOptions, Store, StoreEnvironment } from "./store.ts";
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
export function openMemory(url: StoreUrl, { run, environment, strict, home }: OpenOptions): Store | Promise<Store> {
  if (url.address !== "") {
    throw new ShoalError("BadInput", unknown("address of memory:", url.address, ["memory:?capacity=4GB"]));
  }
  const { capacity, logs, ...rest } = readOptions(url, urlOptions);
  if (home !== undefined) return guestStore(home, environment, abilitiesOf);
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

const abilitiesOf = (capacityBytes: number): Abilities => ({
  survives: "nothing",
  lossWindowMs: 0,
  shared: "threads",
  zeroCopy: true,
  tensorBytesMax: Math.min(capacityBytes, constants.MAX_LENGTH),
  frameBytesMax,
});

/** A store in this process's memory. */
export function memoryStore(options: MemoryOptions): Store {
  const { run, environment, strict = false, verify = "entry" } = options;
  const { capacityBytes = Math.floor(totalmem() / 2), full = "wait", waitMs = 30_000 } = options;
  const { logBytesMax = 2 ** 30, url = "memory:" } = options;
  const graceMs = Math.max(1, options.graceMs ?? 1_000);
  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);
  const ground = newGround();
  const [prefix, secret] = [environment.token(), environment.token()];
  const settings = { run, url, prefix, secret, strict, verify, capacityBytes, full, waitMs, graceMs };
  // What it has of slabs, it has from those who told it: there is nobody else to ask.
  const self = member({
    ground,
    settings,
    thread: 0,
    environment,
    fetch: () => Promise.resolve(),
    dropped: () => home.dropped(),
  });
  Atomics.store(self.words.control, joined, 1);
  const { throwIfClosed } = self;
  const logs = memoryLogs({ environment, frameBytesMax, logBytesMax, throwIfClosed });
  const claims = memoryClaims(throwIfClosed);
  const home = memoryHome({ ground, settings, member: self, logs, claims });

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    Atomics.store(self.words.control, closed, 1);
    home.close();
    self.room.close();
    logs.close();
    const [found] = self.entries.close();
    self.pool.clear();
    end(found);
    // Nothing else would tell of a write that was found by a timer, or only now.
    if (found !== undefined) throw found;
  }

  return {
    url,
    where: "memory:",
    run,
    abilities: abilitiesOf(capacityBytes),
    tensors: self.tensors,
    logs,
    claims,
    statistics: self.statistics,
    ended,
    share: home.share,
    close,
    [Symbol.asyncDispose]: close,
  };
}
