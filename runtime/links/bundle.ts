// Packets as the entries of a log: those of one turn stand together in one entry, one that is too long for an entry
// stands in pieces in several. Each entry says how far its writer has read the log that leads back, so that this can be
// trimmed. Pure.
//   u8 layout | u8 kind | 6 zeros | f64 epoch and f64 sequence read | packets or a piece, each behind its u32 mark

import { Buffer } from "node:buffer";
import type { Position } from "../../stores/store.ts";
import type { Packet } from "./link.ts";

export interface Bundles {
  readonly entries: readonly Uint8Array[];
  readonly bytes: number;
}

/** What one entry says. */
export interface Bundle {
  /** How far its writer has read what this side has written, if it has read anything. */
  readonly read: Position | undefined;
  readonly packets: readonly Packet[];
}

/** Takes the entries of one log in order; nothing for what is none. */
export type Unbundling = (entry: Uint8Array) => Bundle | undefined;

const layout = 1;
const kinds = { packets: 0, piece: 1 } as const;
const headBytes = 24;
const markBytes = 4;
/** Of a piece: its packet's mark, where in the packet it begins, and a number that tells it from others as long. */
const pieceBytes = 12;
/** In a mark's highest bit: a packet that is bytes, and no text. */
const bytesMark = 0x8000_0000;

/** Makes entries that carry packets; one that carries none where there is nothing to carry. */
export type Bundling = (packets: readonly Packet[], read: Position | undefined) => Bundles;

/** No entry is longer than said. What is in pieces is numbered from `first` on, which nobody else begins with. */
export function bundling(entryBytesMax: number, first: number): Bundling {
  let number = first;
  return (packets, read) => bundled(packets, read, entryBytesMax, () => number = (number + 1) >>> 0);
}

function bundled(
  packets: readonly Packet[],
  read: Position | undefined,
  entryBytesMax: number,
  next: () => number,
): Bundles {
  const entries: Uint8Array[] = [];
  let bytes = 0;
  const add = (entry: Uint8Array): void => {
    entries.push(entry);
    bytes += entry.byteLength;
  };
  let some: { readonly packet: Packet; readonly length: number }[] = [];
  let size = headBytes;
  const close = (): void => {
    add(together(some, read, size));
    [some, size] = [[], headBytes];
  };
  for (const packet of packets) {
    const length = typeof packet === "string" ? Buffer.byteLength(packet) : packet.byteLength;
    if (size + markBytes + length > entryBytesMax && some.length > 0) close();
    if (size + markBytes + length > entryBytesMax) {
      for (const piece of inPieces(packet, length, next(), read, entryBytesMax)) add(piece);
      continue;
    }
    some.push({ packet, length });
    size += markBytes + length;
  }
  if (some.length > 0 || entries.length === 0) close();
  return { entries, bytes };
}

function headed(size: number, kind: number, read: Position | undefined): Buffer {
  const entry = Buffer.allocUnsafe(size);
  entry.fill(0, 0, headBytes);
  entry[0] = layout;
  entry[1] = kind;
  entry.writeDoubleLE(read?.epoch ?? -1, 8);
  entry.writeDoubleLE(read?.sequence ?? 0, 16);
  return entry;
}

const markOf = (packet: Packet, length: number): number =>
  typeof packet === "string" ? length : (length | bytesMark) >>> 0;

function together(
  some: readonly { readonly packet: Packet; readonly length: number }[],
  read: Position | undefined,
  size: number,
): Uint8Array {
  const entry = headed(size, kinds.packets, read);
  let at = headBytes;
  for (const { packet, length } of some) {
    at = entry.writeUInt32LE(markOf(packet, length), at);
    if (typeof packet === "string") entry.write(packet, at);
    else entry.set(packet, at);
    at += length;
  }
  return entry;
}

function* inPieces(
  packet: Packet,
  length: number,
  number: number,
  read: Position | undefined,
  entryBytesMax: number,
): Generator<Uint8Array> {
  const bytes = typeof packet === "string" ? Buffer.from(packet) : packet;
  const room = entryBytesMax - headBytes - pieceBytes;
  for (let from = 0; from < length; from += room) {
    const part = bytes.subarray(from, from + room);
    const entry = headed(headBytes + pieceBytes + part.length, kinds.piece, read);
    entry.writeUInt32LE(markOf(packet, length), headBytes);
    entry.writeUInt32LE(from, headBytes + markBytes);
    entry.writeUInt32LE(number, headBytes + 2 * markBytes);
    entry.set(part, headBytes + pieceBytes);
    yield entry;
  }
}

export function unbundling(packetBytesMax: number): Unbundling {
  let whole: { readonly bytes: Buffer; readonly mark: number; readonly number: number; at: number } | undefined;

  function packetOf(bytes: Buffer, mark: number): Packet {
    // Whoever takes in bytes owns them, and wants them to begin where memory does.
    return mark >= bytesMark ? new Uint8Array(bytes) : bytes.toString();
  }

  function piece(entry: Buffer): Packet[] {
    const mark = entry.readUInt32LE(headBytes);
    const from = entry.readUInt32LE(headBytes + markBytes);
    const number = entry.readUInt32LE(headBytes + 2 * markBytes);
    const length = mark >= bytesMark ? mark - bytesMark : mark;
    const part = entry.subarray(headBytes + pieceBytes);
    if (length > packetBytesMax || from + part.length > length) throw new RangeError("a piece of no packet");
    if (from === 0) whole = { bytes: Buffer.allocUnsafeSlow(length), mark, number, at: 0 };
    // One whose beginning was lost is lost.
    if (whole === undefined || whole.mark !== mark || whole.number !== number || whole.at !== from) {
      whole = undefined;
      return [];
    }
    whole.bytes.set(part, from);
    whole.at += part.length;
    if (whole.at < length) return [];
    const { bytes } = whole;
    whole = undefined;
    return [packetOf(bytes, mark)];
  }

  return (given) => {
    const entry = Buffer.from(given.buffer, given.byteOffset, given.byteLength);
    try {
      if (entry[0] !== layout) return undefined;
      const [epoch, sequence] = [entry.readDoubleLE(8), entry.readDoubleLE(16)];
      const read = isCount(epoch) && isCount(sequence) ? { epoch, sequence } : undefined;
      if (entry[1] === kinds.piece) return { read, packets: piece(entry) };
      if (entry[1] !== kinds.packets) return undefined;
      whole = undefined;
      const packets: Packet[] = [];
      for (let at = headBytes; at < entry.length;) {
        const mark = entry.readUInt32LE(at);
        const end = at + markBytes + (mark >= bytesMark ? mark - bytesMark : mark);
        if (end > entry.length) return undefined;
        packets.push(packetOf(entry.subarray(at + markBytes, end), mark));
        at = end;
      }
      return { read, packets };
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  };
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
