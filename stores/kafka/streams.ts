// Streams as the records of a partition tell of them: which epoch is open, what stands, what was trimmed. A record that
// does not go on where its stream stands is ignored by everybody: a zombie's, or one that came twice.
import { Buffer } from "node:buffer";
import { isEpoch } from "../names.ts";
import { isAfter } from "../requests.ts";
import type { Entry, Position } from "../store.ts";
import type { StandingRecord } from "./kafkajs.ts";
import { isCount, keyBelow, unpacked } from "./record.ts";

/** What one record added to a stream. */
export interface Piece {
  readonly epoch: number;
  readonly first: number;
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
}

export interface Stream {
  epoch: number;
  sequence: number;
  trimmed: Position | undefined;
  /** In order; what was trimmed is not among them. */
  pieces: Piece[];
}

/** A stream as it stood before what is left of its partition, of which nothing is left. */
export type Remains = readonly [
  name: string,
  epoch: number,
  sequence: number,
  trimmed: readonly [number, number] | null,
];

export interface Streams {
  readonly all: ReadonlyMap<string, Stream>;
  /** Bytes that were trimmed since somebody took them off. */
  freedBytes: number;
  /** Begins again with what was left, whoever's it is. */
  seed(remains: readonly Remains[]): void;
  fold(record: StandingRecord): void;
  /** Whether a record of this opening counts, once it was folded; asked once. */
  outcome(count: number): boolean | undefined;
  /** The frames of a record: none where it is of another stream. */
  frames(record: StandingRecord, name: string): readonly Uint8Array[];
  /** Frames that were seen lately, by offset. */
  recent(offset: number): readonly Uint8Array[] | undefined;
}

const recentBytesUnlessSaid = 16 * 2 ** 20;

export const appendHead = (epoch: number, first: number, count: number, writer: string, own: number): object => ({
  k: "append",
  e: epoch,
  f: first,
  c: count,
  w: writer,
  i: own,
});

/** Frames one behind the other, each with its length before it. */
export function framesPacked(frames: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(frames.reduce((sum, frame) => sum + 4 + frame.byteLength, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.writeUInt32BE(frame.byteLength, at);
    bytes.set(frame, at + 4);
    at += 4 + frame.byteLength;
  }
  return bytes;
}

function framesUnpacked(body: Buffer): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at + 4 <= body.byteLength;) {
    const end = at + 4 + body.readUInt32BE(at);
    // A copy: the reader may keep it, and change it.
    frames.push(new Uint8Array(body.subarray(at + 4, end)));
    at = end;
  }
  return frames;
}

/** Streams whose keys begin with a prefix. */
export function streams(
  keys: string,
  writer: string,
  topic: string,
  recentBytesMax: number = recentBytesUnlessSaid,
): Streams {
  const prefix = Buffer.from(keys);
  const all = new Map<string, Stream>();
  const outcomes = new Map<number, boolean>();
  const kept = new Map<number, { readonly bytes: Buffer; readonly name: string }>();
  let keptBytes = 0;

  function append(name: string, { epoch, first, count, offset, bytes }: Piece): boolean {
    const stream = all.get(name);
    const goesOn = stream !== undefined && epoch === stream.epoch && first === stream.sequence + 1;
    const opens = epoch > (stream?.epoch ?? -1) && first === 1;
    if (!goesOn && !opens) return false;
    const after = stream ?? { epoch, sequence: 0, trimmed: undefined, pieces: [] };
    all.set(name, after);
    after.epoch = epoch;
    after.sequence = first + count - 1;
    if (count > 0) after.pieces.push({ epoch, first, count, offset, bytes });
    return true;
  }

  function trim(stream: Stream, through: Position): void {
    let gone = 0;
    for (const { epoch, first, count } of stream.pieces) {
      const sequence = Math.min(first + count - 1, epoch < through.epoch ? Infinity : through.sequence);
      if (epoch > through.epoch || sequence < first) break;
      if (stream.trimmed === undefined || isAfter({ epoch, sequence }, stream.trimmed)) {
        stream.trimmed = { epoch, sequence };
      }
      if (sequence < first + count - 1) break;
      gone += 1;
    }
    for (const { bytes } of stream.pieces.splice(0, gone)) own.freedBytes += bytes;
  }

  function keep(offset: number, bytes: Buffer, name: string): void {
    if (bytes.byteLength > recentBytesMax) return;
    kept.set(offset, { bytes: Buffer.from(bytes), name });
    keptBytes += bytes.byteLength;
    for (const [old, { bytes }] of kept) {
      if (keptBytes <= recentBytesMax) return;
      kept.delete(old);
      keptBytes -= bytes.byteLength;
    }
  }

  const own: Streams = {
    all,
    freedBytes: 0,
    seed(remains) {
      all.clear();
      for (const [key, epoch, sequence, trimmed] of remains) {
        if (!key.startsWith(keys)) continue;
        const position = trimmed === null ? undefined : { epoch: trimmed[0], sequence: trimmed[1] };
        all.set(key.slice(keys.length), { epoch, sequence, trimmed: position, pieces: [] });
      }
    },
    fold(record) {
      const name = keyBelow(prefix, record);
      if (name === undefined || record.value === undefined) return;
      const { head: { k, e, f, c, s, w, i }, body } = unpacked(record.value, topic);
      if (typeof e !== "number" || !isEpoch(e)) return;
      if (k === "trim" && isCount(s)) {
        const stream = all.get(name);
        if (stream !== undefined) trim(stream, { epoch: e, sequence: s });
      }
      if (k !== "append" || !isCount(f) || !isCount(c)) return;
      const counts = append(name, { epoch: e, first: f, count: c, offset: record.offset, bytes: body.byteLength });
      if (counts && c > 0) keep(record.offset, body, name);
      if (w === writer && isCount(i)) outcomes.set(i, counts);
    },
    outcome(count) {
      const found = outcomes.get(count);
      outcomes.delete(count);
      return found;
    },
    frames(record, name) {
      const found = keyBelow(prefix, record);
      if (found !== name || record.value === undefined) return [];
      return framesUnpacked(unpacked(record.value, topic).body);
    },
    recent(offset) {
      const found = kept.get(offset);
      return found && framesUnpacked(found.bytes);
    },
  };
  return own;
}

/** The entries of a piece behind a position, and not trimmed. */
export function entriesOf({ epoch, first }: Piece, frames: readonly Uint8Array[], after: Position): Entry[] {
  return frames.map((frame, index) => ({ epoch, sequence: first + index, frame })).filter((entry) =>
    isAfter(entry, after)
  );
}
