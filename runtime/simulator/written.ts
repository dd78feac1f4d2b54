// Values as text that survives JSON: what is recorded of an actor, and compared when it is played again.

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { isShoalError, ShoalError } from "../../stores/error.ts";
import { bodyOfError, errorOf, plainBody } from "../nodes/body.ts";
import { bytesOf } from "../messages/arrays.ts";
import { copyMessage, isPrimitive, type Passage } from "../messages/message.ts";
import { messageOf, messageText } from "../messages/codec.ts";
import type { Reference } from "../reference.ts";
import type { Written } from "./part.ts";

/** Between the JSON, which has no line breaks, and the arrays behind it. */
const mark = "\n";
const noMessage = '"no message: ';

/** A value as text; of what is no message, why it is none. */
export function write(value: unknown): Written {
  if (isPlain(value)) return value === undefined ? "" : JSON.stringify(value);
  const passage: Passage = {
    bytes: 0,
    tensors: undefined,
    special: false,
    bytesMax: Number.POSITIVE_INFINITY,
    bind: (reference) => reference,
  };
  const arrays: ArrayBufferView[] = [];
  try {
    const text = messageText(copyMessage(value, passage), true, arrays);
    return arrays.length === 0 ? text : `${text}${mark}${joined(arrays)}`;
  } catch (error) {
    return `${noMessage}${JSON.stringify(error instanceof Error ? error.message : String(error)).slice(1)}`;
  }
}

/** Whether JSON says it as it is; most of what is written down is such. */
function isPlain(value: unknown): boolean {
  return isPrimitive(value) && (typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0)));
}

function joined(arrays: readonly ArrayBufferView[]): string {
  return Buffer.concat(
    arrays.map((array) => Buffer.concat([bytesOf(array)], (array.byteLength + 7) & ~7)),
  ).toString("base64");
}

/** The value of a text, with the references that `refer` makes. */
export function read(written: Written, refer: (id: string, className: string) => Reference): unknown {
  if (written === "") return undefined;
  const at = written.indexOf(mark);
  const [json, bytes] = at < 0
    ? [written, new Uint8Array(0)]
    : [written.slice(0, at), Buffer.from(written.slice(at + 1), "base64")];
  return messageOf(JSON.parse(json), bytes, refer);
}

/** An error as text. One that is none of the runtime's keeps its name and what it says. */
export function writeError(error: unknown): Written {
  if (isShoalError(error)) return JSON.stringify(bodyOfError(error).text ?? "");
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  return JSON.stringify({ name, message });
}

export function readError(written: Written): Error {
  const kept: unknown = JSON.parse(written);
  if (typeof kept === "string") return errorOf({ ...plainBody(null), text: kept });
  const { name, message } = kept as { readonly name: string; readonly message: string };
  return Object.assign(new Error(message), { name });
}

/**
 * What an actor is, as far as it can be said: a durable one by what it keeps, others by their fields. What is no message
 * is left out, field by field.
 */
export function stateOf(actor: object, isDurable: boolean): unknown {
  const { snapshot } = actor as { snapshot?: () => unknown };
  if (isDurable && snapshot !== undefined) return snapshot.call(actor);
  const said: [string, unknown][] = [];
  for (const [name, value] of Object.entries(actor)) {
    if (value !== undefined && (isPrimitive(value) || !write(value).startsWith(noMessage))) said.push([name, value]);
  }
  return Object.fromEntries(said);
}

const sumMark = "sum ";
const wholeCharsMax = 8_192;

/** A state as a line keeps it: of a long one the sum. */
export function shortened(state: Written): Written {
  if (state.length <= wholeCharsMax) return state;
  return `${sumMark}${createHash("sha256").update(state).digest("hex").slice(0, 32)} of ${state.length} characters`;
}

export const isShortened = (state: Written): boolean => state.startsWith(sumMark);

/** Makes a durable actor what it was. */
export function restore(actor: object, state: unknown): void {
  const { restore: own } = actor as { restore?: (state: unknown) => void };
  if (own !== undefined) return own.call(actor, state);
  for (const field of Object.keys(actor)) {
    if (!Object.hasOwn(state as object, field)) Reflect.set(actor, field, undefined);
  }
  Object.assign(actor, state);
}

/** What a replay says of a record that it cannot play. */
export function cannot(why: string): ShoalError {
  return new ShoalError("BadInput", `Cannot replay: ${why}`);
}
