// A message as bytes, for whatever lies between two actors: JSON, and behind it the raw arrays where there are any.
//   u32 length of the JSON | JSON | zeros up to a multiple of 8 | arrays, each padded to a multiple of 8

import { ShoalError } from "../../stores/error.ts";
import { arrayName, bytesOf, elementBytes, emptyArray, isArrayName } from "./arrays.ts";
import { depthMax } from "./message.ts";
import { Reference } from "../reference.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** What JSON has no word for stands in an object under this one name; the user's own use of it is wrapped. */
const mark = "$";

/** JSON for a value that `copyMessage` let pass; empty for `undefined`. What is not in the text goes into `arrays`. */
export function messageText(value: unknown, special: boolean, arrays: ArrayBufferView[]): string {
  return JSON.stringify(special ? escape(value, arrays) : value) ?? "";
}

/** A value that JSON alone has no words for, as JSON; what has no place there goes into `arrays`. */
export function messageJson(value: unknown, arrays: ArrayBufferView[]): unknown {
  return escape(value, arrays);
}

/** What was read from a message's text, made what it was: in place, with its arrays from `bytes`. Throws on garbage. */
export function messageOf(
  json: unknown,
  bytes: Uint8Array,
  resolve: (id: string, className: string) => unknown,
): unknown {
  return unescape(json, { frame: bytes, at: 0, resolve }, 0);
}

/**
 * Bytes for a value that `copyMessage` let pass. `special` is what the passage said; before the message, so many bytes
 * are left free for whoever writes more there, a multiple of 8.
 */
export function encodeMessage(value: unknown, special: boolean, headBytes = 0): Uint8Array {
  const arrays: ArrayBufferView[] = [];
  const json = encoder.encode(messageText(value, special, arrays));
  let at = headBytes + aligned(4 + json.length);
  let size = at;
  for (const array of arrays) size += aligned(array.byteLength);
  const frame = new Uint8Array(size);
  new DataView(frame.buffer).setUint32(headBytes, json.length, true);
  frame.set(json, headBytes + 4);
  for (const array of arrays) {
    frame.set(bytesOf(array), at);
    at += aligned(array.byteLength);
  }
  return frame;
}

/** The value that was encoded; references to actors are found by `resolve`. Throws `Corrupt` on anything else. */
export function decodeMessage(frame: Uint8Array, resolve: (id: string, className: string) => unknown): unknown {
  try {
    const length = new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(0, true);
    if (length > frame.length - 4) throw new RangeError(`JSON of ${length} bytes in a frame of ${frame.length}`);
    const text = decoder.decode(frame.subarray(4, 4 + length));
    if (text === "") return undefined;
    const value: unknown = JSON.parse(text);
    return unescape(value, { frame, at: aligned(4 + length), resolve }, 0);
  } catch (error) {
    throw new ShoalError("Corrupt", "Cannot decode message: its frame is not one", { cause: error });
  }
}

function aligned(bytes: number): number {
  return (bytes + 7) & ~7;
}

function escape(value: unknown, arrays: ArrayBufferView[]): unknown {
  if (typeof value === "number") {
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { [mark]: "number", text: numberText(value) };
  }
  if (typeof value === "bigint") return { [mark]: "bigint", text: String(value) };
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Reference) return { [mark]: "actor", id: value.id, class: value.target.className };
  if (Array.isArray(value)) return value.map((member) => escape(member, arrays));
  const name = arrayName(value);
  if (name !== undefined && ArrayBuffer.isView(value)) {
    arrays.push(value);
    return { [mark]: name, length: value.byteLength / elementBytes(name) };
  }
  const result: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) result[key] = escape(member, arrays);
  return mark in result ? { [mark]: "object", members: Object.entries(result) } : result;
}

function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

interface Reading {
  readonly frame: Uint8Array;
  at: number;
  readonly resolve: (id: string, className: string) => unknown;
}

/** Undoes the escapes, in place. It trusts nothing: a frame may come from anywhere. */
function unescape(value: unknown, reading: Reading, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > depthMax) throw new RangeError(`nested more than ${depthMax} deep`);
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = unescape(value[i], reading, depth + 1);
    return value;
  }
  const members = value as Record<string, unknown>;
  const kind = members[mark];
  if (kind === undefined) return unescapeMembers(members, Object.keys(members), reading, depth);
  switch (kind) {
    case "number":
      return specialNumber(text(members["text"]));
    case "bigint":
      return BigInt(text(members["text"]));
    case "actor":
      return reading.resolve(text(members["id"]), text(members["class"]));
    case "object": {
      const { members: entries } = members;
      if (!Array.isArray(entries)) throw new TypeError("an escaped object without members");
      const wrapped: Record<string, unknown> = {};
      for (const [key, member] of entries) wrapped[name(text(key))] = member;
      return unescapeMembers(wrapped, Object.keys(wrapped), reading, depth);
    }
    default:
      return readArray(kind, Number(members["length"]), reading);
  }
}

function unescapeMembers(
  members: Record<string, unknown>,
  keys: readonly string[],
  reading: Reading,
  depth: number,
): Record<string, unknown> {
  for (const key of keys) members[name(key)] = unescape(members[key], reading, depth + 1);
  return members;
}

function name(key: string): string {
  if (key === "__proto__") throw new TypeError("a member that would change what the object is");
  return key;
}

function specialNumber(text: string): number {
  const value = Number(text);
  if (numberText(value) !== text || (Number.isFinite(value) && value !== 0)) throw new TypeError(`no number: ${text}`);
  return value;
}

function readArray(kind: unknown, length: number, reading: Reading): unknown {
  if (!isArrayName(kind)) throw new TypeError(`unknown mark ${String(kind)}`);
  const bytes = length * elementBytes(kind);
  if (!Number.isSafeInteger(length) || length < 0 || bytes > reading.frame.length - reading.at) {
    throw new RangeError(`${kind} of ${length} elements in a frame of ${reading.frame.length} bytes`);
  }
  // A copy: the frame may be one of many in a larger buffer, and need not be aligned in it.
  const copy = emptyArray(kind, length);
  bytesOf(copy).set(reading.frame.subarray(reading.at, reading.at + bytes));
  reading.at += aligned(bytes);
  return copy;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`expected text, found ${typeof value}`);
  return value;
}
