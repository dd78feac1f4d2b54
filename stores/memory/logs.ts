// Append-only logs in arrays. Each entry's bytes are copied in and copied out: a log belongs to nobody's buffer.
import { cancelled, throwIfCancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import { checkName, isEpoch } from "../names.ts";
import type { Entry, Logs, Position, ReadOptions, StoreEnvironment } from "../store.ts";

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

const entriesMaxUnlessSaid = 1_024;
/** A timer of a runtime that is asked for more than 2^31 ms fires at once. */
const waitOnceMsMax = 2 ** 30;
const entryOverheadBytes = 128;
const beginning: Position = { epoch: -1, sequence: 0 };

const isAfter = (a: Position, b: Position): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);

const show = ({ epoch, sequence }: Position): string => epoch < 0 ? "the start" : `${epoch}-${sequence}`;

function checkPosition(position: Position): Position {
  const { epoch, sequence } = position;
  if (isEpoch(epoch) && isEpoch(sequence)) return { epoch, sequence };
  throw new ShoalError("BadInput", `Cannot use position ${epoch}-${sequence}: whole numbers from 0 are wanted`);
}

export function memoryLogs(options: MemoryLogsOptions): MemoryLogs {
  const { environment, frameBytesMax, logBytesMax, throwIfClosed } = options;
  const streams = new Map<string, Stream>();
  /** Who waits for a stream by its name: it may not be there yet, and waiting must not make it appear. */
  const waiting = new Map<string, Set<() => void>>();
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
      throw new ShoalError(
        "Lost",
        `Cannot read ${name} after ${show(after)}: trimmed through ${show(stream.trimmed)}`,
        // The range, for a program that wants to go on behind it.
        { cause: { after, through: stream.trimmed } },
      );
    }
    const first = indexAfter(stream, after);
    return stream.entries.slice(first, first + entriesMax).map((entry) => {
      const { epoch, sequence, frame } = entry!;
      return { epoch, sequence, frame: new Uint8Array(frame) };
    });
  }

  /** Resolves at the next append to a stream, or when the time is over. */
  function appended(name: string, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        readers.delete(end);
        if (readers.size === 0 && waiting.get(name) === readers) waiting.delete(name);
        cancelTimer();
        signal?.removeEventListener("abort", end);
        if (signal?.aborted) reject(cancelled(signal));
        else resolve();
      };
      const readers = waiting.get(name) ?? new Set();
      waiting.set(name, readers.add(end));
      const cancelTimer = environment.after(waitMs, end);
      signal?.addEventListener("abort", end);
    });
  }

  function wake(name: string): void {
    for (const end of waiting.get(name) ?? []) end();
  }

  return {
    async append(name, epoch, frames) {
      throwIfClosed();
      checkName("stream", name);
      if (!isEpoch(epoch)) throw new ShoalError("BadInput", `Cannot append to ${name}: epoch ${epoch} is not one`);
      let bytes = 0;
      for (const frame of frames) {
        if (!(frame instanceof Uint8Array)) throw new ShoalError("BadInput", `Cannot append to ${name}: not bytes`);
        if (frame.byteLength > frameBytesMax) {
          const sizes = `${frame.byteLength} of at most ${frameBytesMax} bytes`;
          throw new ShoalError("TooLarge", `Cannot append to ${name}: a frame has ${sizes}`);
        }
        bytes += frame.byteLength + entryOverheadBytes;
      }
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
      if (frames.length > 0) wake(name);
      return { epoch, sequence: stream.sequence };
    },

    async read(name, after, { entriesMax = entriesMaxUnlessSaid, waitMs = 0, signal }: ReadOptions = {}) {
      throwIfClosed();
      throwIfCancelled(signal);
      checkName("stream", name);
      if (!(entriesMax >= 1)) throw new ShoalError("BadInput", `Cannot read ${name}: entriesMax is ${entriesMax}`);
      if (!(waitMs >= 0)) throw new ShoalError("BadInput", `Cannot read ${name}: waitMs is ${waitMs}`);
      const from = after === undefined ? beginning : checkPosition(after);
      const deadline = environment.now() + waitMs;
      for (;;) {
        const found = entriesAfter(name, from, entriesMax);
        const leftMs = deadline - environment.now();
        if (found.length > 0 || leftMs <= 0) return found;
        await appended(name, Math.min(leftMs, waitOnceMsMax), signal);
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
      for (const name of waiting.keys()) wake(name);
      streams.clear();
    },
  };
}
