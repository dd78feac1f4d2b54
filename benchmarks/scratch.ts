// Folders of a benchmark's own: gone when it is over; and what one that was killed has left goes when the next one begins.

import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";

const prefix = "shoal-bench-";
const hostCharsMax = 12;
/** Machines may share the place, and none knows who lives on another. */
const host = hostname().replace(/\W/g, "_").slice(0, hostCharsMax) || "_";
const left = new RegExp(`^${prefix}.+-${host}-(\\d+)-\\d+$`);

const own: string[] = [];
const swept = new Set<string>();

process.on("exit", () => {
  for (const folder of own) rmSync(folder, { recursive: true, force: true });
});

/** A folder in some place, for this process and those that it starts. */
export function scratch(place: string, name: string): string {
  mkdirSync(place, { recursive: true });
  if (!swept.has(place)) sweep(place);
  swept.add(place);
  const folder = join(place, `${prefix}${name}-${host}-${process.pid}-${own.length}`);
  mkdirSync(folder, { mode: 0o700 });
  own.push(folder);
  return folder;
}

function sweep(place: string): void {
  for (const name of readdirSync(place)) {
    const pid = Number(left.exec(name)?.[1] ?? process.pid);
    if (isAlive(pid)) continue;
    try {
      rmSync(join(place, name), { recursive: true, force: true });
    } catch {
      // Another user's, who takes it away himself.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
