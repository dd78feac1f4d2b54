// Speaks to a scheduler by its programs, each under a deadline: they retry for minutes where the scheduler is away.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { ShoalError } from "../../../stores/error.ts";

export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Asking {
  /** Where its programs are beside the PATH: inside a PBS job they are not on it. */
  readonly folder?: string | undefined;
  readonly deadlineMs?: number;
  /** What `Cannot …` goes on with. */
  readonly what: string;
  readonly environment?: { readonly [name: string]: string | undefined };
}

const deadlineMsUsual = 15_000;
/** A job that is sent may be looked at by filters of the site's own, and whether it was sent had better be known. */
export const submitMsMax = 60_000;
const outputCharsMax = 2 ** 24;

/** The folder in which a program is found, if it is anywhere. */
export function folderOf(program: string, also?: string): string | undefined {
  const folders = [...(also === undefined ? [] : [also]), ...(process.env["PATH"] ?? "").split(delimiter)];
  return folders.find((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== "";
    } catch {
      return false;
    }
  });
}

/** Runs a program of the scheduler's to its end. Throws where it is not there, or does not answer in time. */
export async function ask(program: string, args: readonly string[], asking: Asking): Promise<Answer> {
  const { what, folder, deadlineMs = deadlineMsUsual } = asking;
  const found = folderOf(program, folder);
  if (found === undefined) {
    const cure = "load the scheduler's module, or work on a login node of the machine";
    throw new ShoalError("Unavailable", `Cannot ${what}: there is no ${program} on the PATH; ${cure}`);
  }
  return await new Promise((resolve, reject) => {
    const child = spawn(join(found, program), [...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...asking.environment },
    });
    let stdout = "";
    let stderr = "";
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
      // Whoever it left behind may hold its output open.
      child.stdout.destroy();
      child.stderr.destroy();
    }, deadlineMs);
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout = (stdout + text).slice(-outputCharsMax));
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr = (stderr + text).slice(-outputCharsMax));
    child.once("error", (cause) => {
      clearTimeout(timer);
      reject(new ShoalError("Unavailable", `Cannot ${what}: ${program} does not start: ${cause.message}`, { cause }));
    });
    child.once("close", (code) => {
      clearTimeout(timer);
      if (!isLate) return resolve({ code: code ?? -1, stdout, stderr });
      const said = lastLine(stderr);
      const why = `${program} gave no answer in ${deadlineMs / 1_000} s${said === "" ? "" : ` (it said: ${said})`}`;
      reject(new ShoalError("Timeout", `Cannot ${what}: ${why}; is the scheduler up? Ask again later`));
    });
  });
}

/** What a client said last: its reason, as a rule. */
export const lastLine = (text: string): string => text.trim().split("\n").at(-1)?.trim() ?? "";

/** All that a client complained of, in one line. */
export const complaint = ({ stdout, stderr, code }: Answer): string => {
  const lines = (stderr.trim() === "" ? stdout : stderr).trim().split("\n").map((line) => line.trim());
  const said = [...new Set(lines)].filter((line) => line !== "").slice(-4).join(" · ");
  return said === "" ? `it ended with ${code}` : said;
};

/** An environment in which a job is submitted: what tells of the job that we stand in would mislead the next one. */
export function outsideJob(): { [name: string]: undefined } {
  const names = Object.keys(process.env).filter((name) =>
    /^(SLURM_(?!CONF$)|PBS_(?!(CONF_FILE|SERVER|DEFAULT)$)|SHOAL_JOB_)/.test(name)
  );
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
