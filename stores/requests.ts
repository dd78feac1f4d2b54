// What may be asked of logs and claims, and the errors for what may not: the same for every store, so that a program
// that works with one is not refused by the next.
import { ShoalError } from "./error.ts";
import { checkName, isEpoch } from "./names.ts";
import type { Position, ReadOptions } from "./store.ts";

const entriesMaxUnlessSaid = 1_024;
const valueCharactersMax = 65_536;

/** Before the first entry of every stream. */
const beginning: Position = { epoch: -1, sequence: 0 };

export const isAfter = (a: Position, b: Position): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);

const show = ({ epoch, sequence }: Position): string => epoch < 0 ? "the start" : `${epoch}-${sequence}`;

/** A copy of a position that somebody gave. */
export function checkPosition({ epoch, sequence }: Position): Position {
  if (isEpoch(epoch) && isEpoch(sequence)) return { epoch, sequence };
  throw new ShoalError("BadInput", `Cannot use position ${epoch}-${sequence}: whole numbers from 0 are wanted`);
}

/** That a stream no longer reaches back to where a reader is. */
export function lost(name: string, after: Position, through: Position): ShoalError {
  const what = `Cannot read ${name} after ${show(after)}: trimmed through ${show(through)}`;
  // The range, for a program that wants to go on behind it.
  return new ShoalError("Lost", what, { cause: { after, through } });
}

export function checkAppend(name: string, epoch: number, frames: readonly Uint8Array[], frameBytesMax: number): void {
  checkName("stream", name);
  if (!isEpoch(epoch)) throw new ShoalError("BadInput", `Cannot append to ${name}: epoch ${epoch} is not one`);
  for (const frame of frames) {
    if (!(frame instanceof Uint8Array)) throw new ShoalError("BadInput", `Cannot append to ${name}: not bytes`);
    if (frame.byteLength <= frameBytesMax) continue;
    const sizes = `${frame.byteLength} of at most ${frameBytesMax} bytes`;
    throw new ShoalError("TooLarge", `Cannot append to ${name}: a frame has ${sizes}`);
  }
}

export interface Reading {
  readonly from: Position;
  readonly entriesMax: number;
  readonly waitMs: number;
}

/** What a read asks for, all of it said. */
export function checkRead(name: string, after: Position | undefined, options: ReadOptions): Reading {
  const { entriesMax = entriesMaxUnlessSaid, waitMs = 0 } = options;
  checkName("stream", name);
  if (!(entriesMax >= 1)) throw new ShoalError("BadInput", `Cannot read ${name}: entriesMax is ${entriesMax}`);
  if (!(waitMs >= 0)) throw new ShoalError("BadInput", `Cannot read ${name}: waitMs is ${waitMs}`);
  return { from: after === undefined ? beginning : checkPosition(after), entriesMax, waitMs };
}

export function checkClaim(name: string, epoch: number, value: string): void {
  checkName("claim", name);
  if (!isEpoch(epoch)) throw new ShoalError("BadInput", `Cannot claim ${name}: epoch ${epoch} is not one`);
  if (typeof value !== "string") throw new ShoalError("BadInput", `Cannot claim ${name}: its value is no text`);
  if (value.length <= valueCharactersMax) return;
  const sizes = `${value.length} of at most ${valueCharactersMax} characters`;
  throw new ShoalError("TooLarge", `Cannot claim ${name}: its value has ${sizes}`);
}
