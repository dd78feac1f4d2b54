// The room that the tensors of all threads may take together. Who finds it full waits in one line, whatever thread it
// is in: in each thread in the order of arrival, and of the first of each thread the one who came first.
import { cancelled, throwIfCancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import type { Room, RoomOptions } from "../room.ts";
import { arrivals, firstInLine, joined, left, pendingBytes, threadsMax, usedBytes, type Words } from "./words.ts";

export interface Line extends Room {
  /** Gives back room that was taken, and in which no tensor stands. */
  refund(bytes: number): void;
  /** Lets in who waits for room that was left. */
  left(): void;
  /** Forgets who waited in a thread that has ended. */
  forget(thread: number): void;
}

interface Waiter {
  readonly bytes: number;
  readonly arrival: number;
  /** Ends the wait, with an error or without; what it was waiting on is let go. */
  settle(error?: ShoalError): void;
}

const waitersMax = 65_536;

type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
) => { readonly value: Promise<unknown> | string };

/** The room as one thread sees it. */
export function line(words: Words, thread: number, options: RoomOptions): Line {
  const { capacityBytes, full, waitMs, environment } = options;
  const { control } = words;
  const waitAsync = Reflect.get(Atomics, "waitAsync") as WaitAsync;
  const own = new Set<Waiter>();
  let isListening = false;
  let isClosed = false;

  const shortage = (bytes: number, after: string): ShoalError =>
    new ShoalError(
      "CapacityExceeded",
      `Cannot allocate ${bytes} bytes: store holds ${words.used} of ${capacityBytes} bytes${after}`,
    );

  /** Whether somebody in another thread came before. */
  function isPreceded(arrival: number): boolean {
    const threads = Math.min(Atomics.load(control, joined), threadsMax);
    for (let other = 0; other < threads; other++) {
      const first = other === thread ? 0 : Atomics.load(control, firstInLine + other);
      // A difference, because arrivals begin again below zero after two thousand millions.
      if (first !== 0 && ((first - arrival) | 0) < 0) return true;
    }
    return false;
  }

  const isAlone = (): boolean => own.size === 0 && !isPreceded(Atomics.load(control, arrivals) + 1);

  function changed(): void {
    Atomics.add(control, left, 1);
    Atomics.notify(control, left);
  }

  function wake(): void {
    if (isPreceded(Atomics.load(control, arrivals) + 1)) changed();
    if (own.size > 0) admit();
  }

  /** Shows the others who is first here. */
  function show(): void {
    const [first] = own;
    const arrival = first?.arrival ?? 0;
    if (Atomics.exchange(control, firstInLine + thread, arrival) !== arrival) changed();
  }

  /** Strictly in the order of arrival: a large tensor is not overtaken for ever by small ones. */
  function admit(): void {
    for (const waiter of own) {
      if (isPreceded(waiter.arrival) || !words.tryUse(waiter.bytes, capacityBytes, thread)) break;
      waiter.settle();
    }
    show();
  }

  /** As long as somebody waits here, looks again whenever room was left anywhere. */
  async function listen(): Promise<void> {
    // Who is listening already hears that the line has changed.
    if (isListening) return admit();
    isListening = true;
    while (own.size > 0 && !isClosed) {
      const seen = Atomics.load(control, left);
      admit();
      if (own.size > 0) await waitAsync(control, left, seen).value;
    }
    isListening = false;
  }

  function wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      // Zero is nobody.
      const arrival = (Atomics.add(control, arrivals, 1) + 1) | 0 || (Atomics.add(control, arrivals, 1) + 1) | 0;
      const waiter: Waiter = {
        bytes,
        arrival,
        settle(error) {
          own.delete(waiter);
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
      own.add(waiter);
      void listen();
    });
  }

  return {
    get usedBytes() {
      return words.used;
    },
    enter(bytes, signal) {
      throwIfCancelled(signal);
      if (bytes === 0) return undefined;
      if (bytes > capacityBytes) {
        throw new ShoalError("TooLarge", `Cannot allocate ${bytes} bytes: store can hold ${capacityBytes} bytes`);
      }
      if (isAlone() && words.tryUse(bytes, capacityBytes, thread)) return undefined;
      if (full === "reject") throw shortage(bytes, "");
      if (own.size >= waitersMax) throw shortage(bytes, `; ${own.size} wait already`);
      return wait(bytes, signal);
    },
    leave(bytes) {
      Atomics.sub(words.wide, usedBytes, BigInt(bytes));
      wake();
    },
    refund(bytes) {
      const less = BigInt(bytes);
      Atomics.sub(words.wide, pendingBytes + thread, less);
      Atomics.sub(words.wide, usedBytes, less);
      wake();
    },
    left: wake,
    close() {
      isClosed = true;
      for (const waiter of own) {
        waiter.settle(new ShoalError("ShuttingDown", `Cannot allocate ${waiter.bytes} bytes: the store was closed`));
      }
      show();
    },
    forget(other) {
      Atomics.store(control, firstInLine + other, 0);
      Atomics.sub(words.wide, usedBytes, Atomics.exchange(words.wide, pendingBytes + other, 0n));
      changed();
      if (own.size > 0) admit();
    },
  };
}
