// A message as bytes, for whatever lies between two actors: JSON, and behind it the raw arrays where there are any.
//   u32 length of the JSON | JSON | zeros up to a multiple of 8 | arrays, each padded to a multiple of 8

import { ShoalError } from "../stores/error.ts";
import { Reference } from "./reference.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The array types by the name they have in a frame. */
const arrayTypes = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
};

type ArrayName = keyof typeof arrayTypes;
/** What JSON has no word for stands in an object under this one name; the user's own use of it is wrapped. */
const mark = "$";

/** Bytes for a value that `copyMessage` let pass. `special` is what the passage said. */
export function encodeMessage(value: unknown, special: boolean): Uint8Array {
  const arrays: ArrayBufferView[] = [];
  const json = encoder.encode(JSON.stringify(special ? escape(value, arrays) : value) ?? "");
  let size = aligned(4 + json.length);
  for (const array of arrays) size += aligned(array.byteLength);
  const frame = new Uint8Array(size);
  new DataView(frame.buffer).setUint32(0, json.length, true);
  frame.set(json, 4);
  let at = aligned(4 + json.length);
  for (const array of arrays) {
    frame.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
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
    return text.includes(`"${mark}"`) ? unescape(value, { frame, at: aligned(4 + length), resolve }) : value;
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
  if (ArrayBuffer.isView(value)) {
    arrays.push(value);
    const name = value.constructor.name as ArrayName;
    return { [mark]: name, length: value.byteLength / arrayTypes[name].BYTES_PER_ELEMENT };
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

function unescape(value: unknown, reading: Reading): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((member) => unescape(member, reading));
  const members = value as Record<string, unknown>;
  const kind = members[mark];
  if (kind === undefined) {
    for (const key of Object.keys(members)) members[key] = unescape(members[key], reading);
    return members;
  }
  if (kind === "number") return Number(text(members["text"]));
  if (kind === "bigint") return BigInt(text(members["text"]));
  if (kind === "actor") return reading.resolve(text(members["id"]), text(members["class"]));
  if (kind === "object" && Array.isArray(members["members"])) {
    const entries = members["members"].map(([key, member]): [string, unknown] => [text(key), unescape(member, reading)]);
    return Object.fromEntries(entries);
  }
  if (typeof kind === "string" && Object.hasOwn(arrayTypes, kind)) {
    return readArray(kind as ArrayName, Number(members["length"]), reading);
  }
  throw new TypeError(`unknown mark ${String(kind)}`);
}

function readArray(name: ArrayName, length: number, reading: Reading): unknown {
  const type = arrayTypes[name];
  const bytes = length * type.BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(length) || length < 0 || bytes > reading.frame.length - reading.at) {
    throw new RangeError(`${name} of ${length} elements in a frame of ${reading.frame.length} bytes`);
  }
  // A copy: the frame may be one of many in a larger buffer, and need not be aligned in it.
  const copy = new type(length);
  new Uint8Array(copy.buffer).set(reading.frame.subarray(reading.at, reading.at + bytes));
  reading.at += aligned(bytes);
  return copy;
}

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`expected text, found ${typeof value}`);
  return value;
}
