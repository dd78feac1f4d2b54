// How a reader follows one publisher: where it is in that publisher's log, what it has fetched, and what it never will.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { Entry, Logs, Position } from "../../stores/store.ts";
import type { TopicLoss, TopicPosition } from "../topic.ts";
import { type Head, headIn, messageIn, trimmedThrough } from "./frames.ts";

export interface TrackParts {
  readonly topic: string;
  readonly publisher: string;
  /** The publisher's log. */
  readonly name: string;
  /** Names the log that stands there now. */
  readonly log: string;
  readonly logs: Logs;
  /** Behind what it begins; nothing for the first entry that is kept. */
  readonly from: TopicPosition | undefined;
  readonly aheadMax: number;
  ask<T>(what: string, call: () => Promise<T>): Promise<T>;
  entry(track: Track, entry: Entry, head: Head): void;
  lost(track: Track, loss: TopicLoss, behind: TopicPosition): void;
  /** All that there is was fetched. */
  stands(track: Track): void;
  failed(error: Error): void;
}

export interface Track {
  readonly publisher: string;
  readonly log: string;
  /** Why the publisher has no more. */
  readonly end: string | undefined;
  /** The end of the log was seen since this was last set to false. */
  isAtEnd: boolean;
  /** What was fetched and not handed out. */
  waiting: number;
  position: TopicPosition | undefined;
  /** There is room for more. */
  taken(): void;
  /** Looks at once, instead of when more comes. */
  look(): void;
  ended(why: string): void;
  close(): void;
}

const waitMs = 20_000;

/** A publisher's log, read as long as there is room for what comes. */
export function track(parts: TrackParts, seeks: boolean): Track {
  const { topic, publisher, name, log, logs, from, aheadMax } = parts;
  let at: Position | undefined = from === undefined ? undefined : { epoch: from.epoch, sequence: from.sequence };
  let number = from?.number ?? 0;
  let isClosed = false;
  let isHasty = false;
  let end: string | undefined;
  /** Why its actor is no more, for one that has not said so itself. */
  let gone: string | undefined;
  let controller = new AbortController();
  let roomy: (() => void) | undefined;

  async function read(): Promise<readonly Entry[]> {
    const room = Math.max(1, aheadMax - made.waiting);
    const hasty = isHasty;
    try {
      // A reading that begins with what comes now has no use for what was before.
      const { signal } = controller;
      return await parts.ask(
        `read ${publisher}`,
        () =>
          logs.read(
            name,
            at,
            seeks ? { entriesMax: seekMax } : { entriesMax: room, waitMs: hasty ? 0 : waitMs, signal },
          ),
      );
    } catch (error) {
      if (isShoalError(error, "Cancelled")) {
        if (isClosed) return [];
        controller = new AbortController();
        return await read();
      }
      const through = trimmedThrough(error);
      if (through === undefined) throw error;
      at = through;
      return await read();
    }
  }

  function take(entry: Entry): void {
    const head = headIn(entry.frame);
    const isNewer = at === undefined || entry.epoch > at.epoch;
    at = { epoch: entry.epoch, sequence: entry.sequence };
    end = head.isEnd ? String(messageIn(entry.frame, () => undefined)) : undefined;
    // One whose answer was lost was appended again, under its number.
    if (head.isEnd || (head.number <= number && !isNewer)) return;
    if (head.number > number + 1 && !seeks) {
      const through = head.number - 1;
      const behind = { number: through, epoch: entry.epoch, sequence: entry.sequence - 1, log };
      parts.lost(made, { publisher, from: number + 1, through }, behind);
    }
    number = head.number;
    if (seeks) made.position = { number, ...at, log };
    else {
      made.waiting++;
      parts.entry(made, entry, head);
    }
  }

  async function run(): Promise<void> {
    while (!isClosed) {
      if (made.waiting * 2 > aheadMax) {
        await new Promise<void>((resolve) => roomy = resolve);
        roomy = undefined;
        continue;
      }
      const wasHasty = isHasty || seeks;
      const entries = await read();
      if (isClosed) return;
      for (const entry of entries) take(entry);
      if (entries.length > 0) continue;
      if (!wasHasty) continue;
      seeks = false;
      isHasty = false;
      end ??= gone;
      made.isAtEnd = true;
      parts.stands(made);
    }
  }

  const made: Track = {
    publisher,
    log,
    get end() {
      return end;
    },
    isAtEnd: false,
    waiting: 0,
    position: from,
    taken() {
      made.waiting--;
      if (made.waiting * 2 <= aheadMax) roomy?.();
    },
    look() {
      made.isAtEnd = false;
      isHasty = true;
      controller.abort();
    },
    ended(why) {
      gone ??= why;
    },
    close() {
      isClosed = true;
      controller.abort();
      roomy?.();
    },
  };
  run().catch((error: unknown) => {
    if (isClosed) return;
    const text = `Cannot read topic ${topic}: ${error instanceof Error ? error.message : String(error)}`;
    parts.failed(isShoalError(error) ? error : new ShoalError("Unavailable", text, { cause: error }));
  });
  return made;
}

const seekMax = 1_024;
