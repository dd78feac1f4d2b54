// What the errors of a file system mean here. `Unavailable` is never told as `Missing`: that a file is not there is
// for the caller to judge, who knows whether it should be.
import { isShoalError, ShoalError } from "../error.ts";
import { errnoOf } from "./disk.ts";

const full = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const forbidden = new Set(["EACCES", "EPERM", "EROFS"]);

/** Whether a disk or a quota had no room for a call. */
export const isFull = (error: unknown): boolean => full.has(errnoOf(error));

/** A call's error as ours. What a write's unknown error left behind, nobody can say. */
export function troubleOf(error: unknown, what: string, mayHaveHappened: boolean = false): ShoalError {
  if (isShoalError(error)) return error;
  const errno = errnoOf(error);
  const why = errno === "" ? "the file system failed" : errno;
  if (full.has(errno)) {
    return new ShoalError("CapacityExceeded", `Cannot ${what}: the disk or the quota is full (${errno})`, {
      cause: error,
    });
  }
  if (forbidden.has(errno)) {
    return new ShoalError("Unauthorized", `Cannot ${what}: the file system does not permit it (${errno})`, {
      cause: error,
    });
  }
  const outcome = mayHaveHappened ? "unknown" : "failed";
  return new ShoalError("Unavailable", `Cannot ${what}: ${why}`, { outcome, cause: error });
}
