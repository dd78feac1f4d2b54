// What a message or an answer is between nodes: a JSON text, and the bytes of the arrays that JSON has no words for.

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { isErrorCode, type Outcome, ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { bytesOf } from "../messages/arrays.ts";
import { messageJson, messageOf, messageText } from "../messages/codec.ts";
import type { Passage } from "../messages/message.ts";

/** One that is kept here has its `text`; one that came in a packet, or only leaves in one, has its `json`. */
export interface Body {
  /** Empty for an answer. */
  readonly method: string;
  readonly text: string | undefined;
  readonly json: unknown;
  readonly special: boolean;
  /** Its arrays, one behind the other, each padded to a multiple of 8. */
  readonly arrays: Uint8Array;
  /** It references tensors. */
  readonly tensors: boolean;
  /** The caller's number for this call, by which it can be cancelled; 0 for what cannot. */
  readonly call: number;
  /** When it was sent, to a durable actor: for its step that is now, also where it runs again. 0 for others. */
  readonly at: number;
  /** How many partial results its caller takes ahead; 0 for a call that is no stream. */
  readonly credit: number;
}

/** What the body of a value alone does not say: messages are many, and none has a field for it. */
export abstract class Plain {
  get text(): undefined {
    return undefined;
  }

  get special(): boolean {
    return false;
  }

  get arrays(): Uint8Array {
    return noArrays;
  }

  get tensors(): boolean {
    return false;
  }

  get credit(): number {
    return 0;
  }

  get at(): number {
    return 0;
  }
}

/** That of a value which leaves and needs no more words than a name: whatever carries it is its body, too. */
export abstract class Bare extends Plain implements Body {
  abstract readonly method: string;
  abstract readonly json: unknown;
  abstract readonly call: number;
}

/** Bytes that are written as base64 where a body stands in JSON. */
function writable(bytes: Uint8Array): Uint8Array {
  return Object.defineProperty(bytes, "toJSON", { value: () => Buffer.from(bytes).toString("base64") });
}

export const noArrays: Uint8Array = writable(new Uint8Array(0));

/** A body as JSON had it. */
export function bodyFrom(json: Body): Body {
  const { arrays } = json as { readonly arrays: unknown };
  return typeof arrays === "string" ? { ...json, arrays: writable(Buffer.from(arrays, "base64")) } : json;
}

/** What was found out about a value on its passage. */
export type Found = Pick<Passage, "special" | "tensors">;

/** Of a value that needed no passage: of numbers, some have no word in JSON. */
export function plain(value: unknown): Found {
  const isSpecial = typeof value === "number" && (value - value !== 0 || (value === 0 && 1 / value < 0));
  return isSpecial ? specialFound : plainFound;
}

const plainFound: Found = { special: false, tensors: undefined };
const specialFound: Found = { special: true, tensors: undefined };

/** A body for a value that `copyMessage` let pass. As text it can be opened often, and stand in a journal. */
export function bodyOf(method: string, value: unknown, found: Found, call: number, credit: number, at = 0): Body {
  const views: ArrayBufferView[] = [];
  const text = messageText(value, found.special, views);
  const arrays = views.length === 0 ? noArrays : joined(views);
  const { special, tensors } = found;
  return { method, text, json: undefined, special, arrays, tensors: tensors !== undefined, call, credit, at };
}

/** A body that only leaves in packets: it becomes text there, with its neighbours. The value is its own from here on. */
export function leavingBody(method: string, value: unknown, found: Found, call: number, credit: number): Body {
  const { special } = found;
  const tensors = found.tensors !== undefined;
  const views: ArrayBufferView[] = [];
  const json = special ? messageJson(value, views) : value;
  const arrays = views.length === 0 ? noArrays : joined(views);
  return { method, text: undefined, json, special, arrays, tensors, call, credit, at: 0 };
}

/** A body for an answer or a state. */
export function plainBody(value: unknown, found: Found = { special: false, tensors: undefined }): Body {
  return bodyOf("", value, found, 0, 0);
}

/** The text that is all of a body, as of most answers; nothing where it has more to it. */
export function textIn(body: Body | undefined): string | undefined {
  if (body === undefined) return undefined;
  const { method, text, special, arrays, tensors, call, at, credit } = body;
  const isAll = method === "" && !special && arrays.length === 0 && !tensors && call === 0 && at === 0 && credit === 0;
  return isAll ? text : undefined;
}

/** The body that is all in such a text. */
export function bodyWith(text: string): Body {
  const rest = { json: undefined, special: false, arrays: noArrays, tensors: false, call: 0, credit: 0, at: 0 };
  return { method: "", text, ...rest };
}

function joined(arrays: readonly ArrayBufferView[]): Uint8Array {
  let size = 0;
  for (const { byteLength } of arrays) size += aligned(byteLength);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const array of arrays) {
    bytes.set(bytesOf(array), at);
    at += aligned(array.byteLength);
  }
  return writable(bytes);
}

function aligned(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** The value of a body: each opening of one that was made here gives a new copy. Throws `Corrupt` on garbage. */
export function openBody(
  { text, json, special, arrays }: Body,
  resolve: (id: string, className: string) => unknown,
): unknown {
  try {
    const value: unknown = text === undefined ? json : text === "" ? undefined : JSON.parse(text);
    return special ? messageOf(value, arrays, resolve) : value;
  } catch (error) {
    throw new ShoalError("Corrupt", "Cannot read message: it is damaged", { cause: error });
  }
}

/** Whether two asks are the same. */
export function digestOf({ method, text = "" }: Body): string {
  return createHash("sha1").update(method).update(text).digest("base64");
}

/** An error as an answer. */
export function bodyOfError(error: unknown): Body {
  const { code, outcome, message, cause } = error instanceof ShoalError
    ? error
    : { code: "HandlerError", outcome: "done", message: String(error), cause: undefined };
  return plainBody({ code, outcome, message, cause: causeText(cause) });
}

interface Cause {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly code: string | null;
}

function causeText(cause: unknown): Cause | null {
  if (!(cause instanceof Error)) return null;
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : null;
  return { name: cause.name, message: cause.message, stack: cause.stack ?? "", code };
}

/** The error that an answer brings, as its asker gets to see it. */
export function errorOf(body: Body): ShoalError {
  const value = openBody(body, () => undefined);
  const members = isObject(value) ? value : {};
  const { code, outcome, message } = members;
  return new ShoalError(isErrorCode(code) ? code : "HandlerError", text(message), {
    outcome: isOutcome(outcome) ? outcome : "unknown",
    cause: causeOf(members["cause"]),
  });
}

function causeOf(value: unknown): Error | undefined {
  if (!isObject(value)) return undefined;
  const error = new Error(text(value["message"]));
  error.name = text(value["name"]);
  Object.defineProperty(error, "stack", { value: text(value["stack"]), configurable: true, writable: true });
  return typeof value["code"] === "string" ? Object.assign(error, { code: value["code"] }) : error;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isOutcome(value: unknown): value is Outcome {
  return value === "done" || value === "failed" || value === "unknown";
}

function text(value: unknown): string {
  return typeof value === "string" ? value : String(value);
}

/** The names by which the delivery core pins tensors. The bytes inside a reference need nobody to hold them. */
export function pinsOf(references: readonly TensorRef[]): string[] {
  return references.filter(({ inline }) => inline === undefined).map((reference) => JSON.stringify(reference));
}
