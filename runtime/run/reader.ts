// Reads the records of a run, during it and years later. A line that was cut off or spoilt is counted and left out;
// the others stand.

import { closeSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import { numbered, numberIn, type RunLayout } from "./layout.ts";
import type { RecordsVersion, RunRecord } from "./records.ts";
import { errnoOf, troubleIn } from "./trouble.ts";

/** A record with the head that wrote it. */
export interface ReadRecord {
  readonly head: number;
  readonly record: RunRecord;
}

/** What could not be read, by file. */
export interface Damage {
  readonly file: string;
  /** Whole lines that are no record. */
  readonly spoilt: number;
  /** Whether the last line has no end: its writer died in the middle of it. */
  readonly cutOff: boolean;
}

const recordsVersion: RecordsVersion = 1;
const chunkBytes = 2 ** 20;
/** No record is as long: a file that seems to hold one is none of ours. */
const lineBytesMax = 2 ** 26;

/** How far a file of records has been read, for those who follow it. */
export interface Place {
  bytes: number;
  rest: Uint8Array;
}

export function headNumbers(layout: RunLayout): number[] {
  try {
    return readdirSync(layout.records).map((name) => numberIn(name, ".jsonl"))
      .filter((number) => number !== undefined).sort((a, b) => a - b);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw troubleIn(layout.directory, "read the run's records", error);
  }
}

/** Every record, in the order of heads and then of writing; what cannot be read is told to `damaged`. */
export function* readRecords(layout: RunLayout, damaged: (damage: Damage) => void = () => {}): Generator<ReadRecord> {
  const heads = headNumbers(layout);
  const sealed = seals(layout, heads);
  for (const head of heads) {
    const file = numbered(head, ".jsonl");
    const place: Place = { bytes: 0, rest: new Uint8Array(0) };
    let spoilt = 0;
    for (const line of readLines(layout, head, place, sealed.get(head))) {
      const record = recordIn(line, layout);
      if (record === undefined) spoilt += 1;
      else yield { head, record };
    }
    if (spoilt > 0 || place.rest.length > 0) damaged({ file, spoilt, cutOff: place.rest.length > 0 });
  }
}

/** The size of each head's records, as its successor found it. */
export function recordSizes(layout: RunLayout): { [head: string]: number } {
  const sizes: { [head: string]: number } = {};
  for (const head of headNumbers(layout)) sizes[head] = statSync(join(layout.records, numbered(head, ".jsonl"))).size;
  return sizes;
}

function seals(layout: RunLayout, heads: readonly number[]): Map<number, number> {
  const sealed = new Map<number, number>();
  for (const head of heads) {
    const [first] = readLines(layout, head, { bytes: 0, rest: new Uint8Array(0) }, undefined);
    const record = first === undefined ? undefined : recordIn(first, layout);
    if (record?.type !== "RunStarted") continue;
    for (const [earlier, bytes] of Object.entries(record.sealed ?? {})) {
      const before = sealed.get(Number(earlier));
      sealed.set(Number(earlier), Math.min(bytes, before ?? bytes));
    }
  }
  return sealed;
}

/** The whole lines of a head's file from a place on, which moves with them; at most as many bytes as count. */
export function* readLines(
  layout: RunLayout,
  head: number,
  place: Place,
  bytesMax: number = Infinity,
): Generator<string> {
  yield* linesIn(join(layout.records, numbered(head, ".jsonl")), layout.directory, place, bytesMax);
}

/** The whole lines of a file from a place on, which moves with them. */
export function* linesIn(
  path: string,
  directory: string,
  place: Place,
  bytesMax: number = Infinity,
): Generator<string> {
  const decoder = new TextDecoder();
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw troubleIn(directory, "read the run's records", error);
  }
  try {
    const chunk = new Uint8Array(chunkBytes);
    while (place.bytes < bytesMax) {
      const length = Math.min(chunkBytes, bytesMax - place.bytes);
      const count = readSync(file, chunk, 0, length, place.bytes);
      if (count === 0) return;
      place.bytes += count;
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0 && end < count; end = chunk.indexOf(10, from)) {
        const line = joined(place.rest, chunk.subarray(from, end));
        place.rest = new Uint8Array(0);
        from = end + 1;
        if (line.length > 0) yield decoder.decode(line);
      }
      place.rest = joined(place.rest, chunk.subarray(from, count));
      if (place.rest.length > lineBytesMax) {
        throw new ShoalError("Corrupt", `Cannot read ${path}: a line of it has no end; it is no file of records`);
      }
    }
  } finally {
    closeSync(file);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length === 0) return b.slice();
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** The record in a line; nothing where there is none. A newer shoal's records are not guessed at. */
export function recordIn(line: string, layout: RunLayout): RunRecord | undefined {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof read !== "object" || read === null || !("type" in read) || !("at" in read)) return undefined;
  if (typeof read.type !== "string" || typeof read.at !== "number") return undefined;
  if (read.type === "RunStarted" && "version" in read && Number(read.version) > recordsVersion) {
    const text =
      `Cannot read run ${layout.directory}: a newer shoal wrote its records (version ${String(read.version)}, ` +
      `this one knows ${recordsVersion}); upgrade shoal`;
    throw new ShoalError("Incompatible", text);
  }
  return read as RunRecord;
}
