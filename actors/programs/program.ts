// Runs other programs for actors: typed input, a scratch directory of its own, a deadline, and outputs that are checked
// rather than exit codes. Whatever happens, nothing of the program goes on after its job has settled.

import { randomBytes } from "node:crypto";
import { accessSync, constants, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, sep } from "node:path";
import { ShoalError } from "../../runtime/mod.ts";
import { codeOf, isFull, runProcess } from "./process.ts";

/** How to run one program; plain data. */
export interface ProgramOptions {
  /** A path, or a name that is looked for on the PATH. */
  readonly executable: string;
  /** Added to the environment. */
  readonly environment?: { readonly [name: string]: string };
  /** Where scratch directories are made; the system's own place unless said. */
  readonly scratch?: string;
  /** After this long a job is ended. */
  readonly timeoutMs?: number;
  /** How long its processes have to end after a TERM before they are killed. */
  readonly graceMs?: number;
  /** More output than this ends a job. */
  readonly outputBytesMax?: number;
  /** How to get it, for the error where it is missing. */
  readonly cure?: string;
}

/** What a job leaves behind: a reader for each file. A reader throws where the file is not what it should be. */
export interface Outputs {
  readonly [file: string]: (bytes: Uint8Array) => unknown;
}

export interface Job<O extends Outputs> {
  readonly arguments: readonly string[];
  /** Files that are there when it starts: texts, and tensors' values as they lie in memory. */
  readonly files?: { readonly [file: string]: string | ArrayBufferView };
  /** What it reads from its standard input. */
  readonly input?: string;
  /** Files that it must leave behind. */
  readonly outputs: O;
  /** A file that its output is copied to while it runs. */
  readonly log?: string;
  readonly signal?: AbortSignal;
}

export interface Finished<O extends Outputs> {
  readonly outputs: { readonly [File in keyof O]: ReturnType<O[File]> };
  /** What it wrote to its standard output and error, in the order in which it came. */
  readonly said: string;
  /** For the reader's interest: what counts are the outputs. */
  readonly exitCode: number | null;
  readonly seconds: number;
}

export interface RunnableProgram {
  run<O extends Outputs>(job: Job<O>): Promise<Finished<O>>;
}

const timeoutMsDefault = 10 * 60_000;
const graceMsDefault = 1_000;
const outputBytesMaxDefault = 64 * 2 ** 20;
const folderMode = 0o700;

/** A program that can be run. BadInput where there is none of that name. */
export function program(options: ProgramOptions): RunnableProgram {
  const path = executablePath(options.executable);
  if (path === undefined) {
    const cure = options.cure ?? "install it, or name it by its path";
    throw new ShoalError(
      "BadInput",
      `Cannot run ${options.executable}: there is no such program on the PATH; ${cure}`,
    );
  }
  const environment = { ...process.env, ...options.environment };
  const what = `Cannot run ${options.executable}`;

  return {
    async run(job) {
      const began = performance.now();
      const scratch = join(options.scratch ?? tmpdir(), `shoal-${process.pid}-${randomBytes(6).toString("hex")}`);
      try {
        prepare(what, scratch, job.files ?? {});
        const { said, exitCode } = await runProcess({
          what,
          path,
          arguments: job.arguments,
          folder: scratch,
          environment,
          input: job.input,
          log: job.log,
          signal: job.signal,
          timeoutMs: options.timeoutMs ?? timeoutMsDefault,
          graceMs: options.graceMs ?? graceMsDefault,
          outputBytesMax: options.outputBytesMax ?? outputBytesMaxDefault,
        });
        const outputs = checked(what, scratch, job.outputs, said, exitCode);
        return { outputs, said, exitCode, seconds: (performance.now() - began) / 1000 };
      } finally {
        rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
      }
    },
  };
}

/** Where a program lies, if it can be run. */
export function executablePath(name: string): string | undefined {
  const folders = name.includes(sep) ? [""] : (process.env["PATH"] ?? "").split(delimiter).filter((dir) => dir !== "");
  for (const folder of folders) {
    const path = folder === "" ? name : join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // It may be in the next one.
    }
  }
  return undefined;
}

/** Makes the scratch directory, with what the program reads in it. */
function prepare(what: string, scratch: string, files: NonNullable<Job<Outputs>["files"]>): void {
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
  said: string,
  exitCode: number | null,
): Finished<O>["outputs"] {
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
  return read as Finished<O>["outputs"];
}

const decoder = new TextDecoder();

/** A reader for files of text. */
export function text<T>(read: (text: string) => T): (bytes: Uint8Array) => T {
  return (bytes) => read(decoder.decode(bytes));
}
