// What the processes of the kill harness say, a line of JSON each, before and after everything that they do: what was
// acknowledged to them is known by this alone. And what is in the tensors and frames that they make.
import { Buffer } from "node:buffer";
import type { Position, TensorRef } from "../../store.ts";

/** `who` counts the processes of a harness, `count` what one of them has made. */
export type Said =
  | { readonly say: "ready" }
  /** The parent has woken it: what it says from here on was begun after that. */
  | { readonly say: "woken" }
  | { readonly say: "claiming"; readonly epoch: number }
  | {
    readonly say: "claimed";
    readonly epoch: number;
    readonly held: boolean;
    readonly who: number;
    readonly by: number;
  }
  /** It has opened its epoch; `seen` is what stood under the older ones then, by epoch. */
  | { readonly say: "opened"; readonly epoch: number; readonly seen: Readonly<Record<string, number>> }
  | { readonly say: "putting"; readonly counts: readonly number[] }
  | { readonly say: "put"; readonly count: number; readonly ref: TensorRef; readonly isBrief: boolean }
  | { readonly say: "releasing" | "released"; readonly id: string }
  | { readonly say: "appending"; readonly counts: readonly number[] }
  | { readonly say: "appended"; readonly counts: readonly number[]; readonly at: Position }
  /** An append was refused because a newer epoch is open. */
  | { readonly say: "fenced" }
  | { readonly say: "read"; readonly slot: number; readonly at: Position; readonly who: number; readonly count: number }
  | { readonly say: "got" | "missing"; readonly id: string }
  | { readonly say: "sweeping" }
  | { readonly say: "swept"; readonly what: string }
  | { readonly say: "problem"; readonly what: string };

/** What a process is told at its start, as one argument. */
export interface Task {
  readonly role: "write" | "read" | "sweep";
  readonly url: string;
  /** A module that exports `openStore` in place of shoal's, for stores that have no URL of their own yet. */
  readonly opener: string | undefined;
  readonly run: string;
  readonly who: number;
  readonly slot: number;
  readonly slots: number;
  readonly seed: number;
}

/** A frame of a stream: who wrote it, the how many'th of theirs it is, and a tensor that was put, or is let go. */
export interface Frame {
  readonly who: number;
  readonly count: number;
  readonly ref?: TensorRef;
  readonly fill?: number;
  /** Its lease is over soon: it may be there or not. */
  readonly isBrief?: boolean;
  readonly lets?: string;
  readonly padding?: string;
}

export const streamOf = (slot: number): string => `kills/${slot}`;
export const claimOf = (slot: number): string => `kills/${slot}`;
export const fillOf = (who: number, count: number): number => who * 65_537 + count;

/** Bytes that tell one tensor of a harness from every other, and each position from those near it. */
export function bytesOf(fill: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const [a, b] = [fill % 251, Math.floor(fill / 251) % 256];
  // From there on it repeats itself.
  const first = Math.min(length, 2 ** 16);
  for (let index = 0; index < first; index++) bytes[index] = a + index * 31 + ((index >> 8) * 7 ^ b);
  for (let done = first; done < length; done *= 2) bytes.copyWithin(done, 0, done);
  return bytes;
}

/** What is wrong with the bytes of a tensor, if anything is. */
export function wrongIn(found: Uint8Array, ref: TensorRef, fill: number): string | undefined {
  if (found.byteLength !== ref.bytes) return `${found.byteLength} of ${ref.bytes} bytes`;
  const wanted = bytesOf(fill, ref.bytes);
  if (Buffer.compare(found, wanted) === 0) return undefined;
  const at = found.findIndex((byte, index) => byte !== wanted[index]);
  if (at < 0) return "its bytes change while they are looked at";
  return `byte ${at} of ${ref.bytes} is ${found[at]}, not ${wanted[at]}`;
}

/** Numbers from 0 to below 1 that follow from a seed. */
export function chanceFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const nameOf = ({ epoch, sequence }: Position): string => `${epoch}-${sequence}`;
