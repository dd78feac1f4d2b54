// Append-only logs in arrays. Each entry's bytes are copied in and copied out: a log belongs to nobody's buffer.
import { throwIfCancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import { checkName } from "../names.ts";
import { checkAppend, checkPosition, checkRead, isAfter, lost } from "../requests.ts";
import type { Entry, Logs, Position, StoreEnvironment } from "../store.ts";
import { waiting as storeWaiting } from "../waiting.ts";

export interface MemoryLogsOptions {
  readonly environment: StoreEnvironment;
  readonly frameBytesMax: number;
  /** What all streams may hold together, overhead included. */
  readonly logBytesMax: number;
  readonly throwIfClosed: () => void;
}

export interface MemoryLogs extends Logs {
  /** Ends all waits. */
  close(): void;
}

interface Stream {
  epoch: number;
  sequence: number;
  /** By position. Those before `start` were trimmed, and are cut off when they are the greater part. */
  entries: (Entry | undefined)[];
  start: number;
  /** Where the last entry stood that was trimmed. */
  trimmed: Position | undefined;
}

const entryOverheadBytes = 128;
export function memoryLogs(options: MemoryLogsOptions): MemoryLogs {
  const { environment, frameBytesMax, logBytesMax, throwIfClosed } = options;
  const streams = new Map<string, Stream>();
  const waiting = storeWaiting(environment);
  let heldBytes = 0;

  function streamOf(name: string): Stream {
    let stream = streams.get(name);
    if (stream === undefined) {
      stream = { epoch: -1, sequence: 0, entries: [], start: 0, trimmed: undefined };
      streams.set(name, stream);
    }
    return stream;
  }

  /** Where the first entry after a position stands, or would stand. */
  function indexAfter(stream: Stream, position: Position): number {
    let low = stream.start;
    let high = stream.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAfter(stream.entries[middle]!, position)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  function entriesAfter(name: string, after: Position, entriesMax: number): Entry[] {
    const stream = streams.get(name);
    if (stream === undefined) return [];
    if (stream.trimmed !== undefined && isAfter(stream.trimmed, after)) {
      throw lost(name, after, stream.trimmed);
    }
    const first = indexAfter(stream, after);
    return stream.entries.slice(first, first + entriesMax).map((entry) => {
      const { epoch, sequence, frame } = entry!;
      return { epoch, sequence, frame: new Uint8Array(frame) };
    });
  }

  return {
    async append(name, epoch, frames) {
      throwIfClosed();
      checkAppend(name, epoch, frames, frameBytesMax);
      const bytes = frames.reduce((sum, frame) => sum + frame.byteLength + entryOverheadBytes, 0);
      const standing = streams.get(name)?.epoch ?? -1;
      if (epoch < standing) {
        throw new ShoalError("Fenced", `Cannot append to ${name} in epoch ${epoch}: epoch ${standing} is open`);
      }
      if (heldBytes + bytes > logBytesMax) {
        const held = `logs hold ${heldBytes} of ${logBytesMax} bytes`;
        throw new ShoalError("CapacityExceeded", `Cannot append ${bytes} bytes to ${name}: ${held}`);
      }
      const stream = streamOf(name);
      if (epoch > stream.epoch) [stream.epoch, stream.sequence] = [epoch, 0];
      for (const frame of frames) {
        stream.sequence += 1;
        stream.entries.push({ epoch, sequence: stream.sequence, frame: new Uint8Array(frame) });
      }
      heldBytes += bytes;
      if (frames.length > 0) waiting.wake(name);
      return { epoch, sequence: stream.sequence };
    },

    async read(name, after, options = {}) {
      const { signal } = options;
      throwIfClosed();
      throwIfCancelled(signal);
      const { from, entriesMax, waitMs } = checkRead(name, after, options);
      const deadline = environment.now() + waitMs;
      for (;;) {
        const found = entriesAfter(name, from, entriesMax);
        const leftMs = deadline - environment.now();
        if (found.length > 0 || leftMs <= 0) return found;
        await waiting.appended(name, leftMs, signal);
        throwIfClosed();
        throwIfCancelled(signal);
      }
    },

    async trim(name, through) {
      throwIfClosed();
      checkName("stream", name);
      const position = checkPosition(through);
      const stream = streams.get(name);
      if (stream === undefined) return;
      const end = indexAfter(stream, position);
      for (let index = stream.start; index < end; index++) {
        const { epoch, sequence, frame } = stream.entries[index]!;
        heldBytes -= frame.byteLength + entryOverheadBytes;
        stream.trimmed = { epoch, sequence };
        stream.entries[index] = undefined;
      }
      stream.start = end;
      if (stream.start * 2 <= stream.entries.length) return;
      stream.entries = stream.entries.slice(stream.start);
      stream.start = 0;
    },

    async streams(prefix) {
      throwIfClosed();
      return [...streams.keys()].filter((name) => name.startsWith(prefix)).sort();
    },

    close() {
      waiting.wakeAll();
      streams.clear();
    },
  };
}
