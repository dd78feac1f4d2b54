// What Deno does not allow, said as the flag that would: its own error names the kind, not what to type.

import { ShoalError } from "../../stores/error.ts";

const kinds = /Requires (?:all )?(\w+) access(?: to "([^"]*)")?/;

/** The error as ours, where it is one of a permission that was not given; it may be a cause further down. */
export function permissionError(error: unknown): ShoalError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (at.name !== "NotCapable" && at.name !== "PermissionDenied") continue;
    const [, kind, what] = kinds.exec(at.message) ?? [];
    if (kind === undefined) continue;
    // What is asked of the environment and the machine is many small things: one flag for all, rather than one by one.
    const isWhole = what === undefined || kind === "env" || kind === "sys";
    const flag = kind === "all" ? "-A" : `--allow-${kind}${isWhole ? "" : `=${what.replace(/:$/, "")}`}`;
    const text = `Cannot go on: Deno was started without ${kind} access${what === undefined ? "" : ` to ${what}`}; ` +
      `add ${flag} to deno run`;
    return new ShoalError("Unauthorized", text, { cause: error });
  }
  return undefined;
}
