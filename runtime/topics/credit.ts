// How far a publisher may go on: what its readers have not read yet is bounded, in entries and in bytes. How far they
// are stands in logs of their own.

import { isShoalError } from "../../stores/error.ts";
import type { Entry, Logs, Position } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { pause } from "../nodes/patience.ts";
import { decodeProgress, type TopicNames, trimmedThrough, writerName } from "./frames.ts";
import type { Members } from "./members.ts";

export interface CreditParts {
  readonly names: TopicNames;
  readonly publisher: string;
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly readersMin: number;
  readonly logs: Logs;
  readonly members: Members;
  readonly environment: Pick<Environment, "after">;
  /** Ends the waits. */
  readonly signal: AbortSignal;
  /** Tells of the end of the actor that reads; the answer stops that. */
  watch(reader: string, ended: () => void): () => void;
}

export interface Credit {
  /** The number of the last entry that all readers have read. */
  readonly through: number;
  /** What the slowest reader is behind, in words. */
  readonly why: string;
  /** How many entries may follow, the next of which weighs so much. One may always go where nothing is ahead. */
  allows(weight: number): boolean;
  sent(number: number, weight: number): void;
  /** What was sent beyond this number is not in the log. */
  unsent(number: number): void;
  /** Finds out how far the readers are. */
  look(): Promise<void>;
  /** Until a reader has said something, or a while. */
  changed(): Promise<void>;
  close(): void;
}

interface Reader {
  readonly id: string;
  readonly name: string;
  at: Position | undefined;
  through: number;
  hasLeft: boolean;
  /** Its actor has ended. */
  isGone: boolean;
  readonly unwatch: () => void;
}

const waitMs = { first: 2, max: 250 };
const wordMs = 500;
const framesMax = 1_024;

/** A publisher that waits for nobody. */
export const noCredit: Credit = {
  through: Number.POSITIVE_INFINITY,
  why: "",
  allows: () => true,
  sent() {},
  unsent() {},
  look: () => Promise.resolve(),
  changed: () => Promise.resolve(),
  close() {},
};

export function credit(parts: CreditParts): Credit {
  const { names, publisher, entriesMax, bytesMax, readersMin, logs, members, environment, signal } = parts;
  const readers = new Map<string, Reader>();
  const gone = new Set<string>();
  let ahead: { readonly number: number; readonly weight: number }[] = [];
  let first = 0;
  let bytes = 0;
  let through = 0;
  let latest = 0;
  /** How many members were looked at. */
  let seen = 0;
  let delayMs = waitMs.first;

  const present = (): Reader[] => [...readers.values()].filter(({ hasLeft, isGone }) => !hasLeft && !isGone);

  function slowest(): Reader | undefined {
    let found: Reader | undefined;
    for (const reader of present()) if (found === undefined || reader.through < found.through) found = reader;
    return found;
  }

  function settle(): void {
    // Who has come and left has read what it wanted; who has not come yet has read nothing.
    if (readers.size < readersMin) return;
    const slow = slowest();
    // Where all have left, nobody is waited for.
    const least = slow === undefined ? latest : slow.through;
    if (least <= through) return;
    through = least;
    while (first < ahead.length && ahead[first]!.number <= through) bytes -= ahead[first++]!.weight;
    if (first < 64 || first * 2 < ahead.length) return;
    ahead = ahead.slice(first);
    first = 0;
  }

  async function find(): Promise<void> {
    await members.look();
    for (; seen < members.list.length; seen++) {
      const { role, id } = members.list[seen]!;
      if (role !== "reader") continue;
      const name = writerName(names.readers, id);
      const reader: Reader = {
        id,
        name,
        at: undefined,
        through: 0,
        hasLeft: false,
        isGone: false,
        unwatch: parts.watch(id, () => {
          // It may be told at once.
          gone.add(name);
          const known = readers.get(name);
          if (known !== undefined) known.isGone = true;
        }),
      };
      reader.isGone = gone.has(name);
      readers.set(name, reader);
    }
  }

  async function read(reader: Reader, ms: number): Promise<boolean> {
    let entries: readonly Entry[];
    try {
      entries = await logs.read(reader.name, reader.at, { entriesMax: framesMax, waitMs: ms, signal });
    } catch (error) {
      const trimmed = trimmedThrough(error);
      if (trimmed === undefined) throw error;
      reader.at = trimmed;
      return await read(reader, 0);
    }
    for (const { epoch, sequence, frame } of entries) {
      reader.at = { epoch, sequence };
      const progress = decodeProgress(frame);
      reader.through = progress.read[publisher] ?? reader.through;
      reader.hasLeft = progress.left === true;
    }
    return entries.length > 0;
  }

  return {
    get through() {
      return through;
    },
    get why() {
      if (readers.size < readersMin) return `${readers.size} of ${readersMin} readers have come`;
      const slow = slowest();
      return slow === undefined ? "its readers have left" : `${slow.id} has read ${slow.through} of its entries`;
    },
    allows(weight) {
      const entries = ahead.length - first;
      return entries === 0 || (entries < entriesMax && bytes + weight <= bytesMax);
    },
    sent(number, weight) {
      // What is appended again under its number is ahead once.
      if (number <= latest) return;
      latest = number;
      ahead.push({ number, weight });
      bytes += weight;
    },
    unsent(number) {
      latest = Math.min(latest, number);
      while (first < ahead.length && ahead.at(-1)!.number > number) bytes -= ahead.pop()!.weight;
    },
    async look() {
      await find();
      // Whoever has left may come back.
      for (const reader of readers.values()) if (!reader.isGone && await read(reader, 0)) delayMs = waitMs.first;
      settle();
    },
    async changed() {
      const slow = readers.size < readersMin ? undefined : slowest();
      try {
        if (slow !== undefined) {
          await read(slow, wordMs);
          return settle();
        }
      } catch (error) {
        if (isShoalError(error, "Cancelled")) return;
        throw error;
      }
      await pause(environment, delayMs, signal);
      delayMs = Math.min(2 * delayMs, waitMs.max);
    },
    close() {
      for (const { unwatch } of readers.values()) unwatch();
    },
  };
}
