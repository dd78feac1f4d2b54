// What the errors of a file system mean here. `Unavailable` is never told as `Missing`: that a file is not there is
// for the caller to judge, who knows whether it should be.
import { isShoalError, ShoalError } from "../error.ts";
import { errnoOf } from "./disk.ts";

const full = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const forbidden = new Set(["EACCES", "EPERM", "EROFS"]);
/** The others that a person meets, in words. */
const words: ReadonlyMap<string, string> = new Map([
  ["ENOTDIR", "a part of its path is a file, not a folder"],
  ["ENAMETOOLONG", "its path is longer than the file system takes"],
  ["EIO", "the disk or its server failed"],
  ["EMFILE", "this process has as many files open as ulimit -n lets it"],
]);

/** Whether a disk or a quota had no room for a call. */
export const isFull = (error: unknown): boolean => full.has(errnoOf(error));

/** A call's error as ours. What a write's unknown error left behind, nobody can say. */
export function troubleOf(error: unknown, what: string, mayHaveHappened: boolean = false): ShoalError {
  if (isShoalError(error)) return error;
  const errno = errnoOf(error);
  if (full.has(errno)) {
    const why = `the disk or the quota is full (${errno}); make room there, or name another place`;
    return new ShoalError("CapacityExceeded", `Cannot ${what}: ${why}`, { cause: error });
  }
  if (forbidden.has(errno)) {
    const why = `the file system does not permit it (${errno}); name a place that is yours to read and write`;
    return new ShoalError("Unauthorized", `Cannot ${what}: ${why}`, { cause: error });
  }
  const known = words.get(errno);
  const why = errno === "" ? "the file system failed" : known === undefined ? errno : `${known} (${errno})`;
  const outcome = mayHaveHappened ? "unknown" : "failed";
  return new ShoalError("Unavailable", `Cannot ${what}: ${why}`, { outcome, cause: error });
}
