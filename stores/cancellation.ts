// How an aborted signal becomes an error.
import { ShoalError } from "./error.ts";

/** The error of a call whose signal was aborted before anything had happened. */
export const cancelled = (signal: AbortSignal): ShoalError =>
  new ShoalError("Cancelled", "Cannot go on: the signal was aborted", { cause: signal.reason });

/** Throws Cancelled where a signal was already aborted. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(signal);
}
