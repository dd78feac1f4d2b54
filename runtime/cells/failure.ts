// What went wrong and with whom, as others get to see it: plain, as it would be from another node.

import { inspect } from "node:util";
import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { ActorIdentity, ErrorRecord } from "../run/records.ts";

interface Identified {
  readonly id: string;
  readonly className: string;
  readonly extras: { readonly name?: string } | undefined;
}

/** Who an actor is, for records. */
export function identity(cell: Identified): ActorIdentity {
  const name = cell.extras?.name;
  return name === undefined ? { id: cell.id, class: cell.className } : { id: cell.id, class: cell.className, name };
}

/** What a caller gets whose handler threw. */
export function handlerError(what: string, thrown: unknown): ShoalError {
  if (!isError(thrown)) {
    const text = safely(() => inspect(thrown));
    return new ShoalError("HandlerError", `${what}: ${text}`, { outcome: "done", cause: text });
  }
  const cause = plainError(thrown);
  return new ShoalError("HandlerError", `${what}: ${cause.name}: ${cause.message}`, { outcome: "done", cause });
}

function plainError(error: Error): Error {
  const plain = new Error(safely(() => error.message));
  plain.name = safely(() => error.name);
  // Writing out a stack costs more than a crash and a restart together: only when somebody reads it.
  Object.defineProperty(plain, "stack", { get: () => safely(() => error.stack), configurable: true });
  return hasCode(error) ? Object.assign(plain, { code: safely(() => error.code) }) : plain;
}

function hasCode(error: Error): error is Error & { readonly code: unknown } {
  return safely(() => "code" in error) === "true";
}

/** What a caller gets whose answer is no message. */
export function unanswerable(call: { readonly what: string }, cause: unknown): ShoalError {
  const why = safely(() => isError(cause) ? cause.message : cause).replace(/^Cannot send message/, "answer");
  const code = isShoalError(cause) ? cause.code : "BadInput";
  return new ShoalError(code, `${call.what}: its answer cannot be sent, ${why}`, { outcome: "done", cause });
}

/** What a record keeps. */
export function errorRecord(error: unknown): ErrorRecord {
  if (!isError(error)) return { code: "Error", message: safely(() => inspect(error)) };
  const code = safely(() => isShoalError(error) ? error.code : error.name);
  return { code, message: safely(() => error.message), stack: safely(() => error.stack) };
}

/** What users throw may throw itself when it is looked at, also when it is asked what it is. */
function isError(value: unknown): value is Error {
  try {
    return value instanceof Error;
  } catch {
    return false;
  }
}

export function safely(read: () => unknown): string {
  try {
    return String(read());
  } catch {
    return "unreadable";
  }
}
