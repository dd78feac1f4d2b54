// What a server sends, looked at before the client library reads it: a value that somebody has memory for is received
// there, and is summed while it is warm. All else is the library's, which makes each value by joining its parts: of a
// large one that is two copies more, in memory that nobody has touched yet and that is waste a moment later.
import { Buffer } from "node:buffer";
import { crc32 } from "../checksum.ts";

/** A value on its way to somebody's memory. */
export interface Landing {
  readonly into: Uint8Array;
  /** Of what has come, going on from what was said at first. */
  sum: number;
  /** So much has come. */
  bytes: number;
}

export interface Intake {
  /** A command was sent: it is answered after all that were sent before, and with a value for `landing` perhaps. */
  sent(landing?: Landing): void;
  /** Where to receive what comes next. */
  place(): Uint8Array;
  /** So much was received there. What has landed, the library reads as a number: how long it was. */
  came(bytes: number): void;
  /** Nothing is under way: from here on it is told of all that is sent. */
  begin(): void;
  /** Nothing lands from here on, whatever comes: the memory may be somebody else's. */
  end(): void;
}

const newline = 10;
const [value, list] = ["$", "*"];
/** A value and a list begin with a mark, and how long they are. */
const headBytesMax = 24;
const endBytes = 2;
const sideBytes = 2 ** 16;
/** Less that is still to come of a value is received with what follows it. */
const directBytesMin = 2 ** 12;

const textOf = (piece: Uint8Array, from: number, to: number): string =>
  Buffer.from(piece.buffer, piece.byteOffset + from, to - from).toString("latin1");

/** `read` is the library's. */
export function intake(read: (bytes: Buffer) => void): Intake {
  const side = new Uint8Array(sideBytes);
  /** What is received where it belongs, and not at the side. */
  let aimed: Landing | undefined;
  const expected: { readonly reply: number; readonly landing: Landing }[] = [];
  let isOver = false;
  let sentCount = 0;
  let readCount = 0;
  /** Of the reply that is read: how many of its parts have not come to their end, and whether it is a list. */
  let parts = 1;
  let isList = false;
  /** Of the value that is read: how much of it, with its end of line, the library has yet to get. */
  let restBytes = 0;
  /** What has come of a line, and whether it is kept back: it may be the head of what lands. */
  let line = "";
  let isHeld = false;
  let landing: Landing | undefined;
  /** Of the end of line behind what has landed. */
  let dropBytes = 0;
  /** How much of the piece that is looked at the library has, or does not get. */
  let given = 0;

  function give(piece: Uint8Array, to: number): void {
    // The library keeps what it has read, and the next piece is received in the same place.
    if (to > given) read(Buffer.from(piece.subarray(given, to)));
    given = to;
  }

  /** A part has come to its end, and perhaps its reply. */
  function endPart(): void {
    parts -= 1;
    if (parts > 0) return;
    [parts, isList] = [1, false];
    readCount += 1;
    // Answered, by whatever came.
    if (expected[0] !== undefined && expected[0].reply < readCount) expected.shift();
  }

  /** What somebody waits for, where its reply begins. */
  function wanted(): Landing | undefined {
    const [first] = expected;
    return !isList && first?.reply === readCount ? first.landing : undefined;
  }

  function beginPart(mark: string | undefined, count: number): void {
    if (mark === value && count >= 0) {
      restBytes = count + endBytes;
      return;
    }
    if (mark === list && count > 0) {
      parts += count;
      isList = true;
    }
    endPart();
  }

  function land(piece: Uint8Array, at: number, own: Landing): number {
    const part = piece.subarray(at, at + own.into.byteLength - own.bytes);
    own.into.set(part, own.bytes);
    own.sum = crc32(part, own.sum);
    own.bytes += part.byteLength;
    return given = at + part.byteLength;
  }

  function drop(piece: Uint8Array, at: number, { bytes }: Landing): number {
    const count = Math.min(dropBytes, piece.byteLength - at);
    dropBytes -= count;
    given = at + count;
    if (dropBytes === 0) {
      landing = undefined;
      endPart();
      read(Buffer.from(`:${bytes}\r\n`));
    }
    return given;
  }

  function skip(piece: Uint8Array, at: number): number {
    const count = Math.min(restBytes, piece.byteLength - at);
    restBytes -= count;
    if (restBytes === 0) endPart();
    return at + count;
  }

  function readLine(piece: Uint8Array, at: number): number {
    const found = piece.indexOf(newline, at);
    const end = found < 0 ? piece.byteLength : found + 1;
    const before = line;
    // Of a line that is longer, only the mark counts.
    if (line.length < headBytesMax) line += textOf(piece, at, Math.min(end, at + headBytesMax));
    if (before === "") isHeld = line[0] === value && wanted() !== undefined;
    const isHead = line.length <= headBytesMax;
    const count = found < 0 || !isHead ? NaN : Number(line.slice(1, -endBytes));
    const own = isHeld && isHead ? wanted() : undefined;
    if (own !== undefined && (found < 0 || count === own.into.byteLength)) {
      // The library never sees it, or later.
      give(piece, at);
      given = end;
      if (found < 0) return end;
      landing = own;
      dropBytes = endBytes;
      line = "";
      return end;
    }
    if (isHeld && before !== "") read(Buffer.from(before, "latin1"));
    isHeld = false;
    if (found < 0) return end;
    const [mark] = line;
    line = "";
    beginPart(mark, count);
    return end;
  }

  function take(piece: Uint8Array): void {
    given = 0;
    for (let at = 0; at < piece.byteLength;) {
      if (landing !== undefined && landing.bytes < landing.into.byteLength) at = land(piece, at, landing);
      else if (landing !== undefined) at = drop(piece, at, landing);
      else if (restBytes > 0) at = skip(piece, at);
      else at = readLine(piece, at);
    }
    give(piece, piece.byteLength);
  }

  return {
    sent(asked) {
      if (asked !== undefined) expected.push({ reply: sentCount, landing: asked });
      sentCount += 1;
    },
    place() {
      const left = landing === undefined || isOver ? 0 : landing.into.byteLength - landing.bytes;
      aimed = left < directBytesMin ? undefined : landing;
      return aimed === undefined ? side : aimed.into.subarray(aimed.bytes);
    },
    came(bytes) {
      if (isOver) return;
      if (aimed === undefined) return take(side.subarray(0, bytes));
      aimed.sum = crc32(aimed.into.subarray(aimed.bytes, aimed.bytes + bytes), aimed.sum);
      aimed.bytes += bytes;
    },
    begin() {
      sentCount = readCount;
    },
    end() {
      isOver = true;
    },
  };
}
