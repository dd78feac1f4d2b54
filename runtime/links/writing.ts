// One node's side of the log that leads to another: what is sent in one turn, or while the store is at work, is one
// append. What the reader says it has read is trimmed, now and then; while it leaves too much unread, nothing is added.

import { randomBytes } from "node:crypto";
import { isShoalError } from "../../stores/error.ts";
import type { Logs, Position } from "../../stores/store.ts";
import { bundling } from "./bundle.ts";
import type { Packet } from "./link.ts";

export interface LogWriter {
  /** What cannot be carried is lost. */
  send(packet: Packet): void;
  /** Says how far this side has read, with no mail. */
  tell(): void;
  /** The reader has read so far. */
  confirmed(through: Position): void;
  /** Settles when what was sent is in the log, or is lost. */
  close(): Promise<void>;
  readonly counts: WriterCounts;
}

export interface WriterCounts {
  /** Appends, the entries in them, the packets in these. */
  readonly appends: number;
  readonly entries: number;
  readonly packets: number;
  readonly bytes: number;
  readonly lost: number;
  readonly trims: number;
}

export interface LogWriterParts {
  readonly logs: Pick<Logs, "append" | "trim">;
  readonly stream: string;
  /** Of the node's process, 0 while it has none. */
  readonly epoch: () => number;
  /** How far this side has read the log that leads back. */
  readonly read: () => Position | undefined;
  readonly entryBytesMax: number;
  readonly packetBytesMax: number;
  readonly backlogBytesMax: number;
}

/** One append takes no more, unless one packet does. */
const appendBytesMax = 2 ** 22;
/** So much is left to be trimmed at once: a trim costs as much as an append. */
const trimBytes = 2 ** 22;
const trimEntries = 1_024;

export function logWriter(parts: LogWriterParts): LogWriter {
  const { logs, stream, epoch, read, entryBytesMax, packetBytesMax, backlogBytesMax } = parts;
  const counts = { appends: 0, entries: 0, packets: 0, bytes: 0, lost: 0, trims: 0 };
  const bundle = bundling(entryBytesMax, randomBytes(4).readUInt32LE());
  let waiting: Packet[] = [];
  let waitingBytes = 0;
  let mustTell = false;
  let isDue = false;
  let working: Promise<void> | undefined;
  let isOver = false;
  /** What is written and not yet read. */
  let unread: { readonly position: Position; readonly bytes: number }[] = [];
  let unreadFrom = 0;
  let unreadBytes = 0;
  let trimmable = { bytes: 0, entries: 0 };
  let trimming: Promise<void> | undefined;

  function due(): void {
    if (isDue || working !== undefined) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      working = work().finally(() => working = undefined);
    });
  }

  async function work(): Promise<void> {
    while (waiting.length > 0 || mustTell) {
      mustTell = false;
      const packets = taken();
      try {
        const { entries, bytes } = bundle(packets, read());
        const position = await logs.append(stream, epoch(), entries);
        counts.appends += 1;
        counts.entries += entries.length;
        counts.packets += packets.length;
        counts.bytes += bytes;
        unread.push({ position, bytes });
        unreadBytes += bytes;
      } catch (error) {
        // Lost, as a link may lose it: whoever sent it says it again.
        counts.lost += packets.length;
        // Another process is this node now.
        if (isShoalError(error, "Fenced") || isShoalError(error, "ShuttingDown")) isOver = true;
      }
    }
  }

  /** The first of what waits, as much as one append takes. */
  function taken(): Packet[] {
    let count = 0;
    let bytes = 0;
    while (count < waiting.length && (count === 0 || bytes + waiting[count]!.length <= appendBytesMax)) {
      bytes += waiting[count++]!.length;
    }
    const packets = count === waiting.length ? waiting : waiting.slice(0, count);
    waiting = count === waiting.length ? [] : waiting.slice(count);
    waitingBytes -= bytes;
    return packets;
  }

  async function trim(through: Position): Promise<void> {
    trimmable = { bytes: 0, entries: 0 };
    try {
      await logs.trim(stream, through);
      counts.trims += 1;
    } catch {
      // What is not trimmed now is trimmed with the next.
    }
  }

  return {
    counts,
    send(packet) {
      const before = unreadBytes + waitingBytes;
      const isTooMuch = packet.length > packetBytesMax || (before > 0 && before + packet.length > backlogBytesMax);
      if (isOver || isTooMuch || epoch() === 0) {
        counts.lost += 1;
        return;
      }
      waiting.push(packet);
      waitingBytes += packet.length;
      due();
    },
    tell() {
      if (isOver || epoch() === 0) return;
      mustTell = true;
      due();
    },
    confirmed(through) {
      let position: Position | undefined;
      while (unreadFrom < unread.length && !isAfter(unread[unreadFrom]!.position, through)) {
        const { bytes } = unread[unreadFrom]!;
        position = unread[unreadFrom]!.position;
        unreadFrom += 1;
        unreadBytes -= bytes;
        trimmable.bytes += bytes;
        trimmable.entries += 1;
      }
      if (unreadFrom * 2 > unread.length) {
        unread = unread.slice(unreadFrom);
        unreadFrom = 0;
      }
      if (position === undefined || trimming !== undefined) return;
      if (trimmable.bytes < trimBytes && trimmable.entries < trimEntries) return;
      trimming = trim(position).finally(() => trimming = undefined);
    },
    async close() {
      // What was sent in this turn leaves in the next.
      if (isDue) await Promise.resolve();
      await working;
      isOver = true;
      await trimming;
    },
  };
}

function isAfter(a: Position, b: Position): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);
}
