// Logs as Redis Streams: one writer each by epoch, any number of readers, each with a place of its own.
import { cancelled, throwIfCancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import { checkName } from "../names.ts";
import { checkAppend, checkPosition, checkRead } from "../requests.ts";
import type { Entry, Logs, Position, StoreEnvironment } from "../store.ts";
import { type Appends, appends } from "./appends.ts";
import { idAt } from "./entries.ts";
import { streamKeys } from "./heads.ts";
import type { Keys } from "./keys.ts";
import type { Names } from "./names.ts";
import { inRow, readFrom } from "./reads.ts";
import type { StreamEntry } from "./replies.ts";
import type { Servers } from "./servers.ts";
import { trim } from "./trims.ts";
import type { Waits } from "./waits.ts";

export interface RedisLogsOptions {
  readonly servers: Servers;
  readonly keys: Keys;
  readonly names: Names;
  readonly waits: Waits;
  readonly environment: StoreEnvironment;
  readonly frameBytesMax: number;
  readonly throwIfClosed: () => void;
}

export interface RedisLogs extends Logs {
  close(): void;
}

/** A timer of a runtime that is asked for more than 2^31 ms fires at once. */
const waitOnceMsMax = 2 ** 30;
const writersMax = 65_536;

export function redisLogs(options: RedisLogsOptions): RedisLogs {
  const { servers, keys, names, waits, environment, frameBytesMax, throwIfClosed } = options;
  const writers = new Map<string, Appends>();
  const ends = new Set<() => void>();
  /** Where readers were left last. */
  const followed = new Map<string, Position>();

  function writerOf(name: string): Appends {
    let known = writers.get(name);
    if (known === undefined) {
      // One that is forgotten knows no more than the server does: it looks again.
      if (writers.size >= writersMax) writers.delete(writers.keys().next().value ?? "");
      known = appends({ servers, name, keys: streamKeys(keys, name), enter: () => names.enter(name, true) });
      writers.set(name, known);
    }
    return known;
  }

  /** What comes after an id, or nothing: at the end of the time, when the signal is aborted, and at close. */
  async function next(
    name: string,
    after: string,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<StreamEntry[]> {
    const { found, cancel } = waits.arrived(name, streamKeys(keys, name).stream, after);
    const cancelTimer = environment.after(Math.min(waitMs, waitOnceMsMax), cancel);
    signal?.addEventListener("abort", cancel);
    ends.add(cancel);
    try {
      return await found;
    } finally {
      ends.delete(cancel);
      cancelTimer();
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Whoever comes back from where it was left waits at once: what is gone or opened anew meanwhile shows by a gap. */
  function isFollowed(name: string, { epoch, sequence }: Position): boolean {
    const left = followed.get(name);
    return left?.epoch === epoch && left.sequence === sequence;
  }

  function follow(name: string, entries: readonly Entry[]): readonly Entry[] {
    const last = entries.at(-1);
    if (last === undefined) return entries;
    if (followed.size >= writersMax) followed.clear();
    followed.set(name, { epoch: last.epoch, sequence: last.sequence });
    return entries;
  }

  return {
    async append(name, epoch, frames) {
      throwIfClosed();
      checkAppend(name, epoch, frames, frameBytesMax);
      return await writerOf(name).append(epoch, frames);
    },

    async read(name, after, { signal, ...rest } = {}) {
      throwIfClosed();
      throwIfCancelled(signal);
      const { from, entriesMax, waitMs } = checkRead(name, after, rest);
      const deadline = environment.now() + waitMs;
      let known = waitMs > 0 && isFollowed(name, from) ? idAt(from) : undefined;
      for (;;) {
        if (known === undefined) {
          const { entries, reached } = await readFrom(servers, streamKeys(keys, name), name, from, entriesMax);
          throwIfClosed();
          if (signal?.aborted) throw cancelled(signal);
          if (entries.length > 0 || deadline <= environment.now()) return follow(name, entries);
          known = reached;
        }
        const arrived = await next(name, known, Math.max(0, deadline - environment.now()), signal);
        throwIfClosed();
        if (signal?.aborted) throw cancelled(signal);
        const direct = straight(name, from, arrived, entriesMax);
        if (direct.length > 0) return follow(name, direct);
        known = undefined;
      }
    },

    async trim(name, through) {
      throwIfClosed();
      checkName("stream", name);
      await trim(servers, streamKeys(keys, name), name, checkPosition(through));
    },

    async streams(prefix) {
      throwIfClosed();
      return await names.list(prefix);
    },

    close() {
      for (const end of ends) end();
    },
  };
}

/** What has come, if it goes on in the epoch that is read: then nothing can have been trimmed in between. */
function straight(name: string, from: { epoch: number; sequence: number }, found: StreamEntry[], max: number): Entry[] {
  if (found.length === 0 || found.some(({ major }) => major !== from.epoch + 1)) return [];
  try {
    return inRow(name, from, found, max);
  } catch (error) {
    // Looking again tells why.
    if (error instanceof ShoalError) return [];
    throw error;
  }
}
