// The digest of a task's input: the same for the same data whatever the order of an object's members, in every
// process, on every runtime. What is recorded of a task is found again by it.

import { createHash } from "node:crypto";
import { Reference } from "../reference.ts";

const depthMax = 128;

/** 128 bits of SHA-256 over a value in one form, as hex digits. The value is one that can be sent. */
export function digestOf(parts: readonly unknown[]): string {
  return createHash("sha256").update(form(parts, 0)).digest("hex").slice(0, 32);
}

/** One text for each value: every kind begins with a letter of its own, and what may hold anything has its length. */
function form(value: unknown, depth: number): string {
  if (depth > depthMax) throw new RangeError(`nested more than ${depthMax} deep`);
  switch (typeof value) {
    case "string":
      return text(value);
    case "number":
      return `n${Object.is(value, -0) ? "-0" : String(value)};`;
    case "bigint":
      return `i${value};`;
    case "boolean":
      return value ? "t" : "f";
    case "object":
      break;
    default:
      return "u";
  }
  if (value === null) return "0";
  if (Array.isArray(value)) return `[${value.map((item) => form(item, depth + 1)).join("")}]`;
  if (value instanceof Reference) return `r${text(value.id)}`;
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return `b${text(value.constructor.name)}${createHash("sha256").update(bytes).digest("hex")}`;
  }
  // A member that is undefined and one that is absent are the same to a message.
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => text(key) + form(member, depth + 1)).join("")}}`;
}

const text = (value: string): string => `s${value.length}:${value}`;
