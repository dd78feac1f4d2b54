// The room that a store's tensors may take together: who finds it full waits in line, with a deadline, or is refused.
import { cancelled, throwIfCancelled } from "./cancellation.ts";
import { ShoalError } from "./error.ts";
import type { StoreEnvironment } from "./store.ts";

export interface RoomOptions {
  readonly capacityBytes: number;
  readonly full: "wait" | "reject";
  readonly waitMs: number;
  readonly environment: StoreEnvironment;
}

export interface Room {
  readonly usedBytes: number;
  /** Takes room now, or answers a promise of it. Throws TooLarge, CapacityExceeded or Cancelled. */
  enter(bytes: number, signal?: AbortSignal): Promise<void> | undefined;
  leave(bytes: number): void;
  /** Rejects whoever waits. */
  close(): void;
}

interface Waiter {
  readonly bytes: number;
  /** Ends the wait, with an error or without; what it was waiting on is let go. */
  settle(error?: ShoalError): void;
}

const waitersMax = 65_536;

export function room(options: RoomOptions): Room {
  const { capacityBytes, full, waitMs, environment } = options;
  const line = new Set<Waiter>();
  let usedBytes = 0;

  const shortage = (bytes: number, after: string): ShoalError =>
    new ShoalError(
      "CapacityExceeded",
      `Cannot allocate ${bytes} bytes: store holds ${usedBytes} of ${capacityBytes} bytes${after}`,
    );

  /** Strictly in the order of arrival: a large tensor is not overtaken for ever by small ones. */
  function admit(): void {
    for (const waiter of line) {
      if (usedBytes + waiter.bytes > capacityBytes) return;
      usedBytes += waiter.bytes;
      waiter.settle();
    }
  }

  function wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        bytes,
        settle(error) {
          line.delete(waiter);
          cancelTimer();
          signal?.removeEventListener("abort", onAbort);
          if (error === undefined) return resolve();
          reject(error);
        },
      };
      const give = (error: ShoalError): void => {
        waiter.settle(error);
        // Those behind may fit where this one did not.
        admit();
      };
      const onAbort = (): void => give(cancelled(signal!));
      const cancelTimer = environment.after(waitMs, () => give(shortage(bytes, `; waited ${waitMs} ms`)));
      signal?.addEventListener("abort", onAbort);
      line.add(waiter);
    });
  }

  return {
    get usedBytes() {
      return usedBytes;
    },
    enter(bytes, signal) {
      throwIfCancelled(signal);
      if (bytes === 0) return undefined;
      if (bytes > capacityBytes) {
        throw new ShoalError("TooLarge", `Cannot allocate ${bytes} bytes: store can hold ${capacityBytes} bytes`);
      }
      if (line.size === 0 && usedBytes + bytes <= capacityBytes) {
        usedBytes += bytes;
        return undefined;
      }
      if (full === "reject") throw shortage(bytes, "");
      if (line.size >= waitersMax) throw shortage(bytes, `; ${line.size} wait already`);
      return wait(bytes, signal);
    },
    leave(bytes) {
      usedBytes -= bytes;
      admit();
    },
    close() {
      for (const waiter of line) {
        waiter.settle(new ShoalError("ShuttingDown", `Cannot allocate ${waiter.bytes} bytes: the store was closed`));
      }
    },
  };
}
