// What else the machine did during a round, and how the memory of a contender grew: from /proc, where there is one.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import process from "node:process";

// The kernel counts processor time in hundredths of a second, whatever its own clock.
const ticksASecond = 100;
const sampleMs = 20;
const foreignCoresMax = 0.3;
const foreignSecondsMax = 0.05;

function fileText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function busySeconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000;
}

/** The processes that one has started, theirs too, and itself. */
function familyOf(pid: number): number[] {
  const children = fileText(`/proc/${pid}/task/${pid}/children`)?.split(" ").map(Number).filter((each) => each > 0);
  return [pid, ...(children ?? []).flatMap((child) => familyOf(child))];
}

function ownSeconds(pid: number): number {
  const { user, system } = process.cpuUsage();
  let ticks = 0;
  for (const member of familyOf(pid)) {
    // The name, in parentheses, may hold spaces; what counts comes after it.
    const fields = fileText(`/proc/${member}/stat`)?.split(") ").at(-1)?.split(" ");
    ticks += Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0);
  }
  return (user + system) / 1e6 + ticks / ticksASecond;
}

/** Resident memory that is the process's own, not a file's; 0 where the machine does not tell. */
export function ownBytes(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(fileText(`/proc/${pid}/status`) ?? "")?.[1] ?? 0) * 1024;
}

export interface Observed {
  readonly foreignCores: number;
  readonly disturbed: boolean;
  /** The most that the contender's memory grew, that of processes it started left out. */
  readonly grownBytes: number;
}

/** Watches a contender from now until the function that it returns is called. */
export function observe(pid: number): () => Observed {
  const started = performance.now();
  const busy = busySeconds();
  const own = ownSeconds(pid);
  const bytes = ownBytes(pid);
  let most = bytes;
  const sample = (): void => {
    most = Math.max(most, ownBytes(pid));
  };
  const timer = setInterval(sample, sampleMs);
  return () => {
    clearInterval(timer);
    sample();
    const foreignSeconds = Math.max(0, busySeconds() - busy - (ownSeconds(pid) - own));
    const foreignCores = foreignSeconds / ((performance.now() - started) / 1000);
    const disturbed = foreignCores > foreignCoresMax && foreignSeconds > foreignSecondsMax;
    return { foreignCores, disturbed, grownBytes: most - bytes };
  };
}
