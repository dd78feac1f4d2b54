// What a message may be, and its passage from one actor to another: checked, weighed, and copied, so that it belongs
// to the receiver. The same rules hold within a thread and between nodes.

import { ShoalError } from "../stores/error.ts";
import type { TensorRef } from "../stores/store.ts";
import { Reference } from "./reference.ts";

/** One passage: what was found on the way, and how references are bound to the receiver. */
export interface Passage {
  /** What the message weighs itself. */
  bytes: number;
  /** The tensors it references: they are pinned while it is under way. */
  tensors: TensorRef[] | undefined;
  /** Whether plain JSON would not do. */
  special: boolean;
  readonly bytesMax: number;
  readonly bind: (reference: Reference) => unknown;
}

/** The passage of one message whose references `bind` makes the receiver's. */
export function passageTo(bind: (reference: Reference) => unknown, bytesMax: number): Passage {
  return { bytes: 0, tensors: undefined, special: false, bytesMax, bind };
}

const depthMax = 64;
/** Thrown by the fast walk, which keeps no path; the slow walk then finds out where and why. */
const refused = Symbol("refused");
const plain = Object.prototype;

/** A copy of a value that may be sent. Throws `BadInput` that names the member which may not, or `TooLarge`. */
export function copyMessage(value: unknown, passage: Passage): unknown {
  try {
    return copy(value, passage, 0);
  } catch (error) {
    if (error !== refused) throw error;
    throw refusal(value, passage.bytesMax);
  }
}

/** Whether a value passes as it is. */
export function isPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case "number":
    case "boolean":
    case "undefined":
      return true;
    default:
      return value === null;
  }
}

function copy(value: unknown, passage: Passage, depth: number): unknown {
  switch (typeof value) {
    case "number":
      if (value !== value || value - value !== 0 || (value === 0 && 1 / value < 0)) passage.special = true;
      passage.bytes += 8;
      return value;
    case "boolean":
      passage.bytes += 8;
      return value;
    case "string":
      passage.bytes += value.length;
      if (passage.bytes > passage.bytesMax) throw refused;
      return value;
    case "bigint":
      passage.special = true;
      passage.bytes += bigintBytes(value);
      if (passage.bytes > passage.bytesMax) throw refused;
      return value;
    case "object":
      return value === null ? copyNull(passage) : copyObject(value, passage, depth);
    case "undefined":
      if (depth === 0) return value;
      throw refused;
    default:
      throw refused;
  }
}

function copyNull(passage: Passage): null {
  passage.bytes += 8;
  return null;
}

function copyObject(value: object, passage: Passage, depth: number): unknown {
  if (depth > depthMax) throw refused;
  if (Array.isArray(value)) {
    const length = value.length;
    passage.bytes += 8 + length;
    if (passage.bytes > passage.bytesMax) throw refused;
    const result: unknown[] = new Array(length);
    for (let i = 0; i < length; i++) result[i] = copy(value[i], passage, depth + 1);
    return result;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype === plain || prototype === null) return copyPlain(value, passage, depth);
  passage.special = true;
  if (value instanceof Reference) {
    passage.bytes += 64;
    return passage.bind(value);
  }
  const array = smallArray(value);
  if (array === undefined) throw refused;
  passage.bytes += array.byteLength;
  if (passage.bytes > passage.bytesMax) throw refused;
  return array.slice();
}

function copyPlain(value: object, passage: Passage, depth: number): unknown {
  const result: Record<string, unknown> = {};
  const source: Record<string, unknown> = Object.getPrototypeOf(value) === null ? { ...value } : value as typeof result;
  for (const key in source) {
    const member = source[key];
    // A member that is absent and one that is undefined are the same to JSON.
    if (member === undefined) continue;
    if (key === "__proto__") throw refused;
    if (key === "$") passage.special = true;
    passage.bytes += key.length;
    result[key] = copy(member, passage, depth + 1);
  }
  passage.bytes += 8;
  if (passage.bytes > passage.bytesMax) throw refused;
  if (result["ref"] === "tensor" && typeof result["id"] === "string" && typeof result["bytes"] === "number") {
    (passage.tensors ??= []).push(result as unknown as TensorRef);
  }
  return result;
}

type Sliceable = Uint8Array | Float64Array | BigInt64Array;

/** The arrays that may be sent, as arrays of their own kind: a Buffer arrives as the bytes that it is. */
function smallArray(value: object): Sliceable | undefined {
  if (!ArrayBuffer.isView(value) || value instanceof DataView) return undefined;
  if (value instanceof Uint8Array && value.constructor !== Uint8Array) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return value as Sliceable;
}

function bigintBytes(value: bigint): number {
  return value >= -0x8000_0000_0000_0000n && value < 0x1_0000_0000_0000_0000n ? 8 : value.toString(16).length;
}

/** Walks again, with the path this time, to say which member is wrong. */
function refusal(value: unknown, bytesMax: number): ShoalError {
  const fault = findFault(value, "message", new Set());
  if (fault !== undefined) return new ShoalError("BadInput", `Cannot send ${fault}`);
  return new ShoalError(
    "TooLarge",
    `Cannot send message: it weighs more than ${bytesMax} bytes; put large data into the store and send the reference`,
  );
}

function findFault(value: unknown, path: string, above: Set<object>): string | undefined {
  if (typeof value === "function") return `${path}: functions cannot be sent, send a method's name or a reference`;
  if (typeof value === "symbol") return `${path}: symbols cannot be sent`;
  if (typeof value === "undefined") return above.size > 0 ? `${path}: it is undefined, send null` : undefined;
  if (typeof value !== "object" || value === null || value instanceof Reference) return undefined;
  if (above.has(value)) return `${path}: it contains itself, and a message is a tree`;
  if (above.size > depthMax) return `${path}: nested more than ${depthMax} deep`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return undefined;
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== plain && prototype !== null) {
    return `${path}: a ${prototype?.constructor?.name || "class"} instance cannot be sent, send plain data`;
  }
  above.add(value);
  const members: Iterable<[string, unknown]> = Array.isArray(value)
    ? Array.from(value, (member, i): [string, unknown] => [`${path}[${i}]`, member])
    : Object.entries(value).filter(([, member]) => member !== undefined)
      .map(([key, member]): [string, unknown] => [memberPath(path, key), member]);
  for (const [memberAt, member] of members) {
    if (memberAt === `${path}.__proto__`) return `${memberAt}: this name would change what the object is`;
    const fault = findFault(member, memberAt, above);
    if (fault !== undefined) return fault;
  }
  above.delete(value);
  return undefined;
}

function memberPath(path: string, key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}
