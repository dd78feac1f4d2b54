// One node's side of the log that leads to it from another: follows it from where it begins, often while there is mail
// to be expected, and seldom while there is none.

import { isShoalError } from "../../stores/error.ts";
import type { Entry, Logs, Position } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { type Bundle, unbundling } from "./bundle.ts";

export interface LogReader {
  /** Up to where it has read. */
  readonly position: Position | undefined;
  /** Mail is to be expected: something has been sent there. */
  expect(): void;
  /** Whether mail comes this way at all. */
  attend(isAwaited: boolean): void;
  close(): Promise<void>;
  readonly counts: ReaderCounts;
}

export interface ReaderCounts {
  readonly reads: number;
  readonly entries: number;
  readonly packets: number;
  readonly bytes: number;
  /** Times that something was gone before it was read. */
  readonly gaps: number;
  /** Entries that were none of ours. */
  readonly strange: number;
}

export interface LogReaderParts {
  readonly logs: Pick<Logs, "read">;
  readonly stream: string;
  readonly packetBytesMax: number;
  readonly environment: Pick<Environment, "now" | "after">;
  readonly taken: (bundle: Bundle, bytes: number) => void;
}

/** Of one read: what is behind it is read while this is worked on. */
const entriesMax = 256;
/**
 * How often a store is looked at that does not tell: amid mail, while there may be some, when none is due; and while
 * there may be some, but the other side has not written anything yet: a thousand nodes that join look all at once.
 */
const pollMs = { eager: 1, busy: 5, idle: 1_000, unawaited: 10_000, first: 50 } as const;
/** How long after the last mail, in or out, the next is due, and how long it is to be expected. */
const eagerMs = 20;
const busyMs = 500;
const waitMs = 30_000;
/** One that reads since so long is not disturbed. */
const settleMs = 20;
const retryMs = { min: 20, max: 2_000 } as const;

export function logReader({ logs, stream, packetBytesMax, environment, taken }: LogReaderParts): LogReader {
  const counts = { reads: 0, entries: 0, packets: 0, bytes: 0, gaps: 0, strange: 0 };
  const unbundle = unbundling(packetBytesMax);
  let position: Position | undefined;
  let isAwaited = true;
  let isOver = false;
  /** When mail came or went last. */
  let mailAt = environment.now();
  /** The read that is under way, and whether it takes its time. */
  let current: { readonly aborting: AbortController; readonly isPatient: boolean; readonly since: number } | undefined;
  let endPause: (() => void) | undefined;

  const disturb = (): void => {
    if (current !== undefined && current.isPatient && environment.now() - current.since > settleMs) {
      current.aborting.abort();
    }
  };

  async function next(): Promise<readonly Entry[]> {
    const now = environment.now();
    const idleMs = now - mailAt;
    const isBusy = idleMs < busyMs;
    const isEager = idleMs < eagerMs && position !== undefined;
    const busyPollMs = position === undefined ? pollMs.first : pollMs.busy;
    current = { aborting: new AbortController(), isPatient: !isBusy, since: now };
    counts.reads += 1;
    try {
      return await logs.read(stream, position, {
        entriesMax,
        waitMs: isEager ? eagerMs - idleMs : isBusy ? busyMs - idleMs : waitMs,
        pollMsMax: isEager ? pollMs.eager : isBusy ? busyPollMs : isAwaited ? pollMs.idle : pollMs.unawaited,
        signal: current.aborting.signal,
      });
    } finally {
      current = undefined;
    }
  }

  async function follow(): Promise<void> {
    for (let failures = 0; !isOver;) {
      try {
        const entries = await next();
        failures = 0;
        for (const entry of entries) {
          if (isOver) return;
          take(entry);
        }
      } catch (error) {
        if (isOver || isShoalError(error, "ShuttingDown")) return;
        if (isShoalError(error, "Cancelled")) continue;
        const through = trimmedThrough(error);
        if (through !== undefined && (position === undefined || isAfter(through, position))) {
          // What is gone is said again by whoever wrote it, where it still matters.
          counts.gaps += 1;
          position = through;
          continue;
        }
        await pause(Math.min(retryMs.min * 2 ** failures, retryMs.max));
        failures += 1;
      }
    }
  }

  function take({ epoch, sequence, frame }: Entry): void {
    position = { epoch, sequence };
    counts.entries += 1;
    counts.bytes += frame.byteLength;
    const bundle = unbundle(frame);
    if (bundle === undefined) {
      counts.strange += 1;
      return;
    }
    counts.packets += bundle.packets.length;
    if (bundle.packets.length > 0) mailAt = environment.now();
    taken(bundle, frame.byteLength);
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = environment.after(ms, resolve);
      endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  const following = follow();

  return {
    counts,
    get position() {
      return position;
    },
    expect() {
      mailAt = environment.now();
      disturb();
    },
    attend(awaited) {
      if (awaited === isAwaited) return;
      isAwaited = awaited;
      if (awaited) disturb();
    },
    async close() {
      isOver = true;
      current?.aborting.abort();
      endPause?.();
      await following;
    },
  };
}

function isAfter(a: Position, b: Position): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);
}

/** How far a log has been trimmed, as its error says. */
function trimmedThrough(error: unknown): Position | undefined {
  if (!isShoalError(error, "Lost")) return undefined;
  const { through } = Object(error.cause) as { readonly through?: Position };
  return Number.isSafeInteger(through?.epoch) && Number.isSafeInteger(through?.sequence) ? through : undefined;
}
