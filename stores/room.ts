// The room that a store's tensors may take together: who finds it full waits in line, with a deadline, or is refused.
import { cancelled, throwIfCancelled } from "./cancellation.ts";
import { ShoalError } from "./error.ts";
import type { StoreEnvironment } from "./store.ts";

export interface RoomOptions {
  readonly capacityBytes: number;
  readonly full: "wait" | "reject";
  readonly waitMs: number;
  readonly environment: StoreEnvironment;
  /** Who else takes of the same capacity, told what is taken here. Nobody unless set. */
  readonly usage?: ((usedBytes: () => number) => Usage) | undefined;
}

/** What this process may take of a capacity that others take of too. */
export interface Usage {
  /** Takes of what it was given before, without asking. What was left is not given back that way. */
  spend(bytes: number): boolean;
  /** Asks for so much; given, it can be spent. `isThorough` looks at what really stands, which takes its time. */
  ask(bytes: number, isThorough: boolean): Promise<boolean>;
  /** Told when less is taken than before. */
  left(): void;
  /** What all take together, as far as was seen last. */
  readonly allBytes: number;
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
  /** Its time is over: it is asked for once more, and then refused. */
  isOver: boolean;
  /** Ends the wait, with an error or without; what it was waiting on is let go. */
  settle(error?: unknown): void;
}

const waitersMax = 65_536;
/** How often those who wait look whether others have left, at first and at last; and no more than a part of the time. */
const lookMs = { min: 5, max: 1_000, share: 10 } as const;

export function room(options: RoomOptions): Room {
  const { capacityBytes, full, waitMs, environment } = options;
  const line = new Set<Waiter>();
  const after = `; waited ${waitMs} ms`;
  let usedBytes = 0;
  const usage = options.usage?.(() => usedBytes);
  let isAsking = false;
  let isChanged = false;
  let wake: (() => void) | undefined;

  const shortage = (bytes: number, after: string): ShoalError =>
    new ShoalError(
      "CapacityExceeded",
      `Cannot allocate ${bytes} bytes: store holds ${usage?.allBytes ?? usedBytes} of ${capacityBytes} bytes${after}`,
    );

  /** Strictly in the order of arrival: a large tensor is not overtaken for ever by small ones. */
  function admit(): void {
    if (usage !== undefined) {
      isChanged = true;
      return wake?.();
    }
    for (const waiter of line) {
      if (usedBytes + waiter.bytes > capacityBytes) return;
      usedBytes += waiter.bytes;
      waiter.settle();
    }
  }

  const isRoomFor = (bytes: number): boolean =>
    usage === undefined ? usedBytes + bytes <= capacityBytes : usage.spend(bytes);

  /** Asks for the first in line, again and again: what others leave, nobody tells. */
  async function ask(given: Usage): Promise<void> {
    let delayMs: number = lookMs.min;
    let dueMs = -Infinity;
    for (let first = next(); first !== undefined; first = next()) {
      const startMs = environment.now();
      const isLast = full === "reject" || first.isOver;
      const isThorough = isLast || startMs >= dueMs;
      isChanged = false;
      try {
        const isGiven = await given.ask(first.bytes, isThorough);
        // Where it gave up meanwhile, what was given is the next one's.
        if (!line.has(first)) continue;
        if (isGiven && given.spend(first.bytes)) {
          usedBytes += first.bytes;
          first.settle();
          delayMs = lookMs.min;
          dueMs = -Infinity;
          continue;
        }
      } catch (error) {
        first.settle(error);
        continue;
      }
      if (isLast) {
        first.settle(shortage(first.bytes, full === "reject" ? "" : after));
        continue;
      }
      if (isThorough) {
        const nowMs = environment.now();
        dueMs = nowMs + Math.max(delayMs, lookMs.share * (nowMs - startMs));
        delayMs = Math.min(2 * delayMs, lookMs.max);
      }
      await changed(dueMs - environment.now());
    }
    isAsking = false;
  }

  const next = (): Waiter | undefined => line.values().next().value;

  /** Until something was let go here, or the time is over. */
  function changed(delayMs: number): Promise<void> | undefined {
    if (isChanged) return undefined;
    return new Promise((resolve) => {
      const end = (): void => {
        cancelTimer();
        wake = undefined;
        resolve();
      };
      const cancelTimer = environment.after(Math.max(0, delayMs), end);
      wake = end;
    });
  }

  function wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        bytes,
        isOver: false,
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
      const cancelTimer = environment.after(waitMs, () => {
        if (usage === undefined || next() !== waiter) return give(shortage(bytes, after));
        waiter.isOver = true;
        admit();
      });
      signal?.addEventListener("abort", onAbort);
      line.add(waiter);
      if (usage === undefined || isAsking) return;
      isAsking = true;
      void ask(usage);
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
      if (line.size === 0 && isRoomFor(bytes)) {
        usedBytes += bytes;
        return undefined;
      }
      if (full === "reject" && usage === undefined) throw shortage(bytes, "");
      if (line.size >= waitersMax) throw shortage(bytes, `; ${line.size} wait already`);
      return wait(bytes, signal);
    },
    leave(bytes) {
      usedBytes -= bytes;
      usage?.left();
      admit();
    },
    close() {
      for (const waiter of line) {
        waiter.settle(new ShoalError("ShuttingDown", `Cannot allocate ${waiter.bytes} bytes: the store was closed`));
      }
      wake?.();
    },
  };
}
