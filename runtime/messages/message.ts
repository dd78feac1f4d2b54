// What a message may be, and its passage from one actor to another: checked, weighed, and copied, so that it belongs
// to the receiver. The same rules hold within a thread and between nodes.

import { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { arrayName, copyArray } from "./arrays.ts";
import type { SmallArray } from "../ref.ts";
import { Reference } from "../reference.ts";

/** One passage: what was found on the way, and how references are bound to the receiver. */
export interface Passage {
  /** What the message weighs itself. */
  bytes: number;
  /** The tensors it references: they are pinned while it is under way. */
  tensors: TensorRef[] | undefined;
  /** Whether plain JSON would not do. */
  special: boolean;
  readonly bytesMax: number;
  /** Makes a reference the receiver's; nothing for one that leads out of its system. */
  readonly bind: (reference: Reference) => Reference | undefined;
}

/** How deep a message may be nested. */
export const depthMax = 64;
/** What a reference to an actor weighs. */
const referenceBytes = 64;
/** Thrown by the fast walk, which keeps no path; the slow walk then finds out where and why. */
const refused = Symbol("refused");
const plain = Object.prototype;

/** A copy of a value that may be sent. Throws `BadInput` that names the member which may not, or `TooLarge`. */
export function copyMessage(value: unknown, passage: Passage): unknown {
  try {
    return copy(value, passage, 0);
  } catch (error) {
    throw error === refused ? refusal(value, passage) : unreadable(error);
  }
}

/** A getter or a proxy of the sender's threw, or an array has lost its memory. */
function unreadable(cause: unknown): ShoalError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ShoalError("BadInput", `Cannot send message: reading it threw ${why}`, { cause });
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
      return value;
    case "boolean":
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
      return value === null ? null : copyObject(value, passage, depth);
    case "undefined":
      if (depth === 0) return value;
      throw refused;
    default:
      throw refused;
  }
}

function copyObject(value: object, passage: Passage, depth: number): unknown {
  if (depth > depthMax) throw refused;
  if (Array.isArray(value)) return copyList(value, passage, depth);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === plain || prototype === null) return copyPlain(value, passage, depth);
  passage.special = true;
  if (value instanceof Reference) {
    passage.bytes += referenceBytes;
    if (passage.bytes > passage.bytesMax) throw refused;
    const bound = passage.bind(value);
    if (bound === undefined) throw refused;
    return bound;
  }
  const name = arrayName(value);
  if (name === undefined) throw refused;
  const array = value as SmallArray;
  passage.bytes += array.byteLength;
  if (passage.bytes > passage.bytesMax) throw refused;
  return copyArray(array, name);
}

function copyList(value: readonly unknown[], passage: Passage, depth: number): unknown[] {
  const { length } = value;
  // Weighed before anything is copied: a list may say that it is longer than memory.
  passage.bytes += 8 + 8 * length;
  if (passage.bytes > passage.bytesMax) throw refused;
  const result: unknown[] = new Array(length);
  for (let i = 0; i < length; i++) result[i] = copy(value[i], passage, depth + 1);
  return result;
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
    passage.bytes += 8 + key.length;
    if (passage.bytes > passage.bytesMax) throw refused;
    result[key] = copy(member, passage, depth + 1);
  }
  passage.bytes += 8;
  if (passage.bytes > passage.bytesMax) throw refused;
  // What is pinned is not what the receiver gets: that is its own, and it may change it.
  if (isTensorRef(result)) (passage.tensors ??= []).push(Object.freeze({ ...result }));
  return result;
}

/** Enough to tell a reference from other data; the store looks closer before it believes one. */
function isTensorRef(value: object): value is TensorRef {
  return "ref" in value && value.ref === "tensor" && "id" in value && typeof value.id === "string" &&
    "bytes" in value && typeof value.bytes === "number" && value.bytes >= 0;
}

function bigintBytes(value: bigint): number {
  return value >= -0x8000_0000_0000_0000n && value < 0x1_0000_0000_0000_0000n ? 8 : value.toString(16).length;
}

/** Walks again, with the path this time, to say which member is wrong. */
function refusal(value: unknown, passage: Passage): ShoalError {
  const { bytesMax } = passage;
  try {
    const fault = findFault(value, "message", { above: new Set(), left: visitsMax, passage });
    if (fault !== undefined) return new ShoalError("BadInput", `Cannot send ${fault}`);
  } catch (error) {
    return unreadable(error);
  }
  return new ShoalError(
    "TooLarge",
    `Cannot send message: it weighs more than ${bytesMax} bytes; put large data into the store and send the reference`,
  );
}

interface Search {
  readonly above: Set<object>;
  /** How many members may still be looked at: a small message can be a large tree. */
  left: number;
  readonly passage: Passage;
}

const visitsMax = 1_000_000;

function findFault(value: unknown, path: string, search: Search): string | undefined {
  const { above, passage } = search;
  if (--search.left < 0) return undefined;
  if (typeof value === "function") return `${path}: functions cannot be sent, send a method's name or a reference`;
  if (typeof value === "symbol") return `${path}: symbols cannot be sent`;
  if (typeof value === "undefined") return above.size > 0 ? `${path}: it is undefined, send null` : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof Reference) {
    return passage.bind(value) === undefined ? `${path}: it refers to an actor of another system` : undefined;
  }
  if (above.has(value)) return `${path}: it contains itself, and a message is a tree`;
  if (above.size > depthMax) return `${path}: nested more than ${depthMax} deep`;
  if (arrayName(value) !== undefined) return undefined;
  const prototype = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== plain && prototype !== null) {
    return `${path}: a ${prototype.constructor?.name || "class"} instance cannot be sent, send plain data`;
  }
  above.add(value);
  const fault = Array.isArray(value) ? faultInList(value, path, search) : faultInMembers(value, path, search);
  above.delete(value);
  return fault;
}

function faultInList(value: readonly unknown[], path: string, search: Search): string | undefined {
  for (let i = 0; i < value.length && search.left > 0; i++) {
    const fault = findFault(value[i], `${path}[${i}]`, search);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultInMembers(value: object, path: string, search: Search): string | undefined {
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const at = /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
    const fault = key === "__proto__"
      ? `${at}: this name would change what the object is`
      : findFault(member, at, search);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
