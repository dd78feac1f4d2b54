// What the threads of one `memory:` store say to each other. Bytes cross as one buffer and lengths, never as views,
// which some runtimes walk element by element. Errors cross with their code and outcome, which cloning would lose.
import type { MessagePort } from "node:worker_threads";
import { type ErrorCode, isErrorCode, isShoalError, type Outcome, ShoalError } from "../error.ts";
import type { Ground } from "./words.ts";

/** Several byte arrays as one. */
export interface Packed {
  readonly buffer: ArrayBuffer;
  readonly lengths: readonly number[];
}

/** The first that a thread hears of the store that it opens. */
export interface Hello {
  readonly type: "hello";
  readonly ground: Ground;
  readonly thread: number;
  readonly settings: Settings;
  readonly slabs: readonly (readonly [number, SharedArrayBuffer])[];
  readonly peers: readonly (readonly [number, MessagePort])[];
}

/** How a store was opened: the same in each of its threads. */
export interface Settings {
  readonly run: string;
  readonly url: string;
  readonly prefix: string;
  /** Known to the threads of the store alone. */
  readonly secret: string;
  readonly strict: boolean;
  readonly verify: "entry" | "always";
  readonly capacityBytes: number;
  readonly full: "wait" | "reject";
  readonly waitMs: number;
  readonly graceMs: number;
}

export type FromHome =
  | Hello
  | { readonly type: "peer"; readonly thread: number; readonly port: MessagePort }
  | { readonly type: "gone"; readonly thread: number }
  | { readonly type: "answer"; readonly call: number; readonly value?: unknown; readonly error?: SentError }
  | { readonly type: "drain" }
  | { readonly type: "closed" };

export type FromGuest =
  | { readonly type: "call"; readonly call: number; readonly what: Callable; readonly given: readonly unknown[] }
  | { readonly type: "cancel"; readonly call: number }
  | { readonly type: "drain" }
  | { readonly type: "bye" };

/** What a thread has done for it by the one that opened the store first. */
export type Callable = "append" | "read" | "trim" | "streams" | "claim" | "claimed" | "claims" | "slab";

/** To the other threads, over a port between each two. */
export interface SlabMade {
  readonly slab: number;
  readonly buffer: SharedArrayBuffer | undefined;
}

export interface SentError {
  readonly code: string;
  readonly message: string;
  readonly outcome: Outcome;
  readonly cause: unknown;
}

export function packed(frames: readonly Uint8Array[]): Packed {
  const lengths = frames.map((frame) => frame.byteLength);
  const all = new Uint8Array(lengths.reduce((total, length) => total + length, 0));
  let at = 0;
  for (const frame of frames) {
    all.set(frame, at);
    at += frame.byteLength;
  }
  return { buffer: all.buffer, lengths };
}

export function unpacked({ buffer, lengths }: Packed): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return new Uint8Array(buffer, at - length, length);
  });
}

export function sentError(error: unknown): SentError {
  if (isShoalError(error)) {
    const { code, message, outcome, cause } = error;
    return { code, message, outcome, cause: plain(cause) };
  }
  return { code: "Unavailable", message: String(error), outcome: "unknown", cause: undefined };
}

export function receivedError({ code, message, outcome, cause }: SentError): ShoalError {
  const known: ErrorCode = isErrorCode(code) ? code : "Unavailable";
  return new ShoalError(known, message, cause === undefined ? { outcome } : { outcome, cause });
}

/** Positions and texts cross as they are; anything else as text. */
function plain(cause: unknown): unknown {
  if (cause === undefined) return undefined;
  try {
    return JSON.parse(JSON.stringify(cause));
  } catch {
    return String(cause);
  }
}
