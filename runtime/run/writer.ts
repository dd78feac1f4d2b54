// Writes records a line each, append-only, into the file of this head. Many lines are one write: what nobody waits for
// within a few milliseconds, what somebody waits for in the next turn. A record that was waited for survives kill -9.

import { constants, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../environment.ts";
import { fileMode, numbered, type RunLayout } from "./layout.ts";
import type { RunRecord } from "./records.ts";
import { troubleIn } from "./trouble.ts";

export interface RecordWriter {
  /** Takes a record; it is on its way to the disk. */
  write(record: RunRecord): void;
  /** Settles when all that was taken so far is in the file; rejects where it never will be. */
  written(): Promise<void>;
  /** What could not be written, from the first failure on. */
  readonly failure: Error | undefined;
  close(): Promise<void>;
}

export interface WriterOptions {
  readonly layout: RunLayout;
  /** The number of the head whose file it is. */
  readonly head: number;
  readonly environment: Environment;
  /** Told once, when a record could not be written: nothing more is. */
  readonly failed: (error: Error) => void;
}

/** How long a record waits for others that nobody waits for. */
const gatherMs = 50;
/** From so much on it is written at once. */
const gatheredCharsMax = 2 ** 18;
/** A write that takes longer shows a disk on which the thread of the actors does not wait again, for so long. */
const slowMs = 2;
const cautionMs = 10_000;
/** How often what was written is forced down to the disk, against an end of the machine. */
const syncMs = 2_000;

const encoder = new TextEncoder();

export async function recordWriter({ layout, head, environment, failed }: WriterOptions): Promise<RecordWriter> {
  const path = join(layout.records, numbered(head, ".jsonl"));
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;
  let file: FileHandle;
  try {
    file = await open(path, flags, fileMode);
  } catch (error) {
    throw troubleIn(layout.directory, "record the run", error);
  }

  let lines: string[] = [];
  let chars = 0;
  let failure: Error | undefined;
  let due: (() => void) | undefined;
  let isSoon = false;
  let writing: Promise<void> | undefined;
  let waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let slowUntil = Number.NEGATIVE_INFINITY;
  let syncedAt = environment.now();
  /** What is under way to the disk, for an exit in the middle of it. */
  let rest: Uint8Array = new Uint8Array(0);

  function fail(error: unknown): void {
    failure = troubleIn(layout.directory, "record the run", error);
    lines = [];
    for (const { reject } of waiting.splice(0)) reject(failure);
    failed(failure);
  }

  /** Into the page cache at once, which takes microseconds; on a disk that keeps us waiting, from another thread. */
  function put(bytes: Uint8Array): number | Promise<number> {
    const began = environment.now();
    if (began < slowUntil) return file.write(bytes).then(({ bytesWritten }) => bytesWritten);
    const count = writeSync(file.fd, bytes);
    const ended = environment.now();
    if (ended - began > slowMs) slowUntil = ended + cautionMs;
    return count;
  }

  async function drain(): Promise<void> {
    while (lines.length > 0 && failure === undefined) {
      const done = waiting;
      rest = encoder.encode(lines.join(""));
      lines = [];
      chars = 0;
      waiting = [];
      try {
        while (rest.length > 0) rest = rest.subarray(await put(rest));
        if (environment.now() - syncedAt >= syncMs) {
          syncedAt = environment.now();
          await file.datasync();
        }
      } catch (error) {
        waiting = [...done, ...waiting];
        fail(error);
        return;
      }
      // Who came while it was written, and had nothing more to write, waited for it too.
      for (const { resolve } of lines.length > 0 ? done : [...done, ...waiting.splice(0)]) resolve();
    }
  }

  function flush(): void {
    isSoon = false;
    due?.();
    due = undefined;
    writing ??= drain().finally(() => {
      writing = undefined;
      // What came while the last write ended.
      if (lines.length > 0) soon();
    });
  }

  function soon(): void {
    if (isSoon) return;
    isSoon = true;
    environment.later(flush);
  }

  /** Whoever leaves without a word leaves its records all the same. */
  function leave(): void {
    // How much of what is under way has arrived is not known: a line that was cut in two is ended, and written again.
    const last = [encoder.encode(rest.length > 0 ? "\n" : ""), rest, encoder.encode(lines.join(""))];
    lines = [];
    try {
      for (let part of last) while (part.length > 0) part = part.subarray(writeSync(file.fd, part));
    } catch {
      // Nobody is left to be told.
    }
  }
  process.on("exit", leave);

  return {
    write(record) {
      if (failure !== undefined) return;
      const line = `${JSON.stringify(record)}\n`;
      lines.push(line);
      chars += line.length;
      if (chars >= gatheredCharsMax) soon();
      else if (writing === undefined) due ??= environment.after(gatherMs, flush);
    },
    written() {
      if (failure !== undefined) return Promise.reject(failure);
      if (lines.length === 0 && writing === undefined) return Promise.resolve();
      if (writing === undefined) soon();
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    get failure() {
      return failure;
    },
    async close() {
      process.off("exit", leave);
      while (lines.length > 0 || writing !== undefined) {
        flush();
        await writing;
      }
      due?.();
      try {
        if (failure === undefined) await file.datasync();
      } catch (error) {
        fail(error);
      }
      await file.close();
      if (failure !== undefined) throw failure;
    },
  };
}
