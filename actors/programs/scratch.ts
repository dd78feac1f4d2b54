// The scratch directory of one job: made with the files that its programs read, looked through for what they must leave,
// and removed, whatever happens.

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ShoalError } from "../../runtime/mod.ts";
import { codeOf, isFull, type ProcessEnd } from "./process.ts";

/** Files that are there at the start: texts, and tensors' values as they lie in memory. */
export interface Files {
  readonly [file: string]: string | ArrayBufferView;
}

/** What a job leaves behind: a reader for each file. A reader throws where the file is not what it should be. */
export interface Outputs {
  readonly [file: string]: (bytes: Uint8Array) => unknown;
}

export type Read<O extends Outputs> = { readonly [File in keyof O]: ReturnType<O[File]> };

export interface ScratchJob<O extends Outputs> {
  /** Where the directory is made; the system's own place unless said. */
  readonly parent: string | undefined;
  readonly files: Files | undefined;
  readonly outputs: O;
  /** How an error begins. */
  what(): string;
}

const folderMode = 0o700;

/** What programs left and said that worked in a scratch directory. */
export async function inScratch<O extends Outputs, E extends ProcessEnd>(
  { parent = tmpdir(), files = {}, outputs, what }: ScratchJob<O>,
  work: (scratch: string) => Promise<E>,
): Promise<{ readonly outputs: Read<O>; readonly end: E }> {
  const scratch = join(parent, `shoal-${process.pid}-${randomBytes(6).toString("hex")}`);
  try {
    prepare(what(), scratch, files);
    const end = await work(scratch);
    return { outputs: checked(what(), scratch, outputs, end), end };
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Makes the scratch directory, with what the program reads in it. */
function prepare(what: string, scratch: string, files: Files): void {
  try {
    mkdirSync(scratch, { mode: folderMode });
    for (const [name, content] of Object.entries(files)) {
      if (name === "" || name.includes("/") || name.includes("\\") || name === "..") {
        throw new ShoalError("BadInput", `${what}: ${JSON.stringify(name)} is no name of a file in its folder`);
      }
      const bytes = typeof content === "string"
        ? content
        : new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
      writeFileSync(join(scratch, name), bytes);
    }
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause;
    if (isFull(cause)) throw full(what, scratch, cause);
    const why = `its scratch directory ${scratch} cannot be written: ${codeOf(cause)}; choose another`;
    throw new ShoalError("Unavailable", `${what}: ${why}`, { cause });
  }
}

/** Also where the program met it: what it has left then is no answer, whatever that looks like. */
function full(what: string, scratch: string, cause?: unknown): ShoalError {
  const why = `the disk of its scratch directory ${scratch} is full; free some, or choose another`;
  return new ShoalError("CapacityExceeded", `${what}: ${why}`, { cause });
}

/** With less than this left, a disk takes no file. */
const roomBytesMin = 16 * 2 ** 10;
const complaint = /No space left on device|Disk quota exceeded/;

function isOutOfRoom(scratch: string, said: string): boolean {
  if (complaint.test(said)) return true;
  try {
    const { bavail, bsize } = statfsSync(scratch);
    return bavail * bsize < roomBytesMin;
  } catch {
    return false;
  }
}

const saidShown = 300;

/** Reads every output. An exit code says little: programs end with 0 after errors, and with others after success. */
function checked<O extends Outputs>(
  what: string,
  scratch: string,
  outputs: O,
  { said, exitCode }: ProcessEnd,
): Read<O> {
  const read: { [file: string]: unknown } = {};
  const last = said.trim().slice(-saidShown);
  const ending = `it ended with ${exitCode}${last === "" ? "" : `, and said last: ${last}`}`;
  for (const [file, reader] of Object.entries(outputs)) {
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(join(scratch, file));
    } catch (cause) {
      if (codeOf(cause) !== "ENOENT") throw cause;
      if (isOutOfRoom(scratch, said)) throw full(what, scratch, cause);
      throw new ShoalError("Missing", `${what}: it left no ${file}; ${ending}`, { cause });
    }
    try {
      read[file] = reader(bytes);
    } catch (cause) {
      if (isOutOfRoom(scratch, said)) throw full(what, scratch, cause);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ShoalError("Corrupt", `${what}: its ${file} is not what it should be: ${why}; ${ending}`, { cause });
    }
  }
  return read as Read<O>;
}
