// What is known of a tensor of this opening's own arena, and what may be done with it. Types only.
import type { ShoalError } from "../error.ts";
import type { Holder, Lifetime, StoreEnvironment, TensorEntry, TensorRef } from "../store.ts";
import type { Arena } from "./arena.ts";
import type { Roster } from "./roster.ts";
import type { Chunk, Space } from "./space.ts";

export interface Entry {
  readonly id: string;
  readonly slot: number;
  readonly count: number;
  readonly bytes: number;
  /** Where it lies, if it has any bytes; and its dimensions behind the eighth, if it has them. */
  readonly chunk: Chunk | undefined;
  readonly more: Chunk | undefined;
  readonly lifetime: Lifetime;
  state: TensorEntry["state"];
  ref: TensorRef | undefined;
  deadline: number;
  /** By this process, and by others that have ended. */
  reads: number;
  pins: Set<Holder> | undefined;
  views: number;
  sum: number | undefined;
  corrupt: boolean;
}

export interface Owned {
  readonly size: number;
  readonly isEmpty: boolean;
  /** An entry for bytes that have room already. Throws ENOSPC or Crowded. */
  add(bytes: number, dimensions: number, lifetime: Lifetime): Entry;
  seal(entry: Entry, ref: TensorRef, sum: number | undefined): void;
  discard(entry: Entry): void;
  /** The same for a draft that never came to be: its room is kept for the next try. */
  retract(entry: Entry): void;
  /** The tensor that stands under an id. Throws Missing or Expired. */
  standing(id: string): Entry;
  held(id: string): Entry | undefined;
  pin(entry: Entry, holder: Holder): void;
  unpin(entry: Entry, holder: Holder, read: boolean): void;
  view(entry: Entry): void;
  unview(entry: Entry): void;
  release(entry: Entry): void;
  list(): Iterable<TensorEntry>;
  verify(entry: Entry): void;
  /** Takes notice of what others have released, let go, or left behind when they ended. */
  look(thoroughly: boolean): void;
  /** Whether somebody else keeps something that is gone here, so that looking again may free it. */
  readonly isWaiting: boolean;
  /** Ends all of them, and answers what was found written to. */
  close(): ShoalError[];
}

export interface OwnedOptions {
  readonly run: string;
  readonly arena: Arena;
  readonly roster: Roster;
  readonly space: Space;
  /** So many bytes are free again. */
  readonly leave: (bytes: number) => void;
  readonly environment: StoreEnvironment;
  readonly sums: boolean;
  readonly graceMs: number;
  /** In strict mode: throws where the bytes were written to since they were given back. */
  readonly onTake: (chunk: Chunk) => void;
  readonly onGive: (chunk: Chunk, id: string) => void;
  /** Room has become free. */
  readonly onFreed: () => void;
  /** The bytes of an entry, to sum them up. */
  readonly bytesOf: (entry: Entry) => Uint8Array;
  /** Something is gone, and others keep it: looking again will free it. */
  readonly onKept: () => void;
}
