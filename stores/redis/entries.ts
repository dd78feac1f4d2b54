// Frames as entries of a Redis stream. One entry holds the frames of one write, so that all of them stand or none; its
// id is epoch + 1 and a number that is never below the sequence of its last frame, and above it only where an entry
// whose fate nobody knew had to be ruled out.
import type { Buffer } from "node:buffer";
import type { Entry, Position } from "../store.ts";
import type { StreamEntry } from "./replies.ts";

/** `f`: the last frame's sequence is the id's number. Else the first field is the first frame's sequence. */
const framesField = "f";
/** Holds no frame: it opens an epoch, or rules out what has not arrived. Its value is the sequence before it. */
const openField = "o";

/** Where a stream stands: what the next entry must be above. */
export interface Head {
  readonly epoch: number;
  /** Of the last frame. */
  readonly sequence: number;
  /** Of the last entry. */
  readonly number: number;
}

export interface Batch {
  readonly epoch: number;
  readonly number: number;
  /** Of the first and the last frame; the first is above the last where there is none. */
  readonly first: number;
  readonly last: number;
  readonly frames: readonly Buffer[];
}

export const nowhere: Head = { epoch: -1, sequence: 0, number: 0 };

export const idText = (epoch: number, number: number): string => `${epoch + 1}-${number}`;

/** The smallest id that stands after a position, and the position itself as an id that an entry may have. */
export const idAt = ({ epoch, sequence }: Position): string => epoch < 0 ? "0-0" : idText(epoch, sequence);

/** The fields of the entry that follows a head. */
export function fieldsOf(head: Head, frames: readonly Uint8Array[]): (string | Uint8Array)[] {
  if (frames.length === 0) return [openField, `${head.sequence}`];
  const isPlain = head.number === head.sequence;
  return frames.flatMap((frame, index) => [index === 0 && !isPlain ? `${head.sequence + 1}` : framesField, frame]);
}

export function batchOf({ major, minor, fields }: StreamEntry): Batch {
  const epoch = major - 1;
  const kind = fields[0]?.toString("latin1") ?? "";
  if (kind === openField) {
    const before = Number(fields[1]);
    return { epoch, number: minor, first: before + 1, last: before, frames: [] };
  }
  const frames = fields.filter((_, index) => index % 2 === 1);
  const first = kind === framesField ? minor - frames.length + 1 : Number(kind);
  return { epoch, number: minor, first, last: first + frames.length - 1, frames };
}

/** The frames of a batch that stand after a position. */
export function* framesAfter({ epoch, first, frames }: Batch, after: Position): Generator<Entry, void, undefined> {
  for (const [index, frame] of frames.entries()) {
    const sequence = first + index;
    if (epoch > after.epoch || sequence > after.sequence) yield { epoch, sequence, frame: new Uint8Array(frame) };
  }
}

/** Whether a batch goes on where a position stands: an epoch begins with its first frame. */
export const goesOn = ({ epoch, first }: Batch, { epoch: own, sequence }: Position): boolean =>
  epoch === own ? first <= sequence + 1 : first === 1;
