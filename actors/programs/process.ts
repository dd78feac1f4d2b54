// One process and all that it starts: a group of its own, that ends together with the job, by TERM and then by KILL.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { ShoalError } from "../../runtime/mod.ts";
import { guard, unguard } from "./guard.ts";

export interface ProcessLimits {
  readonly environment: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly outputBytesMax: number;
}

export interface ProcessJob extends ProcessLimits {
  /** How an error begins that is met when it has said so much. */
  what(said: string): string;
  readonly path: string;
  readonly arguments: readonly string[];
  readonly folder: string;
  readonly input: string | undefined;
  readonly log: string | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface ProcessEnd {
  readonly said: string;
  readonly exitCode: number | null;
}

/** What is kept of a long output: its beginning is in the log, its end says what went wrong. */
const saidBytesMax = 4 * 2 ** 20;
/** How long a killed group may take to be gone from the table of processes. */
const killedMs = 5_000;
/** How often it is looked what a program has said since. */
const hearMs = 20;
const pieceBytesMax = 64 * 2 ** 10;

/** Runs it to its end. Rejects with Timeout, TooLarge or Cancelled once nothing of it runs any more. */
export function runProcess(job: ProcessJob): Promise<ProcessEnd> {
  const { signal } = job;
  if (signal?.aborted === true) {
    return Promise.reject(new ShoalError("Cancelled", `${job.what("")}: the caller cancelled it`));
  }
  return new Promise((resolve, reject) => {
    let log: number | undefined;
    let output: number | undefined;
    const close = (): void => {
      for (const file of [log, output]) if (file !== undefined) closeSync(file);
    };
    let child: ChildProcess;
    try {
      if (job.log !== undefined) log = openSync(job.log, "a", 0o600);
    } catch (cause) {
      return reject(notLogged(job.what(""), job.log, cause));
    }
    try {
      output = nameless(`${job.folder}.said`);
      child = spawn(job.path, job.arguments, {
        cwd: job.folder,
        env: job.environment,
        stdio: [job.input === undefined ? "ignore" : "pipe", output, output],
        // A group of its own: what it starts ends with it.
        detached: true,
      });
    } catch (cause) {
      close();
      return reject(notStarted(job.what(""), cause));
    }
    const { pid } = child;
    if (pid !== undefined) guard(pid);
    let heard = 0;
    let trouble: ShoalError | undefined;
    let exitCode: number | null = null;
    let hard: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const said = (): string => lastOf(output, saidBytesMax);
    const what = (): string => job.what(isOver ? "" : said());

    const end = (error: ShoalError): void => {
      if (trouble !== undefined || isOver) return;
      trouble = error;
      send(pid, "SIGTERM");
      hard = setTimeout(() => send(pid, "SIGKILL"), job.graceMs);
    };
    const deadline = setTimeout(
      () =>
        end(new ShoalError("Timeout", `${what()}: it took longer than ${job.timeoutMs} ms`, { outcome: "unknown" })),
      job.timeoutMs,
    );
    const cancel = (): void =>
      end(new ShoalError("Cancelled", `${what()}: the caller cancelled it`, { outcome: "unknown" }));
    signal?.addEventListener("abort", cancel, { once: true });

    const hear = (): void => {
      const { size } = fstatSync(output);
      if (trouble !== undefined) return;
      if (size > job.outputBytesMax) {
        end(new ShoalError("TooLarge", `${what()}: it wrote more than ${job.outputBytesMax} bytes of output`));
        return;
      }
      try {
        for (; log !== undefined && heard < size;) {
          const piece = pieceOf(output, heard, Math.min(size - heard, pieceBytesMax));
          if (piece.length === 0) break;
          heard += piece.length;
          for (let rest = piece; rest.length > 0;) rest = rest.subarray(writeSync(log, rest));
        }
      } catch (cause) {
        end(notLogged(what(), job.log, cause));
      }
    };
    const listening = setInterval(hear, hearMs);

    const settle = (error?: Error): void => {
      if (isOver) return;
      hear();
      const last = said();
      isOver = true;
      clearTimeout(deadline);
      clearTimeout(hard);
      clearInterval(listening);
      signal?.removeEventListener("abort", cancel);
      // What it started and left behind ends with it.
      send(pid, "SIGKILL");
      const failure = trouble ?? error;
      close();
      void gone(pid, failure === undefined ? 0 : killedMs).then(() => {
        if (pid !== undefined) unguard(pid);
        if (failure === undefined) resolve({ said: last, exitCode });
        else reject(failure);
      });
    };
    child.once("error", (cause) => settle(notStarted(what(), cause)));
    child.once("exit", (code) => {
      exitCode = code;
      // What it started may still have work to do; what it left behind has not for ever.
      void gone(pid, trouble === undefined ? job.graceMs : 0).then(() => settle());
    });
    // A program that does not read its input closes it; that is its own affair.
    child.stdin?.on("error", () => {});
    child.stdin?.end(job.input);
  });
}

/**
 * A file for what a program says, which has no name any more: nothing of it stays, whoever is killed. A pipe would wake us
 * at every line, and whoever writes to one gives up its turn for us: of a short program that is a part one can measure.
 */
function nameless(path: string): number {
  const file = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return file;
}

/** So much of a file from one place on, or what there is. */
function pieceOf(file: number, from: number, bytes: number): Uint8Array {
  const piece = new Uint8Array(bytes);
  return piece.subarray(0, readSync(file, piece, 0, bytes, from));
}

/** The end of what was said. */
function lastOf(file: number, bytesMax: number): string {
  const { size } = fstatSync(file);
  const from = Math.max(0, size - bytesMax);
  return Buffer.from(pieceOf(file, from, size - from).buffer, 0, size - from).toString();
}

function notLogged(what: string, log: string | undefined, cause: unknown): ShoalError {
  const text = `${what}: its log ${log} cannot be written: ${codeOf(cause)}; free some room, or choose another`;
  return new ShoalError(isFull(cause) ? "CapacityExceeded" : "Unavailable", text, { outcome: "unknown", cause });
}

/** What an error of the system is called; runtimes word its message differently. */
export function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error);
}

/** Whether an error of a file system says that there is no room. */
export const isFull = (error: unknown): boolean => ["ENOSPC", "EDQUOT"].includes(codeOf(error));

function notStarted(what: string, cause: unknown): ShoalError {
  if (isFull(cause)) {
    const text = `${what}: the disk of its scratch directory is full; free some, or choose another`;
    return new ShoalError("CapacityExceeded", text, { cause });
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ShoalError("Unavailable", `${what}: it did not start: ${why}`, { cause });
}

/** Signals the whole group; false where there is none any more. */
function send(pid: number | undefined, signal: NodeJS.Signals | 0): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

const lookMs = 5;

/** Settles when no process of the group is left, or after so long. */
async function gone(pid: number | undefined, waitMs: number): Promise<void> {
  const until = performance.now() + waitMs;
  while (performance.now() < until && send(pid, 0)) await new Promise((resolve) => setTimeout(resolve, lookMs));
}
