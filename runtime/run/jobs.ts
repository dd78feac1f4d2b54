// The jobs of a scheduler that were sent for a run, each in a file of its own in the run directory: who sends the next
// one takes its number first, so that two who resume a run at once send one job.

import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import { folderMode, numbered, numberIn, type RunLayout, writeWhole } from "./layout.ts";
import { errnoOf, troubleIn } from "./trouble.ts";

export interface SentJobRecord {
  readonly number: number;
  readonly scheduler: "slurm" | "pbs";
  /** Nothing while it is being sent. */
  readonly job?: string;
  readonly sentAt: number;
  /** Who sent it. */
  readonly host: string;
  readonly pid: number;
  readonly script: string;
  /** Where what it says goes. */
  readonly output: string;
  readonly nodes: number;
  readonly walltimeSeconds?: number;
  readonly queue?: string;
  readonly site?: string;
  /** The folder of the scheduler's programs, which is not on the PATH in every job. */
  readonly clients?: string;
  /** The job after whose end it begins. */
  readonly after?: string;
}

/** The jobs that were sent, in their order. What cannot be read is left out. */
export function sentJobs({ jobs }: RunLayout): SentJobRecord[] {
  if (!existsSync(jobs)) return [];
  return readdirSync(jobs).map((name) => numberIn(name, ".json")).filter((number) => number !== undefined)
    .sort((a, b) => a - b).flatMap((number) => {
      try {
        const read: unknown = JSON.parse(readFileSync(join(jobs, numbered(number, ".json")), "utf8"));
        const isJob = typeof read === "object" && read !== null && "scheduler" in read && "output" in read;
        return isJob ? [{ ...read as SentJobRecord, number }] : [];
      } catch {
        return [];
      }
    });
}

export interface Taken {
  readonly number: number;
  readonly script: string;
  readonly output: string;
  /** Writes down what was sent. */
  sent(record: Omit<SentJobRecord, "number" | "script" | "output">): void;
  /** Gives the number back: nothing was sent. */
  giveBack(): void;
}

export type Sender = Pick<SentJobRecord, "scheduler" | "sentAt" | "host" | "pid">;

/** Takes a job's number. Conflict where another was faster. */
export function takeJob(layout: RunLayout, who: Sender, number: number): Taken {
  const what = "send a job for the run";
  try {
    mkdirSync(layout.jobs, { mode: folderMode });
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw troubleIn(layout.directory, what, error);
  }
  const at = (ending: string): string => join(layout.jobs, numbered(number, ending));
  const [path, script, output] = [at(".json"), at(".sh"), at(".out")];
  const text = (record: object): string => `${JSON.stringify({ number, ...record, script, output }, undefined, 2)}\n`;
  const reserved = text({ ...who, nodes: 0 });
  let isMine: boolean;
  try {
    isMine = writeWhole(path, reserved, true);
  } catch (error) {
    throw troubleIn(layout.directory, what, error);
  }
  if (!isMine) {
    const cure = `shoal status ${layout.directory} shows it`;
    throw new ShoalError("Conflict", `Cannot ${what}: another process has just sent one; ${cure}`);
  }
  return {
    number,
    script,
    output,
    sent: (record) => void writeWhole(path, text(record), false),
    giveBack() {
      for (const file of [path, script]) rmSync(file, { force: true });
    },
  };
}

const tailBytesMax = 65_536;

/** The last lines of what a job has said; none where it has said nothing yet. */
export function lastLines(path: string, linesMax: number): string[] {
  try {
    const file = openSync(path, "r");
    try {
      const { size } = statSync(path);
      const from = Math.max(0, size - tailBytesMax);
      const bytes = new Uint8Array(Math.min(size, tailBytesMax));
      const read = readSync(file, bytes, 0, bytes.length, from);
      const text = new TextDecoder().decode(bytes.subarray(0, read)).trimEnd();
      return text === "" ? [] : text.split("\n").slice(-linesMax);
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}
