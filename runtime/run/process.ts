// Which process something was written by, so that others can tell whether that one has ended: numbers of processes are
// used again, machines boot again, and two containers may number their processes alike.

import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { errnoOf } from "./trouble.ts";

/** Who a process is. What a runtime does not let it learn is not there. */
export interface ProcessMark {
  readonly pid: number;
  readonly host: string;
  /** When it began, in the ticks of its machine. */
  readonly start?: string;
  /** Which boot of the machine, and which numbering of its processes. */
  readonly boot?: string;
  readonly space?: string;
}

export function markOfThis(): ProcessMark {
  const start = startOf(process.pid);
  const boot = bootOf();
  const space = spaceOf();
  return {
    pid: process.pid,
    host: hostname(),
    ...(start === undefined ? {} : { start }),
    ...(boot === undefined ? {} : { boot }),
    ...(space === undefined ? {} : { space }),
  };
}

/** Whether it has; nothing where that cannot be seen from here. */
export function hasEnded({ pid, host, start, boot, space }: ProcessMark): boolean | undefined {
  if (host !== hostname()) return undefined;
  const bootHere = bootOf();
  if (boot !== undefined && bootHere !== undefined && boot !== bootHere) return true;
  if (space !== undefined && space === spaceOf() && start !== undefined) return startOf(pid) !== start;
  return start === undefined && !exists(pid) ? true : undefined;
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errnoOf(error) !== "ESRCH";
  }
}

function fromProc(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

const bootOf = (): string | undefined => fromProc("/proc/sys/kernel/random/boot_id")?.trim();

function spaceOf(): string | undefined {
  try {
    const { dev, ino } = statSync("/proc/self/ns/pid");
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** In ticks since boot; nothing where there is none of that number, or only its remains. */
function startOf(pid: number): string | undefined {
  const text = fromProc(`/proc/${pid}/stat`);
  // The name of the program may hold anything; what follows it does not.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}
