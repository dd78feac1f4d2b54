// One process and all that it starts: a group of its own, that ends together with the job, by TERM and then by KILL.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { ShoalError } from "../../runtime/mod.ts";
import { guard, unguard } from "./guard.ts";

export interface ProcessJob {
  /** How its errors begin. */
  readonly what: string;
  readonly path: string;
  readonly arguments: readonly string[];
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly input: string | undefined;
  readonly log: string | undefined;
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly outputBytesMax: number;
}

export interface ProcessEnd {
  readonly said: string;
  readonly exitCode: number | null;
}

/** What is kept of a long output: its beginning is in the log, its end says what went wrong. */
const saidBytesMax = 4 * 2 ** 20;
/** How long a killed group may take to be gone from the table of processes. */
const killedMs = 5_000;

/** Runs it to its end. Rejects with Timeout, TooLarge or Cancelled once nothing of it runs any more. */
export function runProcess(job: ProcessJob): Promise<ProcessEnd> {
  const { what, signal } = job;
  if (signal?.aborted === true) return Promise.reject(new ShoalError("Cancelled", `${what}: the caller cancelled it`));
  return new Promise((resolve, reject) => {
    let log: number | undefined;
    let child: ChildProcess;
    try {
      if (job.log !== undefined) log = openSync(job.log, "a", 0o600);
    } catch (cause) {
      return reject(notLogged(job, cause));
    }
    try {
      child = spawn(job.path, job.arguments, {
        cwd: job.folder,
        env: job.environment,
        stdio: [job.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
        // A group of its own: what it starts ends with it.
        detached: true,
      });
    } catch (cause) {
      if (log !== undefined) closeSync(log);
      return reject(notStarted(what, cause));
    }
    const { pid } = child;
    if (pid !== undefined) guard(pid);
    let pieces: Uint8Array[] = [];
    let kept = 0;
    let bytes = 0;
    let trouble: ShoalError | undefined;
    let exitCode: number | null = null;
    let hard: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;

    const end = (error: ShoalError): void => {
      if (trouble !== undefined || isOver) return;
      trouble = error;
      send(pid, "SIGTERM");
      hard = setTimeout(() => send(pid, "SIGKILL"), job.graceMs);
    };
    const deadline = setTimeout(
      () => end(new ShoalError("Timeout", `${what}: it took longer than ${job.timeoutMs} ms`, { outcome: "unknown" })),
      job.timeoutMs,
    );
    const cancel = (): void =>
      end(new ShoalError("Cancelled", `${what}: the caller cancelled it`, { outcome: "unknown" }));
    signal?.addEventListener("abort", cancel, { once: true });

    const hear = (piece: Uint8Array): void => {
      if (trouble !== undefined) return;
      bytes += piece.length;
      if (bytes > job.outputBytesMax) {
        end(new ShoalError("TooLarge", `${what}: it wrote more than ${job.outputBytesMax} bytes of output`));
        return;
      }
      try {
        for (let rest = piece; log !== undefined && rest.length > 0;) rest = rest.subarray(writeSync(log, rest));
      } catch (cause) {
        end(notLogged(job, cause));
      }
      pieces.push(piece);
      kept += piece.length;
      while (kept - pieces[0]!.length > saidBytesMax) kept -= pieces.shift()!.length;
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);

    const settle = (error?: Error): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(deadline);
      clearTimeout(hard);
      signal?.removeEventListener("abort", cancel);
      if (log !== undefined) closeSync(log);
      const failure = trouble ?? error;
      // What it started and left behind ends with it.
      send(pid, "SIGKILL");
      const said = Buffer.concat(pieces).toString();
      pieces = [];
      void gone(pid, failure === undefined ? 0 : killedMs).then(() => {
        if (pid !== undefined) unguard(pid);
        if (failure === undefined) resolve({ said, exitCode });
        else reject(failure);
      });
    };
    child.once("error", (cause) => settle(notStarted(what, cause)));
    child.once("exit", (code) => {
      exitCode = code;
      // What it left behind may hold its output open for ever.
      if (trouble !== undefined) send(pid, "SIGKILL");
      else hard = setTimeout(() => settle(), job.graceMs);
    });
    child.once("close", () => settle());
    // A program that does not read its input closes it; that is its own affair.
    child.stdin?.on("error", () => {});
    child.stdin?.end(job.input);
  });
}

function notLogged({ what, log }: ProcessJob, cause: unknown): ShoalError {
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
