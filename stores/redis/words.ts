// A command as servers read it, in pieces: what is small goes together, what is large as it lies there. Written here and
// not by the library, which copies all of a command into memory that is new each time.
import { Buffer } from "node:buffer";

/** What a command is made of. */
export type Word = string | number | Uint8Array;

const apartBytesMin = 2 ** 14;
/** A mark, a count of up to ten digits, and an end of line before and after. */
const aroundBytes = 15;
/** Longer texts are faster written by the runtime. */
const byHandMax = 96;
const [list, value, zero, carriageReturn, newline] = [42, 36, 48, 13, 10];

/** Memory that other threads may write to is copied: not every runtime sends it. */
const isApart = (word: Uint8Array): boolean => word.byteLength >= apartBytesMin && word.buffer instanceof ArrayBuffer;

function roomFor(words: readonly (string | Uint8Array)[]): number {
  let bytes = aroundBytes;
  for (const word of words) {
    bytes += aroundBytes;
    if (typeof word === "string") bytes += 3 * word.length;
    else if (!isApart(word)) bytes += word.byteLength;
  }
  return bytes;
}

/** Writes a mark and a count; answers where it ends. */
function head(into: Buffer, at: number, mark: number, count: number): number {
  into[at] = mark;
  let digits = 1;
  for (let rest = count; rest >= 10; rest = Math.floor(rest / 10)) digits += 1;
  for (let place = digits, rest = count; place > 0; place--, rest = Math.floor(rest / 10)) {
    into[at + place] = zero + rest % 10;
  }
  into[at + digits + 1] = carriageReturn;
  into[at + digits + 2] = newline;
  return at + digits + 3;
}

function text(into: Buffer, start: number, word: string): number {
  const bytes = Buffer.byteLength(word);
  const at = head(into, start, value, bytes);
  if (bytes !== word.length || bytes > byHandMax) into.write(word, at);
  else for (let index = 0; index < bytes; index++) into[at + index] = word.charCodeAt(index);
  return at + bytes;
}

/** The pieces of a command. Large words are not copied: they stay as they are until it is answered. */
export function piecesOf(words: readonly Word[]): Buffer[] {
  const all = words.map((word) => typeof word === "number" ? String(word) : word);
  const into = Buffer.allocUnsafe(roomFor(all));
  const pieces: Buffer[] = [];
  let from = 0;
  let at = head(into, 0, list, all.length);
  for (const word of all) {
    if (typeof word === "string") at = text(into, at, word);
    else {
      at = head(into, at, value, word.byteLength);
      if (isApart(word)) {
        pieces.push(into.subarray(from, at), Buffer.from(word.buffer, word.byteOffset, word.byteLength));
        from = at;
      } else {
        into.set(word, at);
        at += word.byteLength;
      }
    }
    into[at++] = carriageReturn;
    into[at++] = newline;
  }
  pieces.push(into.subarray(from, at));
  return pieces;
}
