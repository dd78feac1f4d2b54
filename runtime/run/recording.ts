// What actors were given and did, as a run keeps it: a file for each thread of each head, append-only, so many bytes at
// most; and the parts of actors, read from there. A file whose writer died is whole up to its last line.

import { closeSync, constants, mkdirSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import { fileMode, folderMode, numbered, type RunLayout } from "./layout.ts";
import { linesIn } from "./reader.ts";
import type { ActorIntroduced, Line, RecordingBegun, RecordingEnded, RecordingRecord } from "./records.ts";
import { errnoOf, troubleIn } from "./trouble.ts";

export interface RecordingWriterOptions {
  readonly folder: string;
  readonly begun: Omit<RecordingBegun, "type" | "version" | "at">;
  /** Tells two apart that are one node of one head, one after the other. */
  readonly token: string;
  readonly bytesMax: number;
  date(): number;
  after(delayMs: number, call: () => void): () => void;
  /** Told once, when something could not be written: from then on nothing is. */
  readonly failed: (error: Error) => void;
}

export interface RecordingWriter {
  write(record: RecordingRecord): void;
  close(): void;
}

const version = 1;
const gatherMs = 50;
const gatheredCharsMax = 2 ** 18;
const encoder = new TextEncoder();

/** Writes many lines at once, and what is left when the process ends. */
export function recordingWriter(options: RecordingWriterOptions): RecordingWriter {
  const { folder, begun, token, bytesMax, date, after, failed } = options;
  let lines: string[] = [];
  let chars = 0;
  let bytes = 0;
  let due: (() => void) | undefined;
  let isOver = false;
  let file: number;
  try {
    mkdirSync(folder, { recursive: true, mode: folderMode });
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;
    file = openSync(join(folder, `${numbered(begun.head, "")}-${begun.node}.${token}.jsonl`), flags, fileMode);
  } catch (error) {
    throw troubleIn(folder, "record its actors", error);
  }

  function flush(): void {
    due?.();
    due = undefined;
    if (lines.length === 0) return;
    try {
      for (let rest = encoder.encode(lines.join("")); rest.length > 0;) {
        const count = writeSync(file, rest);
        bytes += count;
        rest = rest.subarray(count);
      }
    } catch (error) {
      isOver = true;
      failed(troubleIn(folder, "record its actors", error));
    }
    lines = [];
    chars = 0;
  }

  function add(record: RecordingRecord): void {
    const line = `${JSON.stringify(record)}\n`;
    lines.push(line);
    chars += line.length;
  }

  function end(ended: Pick<RecordingEnded, "lacks">): void {
    add({ type: "RecordingEnded", at: date(), ...ended });
    flush();
    isOver = true;
  }

  add({ type: "RecordingBegun", version, at: date(), ...begun });
  process.on("exit", flush);

  return {
    write(record) {
      if (isOver) return;
      if (bytes + chars > bytesMax) return end({ lacks: `its record is full: ${bytesMax} bytes (recording.bytesMax)` });
      add(record);
      if (chars >= gatheredCharsMax) flush();
      else due ??= after(gatherMs, flush);
    },
    close() {
      process.off("exit", flush);
      if (!isOver) end({});
      closeSync(file);
    },
  };
}

/** The part of one actor in one recording. */
export interface RecordedPart {
  readonly begun: RecordingBegun;
  readonly actor: string;
  /** Nothing where it was never made. */
  readonly introduced: ActorIntroduced | undefined;
  readonly lines: readonly Line[];
  /** Its writer was ended, or had no room: why. Nothing where all is there. */
  readonly lacks: string | undefined;
}

/** The files of recordings, in the order of heads. */
export function recordingFiles({ recording, directory }: RunLayout): string[] {
  try {
    return readdirSync(recording).filter((name) => name.endsWith(".jsonl")).sort().map((name) => join(recording, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw troubleIn(directory, "read what its actors did", error);
  }
}

/** The parts of a recording, each by its first line. A line that is cut off, or none, ends it. */
export function readRecording(path: string, directory: string): RecordedPart[] {
  const parts = new Map<string, { introduced: ActorIntroduced | undefined; readonly lines: Line[] }>();
  let begun: RecordingBegun | undefined;
  let ended: RecordingEnded | undefined;
  function partOf(actor: string): { introduced: ActorIntroduced | undefined; readonly lines: Line[] } {
    let own = parts.get(actor);
    if (own === undefined) parts.set(actor, own = { introduced: undefined, lines: [] });
    return own;
  }
  for (const text of linesIn(path, directory, { bytes: 0, rest: new Uint8Array(0) })) {
    const record = recordIn(text);
    if (record === undefined) break;
    if (record.type === "RecordingBegun") begun = checked(record, path);
    else if (record.type === "RecordingEnded") ended = record;
    else if (record.type === "ActorIntroduced") partOf(record.actor).introduced ??= record;
    else {
      const { actor, ...line } = record;
      partOf(actor).lines.push(line);
    }
  }
  if (begun === undefined) return [];
  const first = begun;
  const lacks = ended === undefined ? "whoever wrote it was ended" : ended.lacks;
  return [...parts].map(([actor, part]) => ({ begun: first, actor, ...part, lacks }));
}

function recordIn(text: string): RecordingRecord | undefined {
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === "object" && read !== null && "type" in read ? read as RecordingRecord : undefined;
  } catch {
    return undefined;
  }
}

function checked(begun: RecordingBegun, path: string): RecordingBegun {
  if (begun.version <= version) return begun;
  const text = `Cannot read ${path}: a newer shoal wrote it (version ${begun.version}, this one knows ${version})`;
  throw new ShoalError("Incompatible", `${text}; upgrade shoal`);
}
