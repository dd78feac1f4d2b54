// What a reader tells publishers that wait for it: how far it has read, in a log of its own. One append at a time, and
// only where some publisher of the topic waits for readers.

import type { Claims, Logs, Position } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { encodeProgress, type Progress as Word } from "./frames.ts";
import type { Members } from "./members.ts";
import { openWriter } from "./writer.ts";

export interface ProgressParts {
  /** The reader, and its claim and log. */
  readonly reader: string;
  readonly name: string;
  readonly members: Members;
  readonly logs: Logs;
  readonly claims: Claims;
  readonly environment: Pick<Environment, "after" | "now" | "token">;
  /** When whoever had this name before is done. */
  readonly before: Promise<void> | undefined;
  ask<T>(what: string, call: () => Promise<T>): Promise<T>;
  /** How far it is now. */
  read(): Word["read"];
  failed(error: Error): void;
}

export interface Progress {
  /** Some publisher waits for readers. */
  begin(): void;
  /** It has read more; that is said soon. */
  moved(): void;
  /** It has nothing more to read: what it has read is said now. */
  waits(): void;
  /** Says no more; settles when nothing is under way. Whoever waits for it still does. */
  stop(): Promise<void>;
  /** It reads no more. */
  leave(): Promise<void>;
}

/** So many words are left standing: whoever reads only the last of them misses nothing. */
const wordsMax = 64;
/** How often it says so while it reads, and after how much in any case. */
const periodMs = 5;
const movesMax = 256;

export function progress(parts: ProgressParts): Progress {
  const { name, logs, environment, ask } = parts;
  let isWanted = false;
  let hasLeft = false;
  let isDue = false;
  let epoch: number | undefined;
  let words = 0;
  let isStopped = false;
  let moves = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  let cancel: (() => void) | undefined;
  let running: Promise<void> | undefined;
  let last: Position | undefined;

  async function say(): Promise<void> {
    if (epoch === undefined) {
      await parts.before;
      const opened = await openWriter({ ...parts, credit: false, found() {} }, undefined);
      await parts.members.join("reader", parts.reader);
      ({ epoch } = opened);
    }
    while (isDue && !isStopped) {
      isDue = false;
      const word: Word = hasLeft ? { read: parts.read(), left: true } : { read: parts.read() };
      const before = last;
      // A word that is said twice says the same.
      last = await ask("say how far it has read", () => logs.append(name, epoch!, [encodeProgress(word)]));
      if (++words % wordsMax === 0 && before !== undefined) await logs.trim(name, before).catch(() => {});
    }
  }

  function now(): void {
    if (!isWanted || isStopped) return;
    isDue = true;
    cancel?.();
    cancel = undefined;
    moves = 0;
    saidAt = environment.now();
    running ??= say().catch((error: unknown) => {
      isWanted = false;
      if (!hasLeft) parts.failed(error as Error);
    }).finally(() => {
      running = undefined;
      if (isDue) now();
    });
  }

  function moved(): void {
    if (!isWanted || isStopped) return;
    const leftMs = saidAt + periodMs - environment.now();
    if (leftMs <= 0 || ++moves >= movesMax) now();
    else cancel ??= environment.after(leftMs, now);
  }

  return {
    begin() {
      if (isWanted || hasLeft) return;
      isWanted = true;
      now();
    },
    moved,
    waits() {
      if (cancel !== undefined) now();
    },
    async stop() {
      isStopped = true;
      cancel?.();
      await parts.before;
      while (running !== undefined) await running;
    },
    async leave() {
      if (hasLeft) return;
      hasLeft = true;
      now();
      while (running !== undefined) await running;
    },
  };
}
