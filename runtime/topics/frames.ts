// What a topic leaves in the store: the names of its logs and claims, and what stands in them.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { Position } from "../../stores/store.ts";
import { decodeMessage, encodeMessage } from "../messages/codec.ts";

const nameCharsMax = 100;
/** With the topic's name, and what both become as parts of a longer one, below what stores take. */
const writerCharsMax = 200;

export function checkTopic(name: unknown): asserts name is string {
  const what = "Cannot use topic";
  if (typeof name !== "string" || name === "") throw new ShoalError("BadInput", `${what}: it has no name`);
  if (name.length > nameCharsMax) {
    throw new ShoalError("BadInput", `${what}: its name has ${name.length} of at most ${nameCharsMax} characters`);
  }
  if (/\p{Surrogate}/u.test(name)) throw new ShoalError("BadInput", `${what}: its name is not well-formed text`);
}

/** Without a slash, so that where one part ends is where the next begins. */
const part = (text: string): string => text.replace(/[%/]/g, (found) => found === "%" ? "%25" : "%2F");

/** The names of one topic. Writers are publishers, who write what they publish, and readers, who write how far they are. */
export interface TopicNames {
  readonly members: string;
  readonly publishers: string;
  readonly readers: string;
}

export function namesOf(topic: string): TopicNames {
  const all = `topic/${part(topic)}/`;
  return { members: `${all}list/`, publishers: `${all}by/`, readers: `${all}for/` };
}

/** The name of a writer's claim and log. */
export function writerName(prefix: string, writer: string): string {
  if (writer.length <= writerCharsMax) return prefix + part(writer);
  throw new ShoalError("BadInput", `Cannot use topic: ${writer.slice(0, 40)}… is too long for the name of a writer`);
}

/** What a writer's claim says. */
export interface Standing {
  /** Names the log itself: one that begins again after all was lost is another. */
  readonly log: string;
  /** Whether the publisher waits for readers. */
  readonly credit: boolean;
  readonly by: string;
}

/** What stands in one frame of a publisher's log, before the message. */
export interface Head {
  /** Counts the entries of the publisher; of an end, that of the entry before it. */
  readonly number: number;
  /** What the entry weighs: itself, and the tensors that it references. */
  readonly weight: number;
  /** Counts what a durable publisher's steps have published; 0 of others. */
  readonly step: number;
  /** The tensors among that. */
  readonly tensors: boolean;
  /** The publisher has no more: the message says why. */
  readonly isEnd: boolean;
}

const headBytes = 32;
/** Whoever finds another here has another layout. */
const layout = 1;

/** A frame without its head, which is written when the entry has its number. */
export function frameFor(value: unknown, special: boolean): Uint8Array {
  return encodeMessage(value, special, headBytes);
}

export function writeHead(frame: Uint8Array, { number, weight, step, tensors, isEnd }: Head): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset, headBytes);
  view.setUint8(0, layout);
  view.setUint8(1, (tensors ? 1 : 0) + (isEnd ? 2 : 0));
  view.setFloat64(8, number, true);
  view.setFloat64(16, weight, true);
  view.setFloat64(24, step, true);
  return frame;
}

export function headIn(frame: Uint8Array): Head {
  if (frame.length < headBytes || frame[0] !== layout) {
    throw new ShoalError("Incompatible", "Cannot read topic: its log has another layout; use the shoal that wrote it");
  }
  const view = new DataView(frame.buffer, frame.byteOffset, headBytes);
  const flags = view.getUint8(1);
  return {
    number: view.getFloat64(8, true),
    weight: view.getFloat64(16, true),
    step: view.getFloat64(24, true),
    tensors: (flags & 1) > 0,
    isEnd: (flags & 2) > 0,
  };
}

/** The message of a frame. Throws `Corrupt` where there is none. */
export function messageIn(frame: Uint8Array, resolve: (id: string, className: string) => unknown): unknown {
  return decodeMessage(frame.subarray(headBytes), resolve);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How far a reader has read, by publisher; `left` is the last that it says. */
export interface Progress {
  readonly read: { readonly [publisher: string]: number };
  readonly left?: true;
}

export const encodeProgress = (progress: Progress): Uint8Array => encoder.encode(JSON.stringify(progress));
export const decodeProgress = (frame: Uint8Array): Progress => JSON.parse(decoder.decode(frame)) as Progress;

/** How far a log has been trimmed, as its error says; nothing for any other error. */
export function trimmedThrough(error: unknown): Position | undefined {
  if (!isShoalError(error, "Lost")) return undefined;
  const { through } = Object(error.cause) as { readonly through?: Position };
  return Number.isSafeInteger(through?.epoch) && Number.isSafeInteger(through?.sequence) ? through : undefined;
}
