// How long whoever ends threads and processes waits for them to end in order.

import type { StopOptions } from "../system.ts";

/** How long one may take to show that it does not compute, and to end beyond what a stop may take. */
export const graceMs = 1_000;

/** Whether something was done in time, if it takes no longer than a stop may. What fails has been done. */
export async function inTime(
  stopping: StopOptions,
  stopTimeoutMs: number,
  call: () => Promise<unknown>,
): Promise<boolean> {
  const patienceMs = stopping.now === true ? graceMs : (stopping.timeoutMs ?? stopTimeoutMs) + graceMs;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), patienceMs));
  try {
    return await Promise.race([call().then(() => true), late]);
  } catch {
    // It has ended by itself, or its store has something to say that the main thread says too.
    return true;
  } finally {
    clearTimeout(timer);
  }
}
