// The private folder of a run's sockets on one machine: who is in it leaves a mark there, so that what killed processes
// have left behind is known, and taken away by the next that makes one.

import { Buffer } from "node:buffer";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileMode } from "../run/layout.ts";
import { hasEnded, markOfThis, type ProcessMark } from "../run/process.ts";
import { errnoOf } from "../run/trouble.ts";

const prefix = "shoal-";
const named = /^shoal-[A-Za-z0-9]{6}$/;
const marked = ".owner";
/** A folder without any mark is about to get one, unless it is older. */
const unmarkedMsMax = 60_000;
/** What a socket's name below it takes, of what the path of one may be long. */
const folderBytesMax = 60;

/** Sockets have short names: it is never below the run's directory, and not where temporary files are too far down. */
const place = (): string => Buffer.byteLength(tmpdir()) > folderBytesMax ? "/tmp" : tmpdir();

/** Makes one, and takes away those of processes that have ended. */
export function makeNest(): string {
  const above = place();
  sweepNests(above);
  for (;;) {
    const folder = mkdtempSync(join(above, prefix));
    try {
      markNest(folder);
      return folder;
    } catch (error) {
      // Taken for one that was left, by somebody whose clock ran while this process stood still.
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}

/** This process uses it from here on. */
export function markNest(folder: string): void {
  writeFileSync(join(folder, `${process.pid}${marked}`), JSON.stringify(markOfThis()), { mode: fileMode });
}

/** This process does not any more; the last one takes it away. */
export function leaveNest(folder: string): void {
  try {
    rmSync(join(folder, `${process.pid}${marked}`), { force: true });
    rmdirSync(folder);
  } catch {
    // Others are in it yet, or it was never made.
  }
}

/** Takes away what processes that have ended left there on this machine. What cannot be told is left. */
export function sweepNests(above: string): void {
  for (const name of namesIn(above)) if (named.test(name)) sweep(join(above, name));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function sweep(folder: string): void {
  try {
    const { uid, mtimeMs } = lstatSync(folder);
    if (uid !== userInfo().uid) return;
    const marks = namesIn(folder).filter((name) => name.endsWith(marked));
    if (marks.length === 0) {
      // Nothing but an empty one goes: others may call theirs alike.
      if (Date.now() - mtimeMs > unmarkedMsMax) rmdirSync(folder);
    } else if (marks.every((name) => isOver(join(folder, name)))) rmSync(folder, { recursive: true, force: true });
  } catch {
    // Somebody else is at it.
  }
}

function isOver(path: string): boolean {
  try {
    return hasEnded(JSON.parse(readFileSync(path, "utf8")) as ProcessMark) === true;
  } catch {
    // Half written, as a full disk leaves it: whose it is, its name tells.
    return false;
  }
}
