// What a task's failure says of a campaign. Most say something of the task, and the campaign goes on; these say that
// whoever works for it is gone, or is being ended: a task that is tried again fails again, and a warning is no news.

import { isShoalError, type ShoalError } from "../../runtime/mod.ts";

const endings = ["ShuttingDown", "Ended", "Cancelled", "Fenced", "Suspended"] as const;

/** Whether the campaign ends with this: a resume goes on from what was written down. */
export function isEnding(error: unknown): error is ShoalError {
  return endings.some((code) => isShoalError(error, code));
}
