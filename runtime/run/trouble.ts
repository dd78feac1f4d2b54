// What the file system's errors mean for a run directory, each with what to do about it.

import { isShoalError, ShoalError } from "../../stores/error.ts";

/** The code of a file system's error: `ENOENT`; empty for any other. */
export function errnoOf(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : "";
}

/** An error while something was done in a folder, as ours. `what` reads on from "Cannot". */
export function troubleIn(folder: string, what: string, error: unknown): Error {
  if (isShoalError(error)) return error;
  // What Deno did not permit is said further up, with the flag that would.
  if (error instanceof Error && error.name === "NotCapable") return error;
  const errno = errnoOf(error);
  switch (errno) {
    case "ENOSPC":
    case "EDQUOT":
    case "EFBIG": {
      const cure = "free some space and shoal resume the run: what was recorded is kept";
      return new ShoalError(
        "CapacityExceeded",
        `Cannot ${what}: the disk or quota of ${folder} is full (${errno}); ${cure}`,
        { cause: error },
      );
    }
    case "EROFS":
    case "EACCES":
    case "EPERM": {
      const why = errno === "EROFS"
        ? "it lies on a disk that is mounted read-only"
        : "its permissions do not let you write";
      const cure = "name another folder with --runs, or change its permissions";
      return new ShoalError("Unauthorized", `Cannot ${what}: ${folder}: ${why} (${errno}); ${cure}`, { cause: error });
    }
    case "ENOTDIR":
    case "EISDIR":
      return new ShoalError(
        "BadInput",
        `Cannot ${what}: ${folder}: a file stands where a folder is wanted (${errno}); name another with --runs`,
        { cause: error },
      );
    default: {
      const why = errno === "" ? String(error instanceof Error ? error.message : error) : errno;
      return new ShoalError("Unavailable", `Cannot ${what}: ${folder}: ${why}`, { cause: error });
    }
  }
}
