// Logs and claims of a simulated server: arrays and a map, and for each change how it is taken back. What a power cut
// takes is the end of what was done, as far back as the server declares.
import { cancelled, throwIfCancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import { checkName, isEpoch } from "../names.ts";
import type { Claimed, Claims, Entry, Logs, Position, ReadOptions, StoreEnvironment } from "../store.ts";

export interface KeptOptions {
  readonly environment: Pick<StoreEnvironment, "now" | "after">;
  readonly frameBytesMax: number;
  readonly logBytesMax: number;
  /** Told of each change as it is made: calling `undo` takes it back, if all later ones were. */
  readonly done: (undo: () => void) => void;
}

export interface Kept {
  readonly logs: Logs;
  readonly claims: Claims;
  /** Forgets everything, and wakes whoever waits. */
  clear(): void;
  /** Wakes whoever waits: what they see may have changed. */
  wake(): void;
}

interface Stream {
  epoch: number;
  sequence: number;
  entries: Entry[];
  trimmed: Position | undefined;
}

const entriesMaxUnlessSaid = 1_024;
const valueCharactersMax = 65_536;
const entryOverheadBytes = 128;
const beginning: Position = { epoch: -1, sequence: 0 };

const isAfter = (a: Position, b: Position): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);

const bad = (what: string): ShoalError => new ShoalError("BadInput", what);

function checkPosition({ epoch, sequence }: Position): Position {
  if (isEpoch(epoch) && isEpoch(sequence)) return { epoch, sequence };
  throw bad(`Cannot use position ${epoch}-${sequence}: whole numbers from 0 are wanted`);
}

export function kept({ environment, frameBytesMax, logBytesMax, done }: KeptOptions): Kept {
  const streams = new Map<string, Stream>();
  const claimed = new Map<string, Claimed>();
  const waiting = new Map<string, Set<() => void>>();
  let heldBytes = 0;

  const weight = (frames: readonly Uint8Array[]): number =>
    frames.reduce((sum, frame) => sum + frame.byteLength + entryOverheadBytes, 0);

  function check(name: string, epoch: number, frames: readonly Uint8Array[]): void {
    checkName("stream", name);
    if (!isEpoch(epoch)) throw bad(`Cannot append to ${name}: epoch ${epoch} is not one`);
    for (const frame of frames) {
      if (!(frame instanceof Uint8Array)) throw bad(`Cannot append to ${name}: not bytes`);
      if (frame.byteLength <= frameBytesMax) continue;
      const sizes = `${frame.byteLength} of at most ${frameBytesMax} bytes`;
      throw new ShoalError("TooLarge", `Cannot append to ${name}: a frame has ${sizes}`);
    }
  }

  function found(name: string, after: Position, entriesMax: number): Entry[] {
    const stream = streams.get(name);
    if (stream === undefined) return [];
    const { trimmed, entries } = stream;
    if (trimmed !== undefined && isAfter(trimmed, after)) {
      const why = `trimmed through ${trimmed.epoch}-${trimmed.sequence}`;
      throw new ShoalError("Lost", `Cannot read ${name}: ${why}`, { cause: { after, through: trimmed } });
    }
    let first = entries.length;
    while (first > 0 && isAfter(entries[first - 1]!, after)) first--;
    return entries.slice(first, first + entriesMax).map((entry) => ({ ...entry, frame: entry.frame.slice() }));
  }

  function appended(name: string, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        readers.delete(end);
        cancelTimer();
        signal?.removeEventListener("abort", end);
        if (signal?.aborted) reject(cancelled(signal));
        else resolve();
      };
      const readers = waiting.get(name) ?? new Set();
      waiting.set(name, readers.add(end));
      const cancelTimer = environment.after(Math.min(waitMs, 2 ** 30), end);
      signal?.addEventListener("abort", end);
    });
  }

  function wake(name?: string): void {
    for (const [of, readers] of waiting) {
      if (name !== undefined && name !== of) continue;
      for (const end of readers) end();
      if (readers.size === 0) waiting.delete(of);
    }
  }

  const logs: Logs = {
    async append(name, epoch, frames) {
      check(name, epoch, frames);
      const before = streams.get(name);
      if (epoch < (before?.epoch ?? -1)) {
        throw new ShoalError("Fenced", `Cannot append to ${name} in epoch ${epoch}: epoch ${before!.epoch} is open`);
      }
      const bytes = weight(frames);
      if (heldBytes + bytes > logBytesMax) {
        const held = `logs hold ${heldBytes} of ${logBytesMax} bytes`;
        throw new ShoalError("CapacityExceeded", `Cannot append ${bytes} bytes to ${name}: ${held}`);
      }
      const stream = before ?? { epoch: -1, sequence: 0, entries: [], trimmed: undefined };
      streams.set(name, stream);
      const was = { epoch: stream.epoch, sequence: stream.sequence };
      if (epoch > stream.epoch) [stream.epoch, stream.sequence] = [epoch, 0];
      for (const frame of frames) stream.entries.push({ epoch, sequence: ++stream.sequence, frame: frame.slice() });
      heldBytes += bytes;
      done(() => {
        if (before === undefined) streams.delete(name);
        // What was trimmed since is gone either way.
        const lost = stream.entries.filter((entry) => isAfter(entry, was));
        stream.entries = stream.entries.filter((entry) => !isAfter(entry, was));
        heldBytes -= weight(lost.map(({ frame }) => frame));
        if (stream.trimmed !== undefined && isAfter(stream.trimmed, was)) stream.trimmed = was;
        Object.assign(stream, was);
      });
      if (frames.length > 0) wake(name);
      return { epoch, sequence: stream.sequence };
    },

    async read(name, after, { entriesMax = entriesMaxUnlessSaid, waitMs = 0, signal }: ReadOptions = {}) {
      throwIfCancelled(signal);
      checkName("stream", name);
      if (!(entriesMax >= 1)) throw bad(`Cannot read ${name}: entriesMax is ${entriesMax}`);
      if (!(waitMs >= 0)) throw bad(`Cannot read ${name}: waitMs is ${waitMs}`);
      const from = after === undefined ? beginning : checkPosition(after);
      const deadline = environment.now() + waitMs;
      for (;;) {
        const entries = found(name, from, entriesMax);
        const leftMs = deadline - environment.now();
        if (entries.length > 0 || leftMs <= 0) return entries;
        await appended(name, leftMs, signal);
      }
    },

    async trim(name, through) {
      checkName("stream", name);
      const position = checkPosition(through);
      const stream = streams.get(name);
      if (stream === undefined) return;
      const gone = stream.entries.filter((entry) => !isAfter(entry, position));
      const last = gone.at(-1);
      if (last === undefined) return;
      stream.trimmed = { epoch: last.epoch, sequence: last.sequence };
      stream.entries = stream.entries.filter((entry) => isAfter(entry, position));
      heldBytes -= weight(gone.map(({ frame }) => frame));
    },

    streams: async (prefix) => [...streams.keys()].filter((name) => name.startsWith(prefix)).sort(),
  };

  const claims: Claims = {
    async claim(name, epoch, value) {
      checkName("claim", name);
      if (!isEpoch(epoch)) throw bad(`Cannot claim ${name}: epoch ${epoch} is not one`);
      if (typeof value !== "string") throw bad(`Cannot claim ${name}: its value is no text`);
      if (value.length > valueCharactersMax) {
        throw new ShoalError("TooLarge", `Cannot claim ${name}: its value has ${value.length} characters`);
      }
      const standing = claimed.get(name);
      if (standing !== undefined && epoch <= standing.epoch) {
        return { held: standing.epoch === epoch && standing.value === value, ...standing };
      }
      claimed.set(name, { epoch, value });
      done(() => {
        if (standing === undefined) claimed.delete(name);
        else claimed.set(name, standing);
      });
      return { held: true, epoch, value };
    },
    async claimed(name) {
      checkName("claim", name);
      const standing = claimed.get(name);
      return standing === undefined ? undefined : { ...standing };
    },
    claims: async (prefix) => [...claimed.keys()].filter((name) => name.startsWith(prefix)).sort(),
  };

  return {
    logs,
    claims,
    wake: () => wake(),
    clear() {
      streams.clear();
      claimed.clear();
      heldBytes = 0;
      wake();
    },
  };
}
