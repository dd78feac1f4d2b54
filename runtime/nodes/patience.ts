// Asks a store again that cannot be reached for a moment. Only for what may be asked twice.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { Environment } from "../environment.ts";

/** How often a store is asked, and how long after the first time it is asked again: twice as long each time. */
const attemptsMax = 8;
const waitMsFirst = 25;

/** `what` stands behind "Cannot". */
export async function persistently<T>(
  environment: Pick<Environment, "after">,
  what: string,
  call: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1, waitMs = waitMsFirst;; attempt++, waitMs *= 2) {
    try {
      return await call();
    } catch (error) {
      if (!isShoalError(error, "Unavailable") && !isShoalError(error, "Timeout")) throw error;
      if (attempt === attemptsMax) {
        const text =
          `Cannot ${what}: the store did not answer ${attemptsMax} times; see whether it is up, and try again`;
        throw new ShoalError("Unavailable", text, { cause: error });
      }
      await new Promise<void>((resolve) => environment.after(waitMs, resolve));
    }
  }
}

/** Waits so long, or until a signal says not to. */
export async function pause(environment: Pick<Environment, "after">, ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const end = (): void => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = environment.after(ms, end);
    signal.addEventListener("abort", end);
  });
}
