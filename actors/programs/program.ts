// Runs other programs for actors: typed input, a scratch directory of its own, a deadline, and outputs that are checked
// rather than exit codes. Whatever happens, nothing of the program goes on after its job has settled.

import { accessSync, constants } from "node:fs";
import { delimiter, join, sep } from "node:path";
import { ShoalError } from "../../runtime/mod.ts";
import { type ProcessLimits, runProcess } from "./process.ts";
import { type Files, inScratch, type Outputs, type Read } from "./scratch.ts";

/** How programs are run; plain data. */
export interface RunOptions {
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
  /** How to get what is missing, for the error. */
  readonly cure?: string;
}

export interface ProgramOptions extends RunOptions {
  /** A path, or a name that is looked for on the PATH. */
  readonly executable: string;
}

export interface Job<O extends Outputs> {
  readonly arguments: readonly string[];
  /** Files that are there when it starts: texts, and tensors' values as they lie in memory. */
  readonly files?: Files;
  /** What it reads from its standard input. */
  readonly input?: string;
  /** Files that it must leave behind. */
  readonly outputs: O;
  /** A file that its output is copied to while it runs. */
  readonly log?: string;
  readonly signal?: AbortSignal;
}

export interface Finished<O extends Outputs> {
  readonly outputs: Read<O>;
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

/** A program that can be run. BadInput where there is none of that name. */
export function program(options: ProgramOptions): RunnableProgram {
  const path = executable(options.executable, options.cure);
  const limits = limitsOf(options);
  const what = (): string => `Cannot run ${options.executable}`;
  return {
    async run({ arguments: args, files, input, outputs, log, signal }) {
      const began = performance.now();
      const { outputs: read, end } = await inScratch(
        { parent: options.scratch, files, outputs, what },
        (folder) => runProcess({ ...limits, what, path, arguments: args, folder, input, log, signal }),
      );
      return { ...end, outputs: read, seconds: (performance.now() - began) / 1000 };
    },
  };
}

/** What of the options every process of a job is told. */
export function limitsOf({ environment, timeoutMs, graceMs, outputBytesMax }: RunOptions): ProcessLimits {
  return {
    environment: { ...process.env, ...environment },
    timeoutMs: timeoutMs ?? timeoutMsDefault,
    graceMs: graceMs ?? graceMsDefault,
    outputBytesMax: outputBytesMax ?? outputBytesMaxDefault,
  };
}

/** The path of a program; BadInput where there is none of that name. */
export function executable(name: string, cure = "install it, or name it by its path"): string {
  const path = executablePath(name);
  if (path !== undefined) return path;
  throw new ShoalError("BadInput", `Cannot run ${name}: there is no such program on the PATH; ${cure}`);
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

const decoder = new TextDecoder();

/** A reader for files of text. */
export function text<T>(read: (text: string) => T): (bytes: Uint8Array) => T {
  return (bytes) => read(decoder.decode(bytes));
}
