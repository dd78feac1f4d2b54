// Lets tensors in: first into the room that the store may take, then into the arena, where the file system may be full
// though the store is not. Who finds no place waits until there is some, with a deadline, or is refused.
import { cancelled, throwIfCancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import { errnoOf } from "../file/disk.ts";
import { troubleOf } from "../file/trouble.ts";
import { lifetimeOf } from "../lifetime.ts";
import type { Room } from "../room.ts";
import type { Lifetime, PutOptions, StoreEnvironment } from "../store.ts";
import type { Entry, Owned } from "./entry.ts";
import { Crowded } from "./space.ts";
import type { Usage } from "./usage.ts";

export interface AdmissionOptions {
  readonly owned: Owned;
  readonly room: Room;
  /** The same room for all openings of the run. */
  readonly usage: Usage;
  readonly capacityBytes: number;
  /** One tensor may take so much. */
  readonly tensorBytesMax: number;
  readonly full: "wait" | "reject";
  readonly waitMs: number;
  readonly environment: StoreEnvironment;
  /** Asks all others to give back what they do not use; and looks whether one of them has asked. */
  readonly askOthers: () => void;
  readonly lookAround: () => void;
  /** Named in errors. */
  readonly folder: string;
  readonly throwIfClosed: () => void;
}

interface Wanted {
  readonly bytes: number;
  readonly shape: readonly number[];
}

export interface Admission {
  /** Entries for all or for none: two who each hold half of what they need would wait for each other. */
  admit(wanted: readonly Wanted[], options: PutOptions | undefined): Entry[] | Promise<Entry[]>;
  /** Looks now and then until nothing is kept by others any more. */
  watch(): void;
  close(): void;
}

/** How often who waits looks whether others have let go: they cannot call him. */
const lookMs = { min: 2, max: 200 } as const;
/** The same for what is gone and still held, when nobody waits. */
const idleLookMs = 200;

export function admission(options: AdmissionOptions): Admission {
  const {
    owned,
    room,
    usage,
    capacityBytes,
    tensorBytesMax,
    full,
    waitMs,
    environment,
    askOthers,
    lookAround,
    folder,
  } = options;
  const { throwIfClosed } = options;
  const sleepers = new Set<() => void>();
  let waiting = 0;
  let cancelLook: (() => void) | undefined;
  let isClosed = false;

  /** Looks again and again, for as long as somebody waits or something is kept by others. */
  function lookAgain(delayMs: number): void {
    if (isClosed || (cancelLook !== undefined && waiting === 0)) return;
    cancelLook?.();
    cancelLook = environment.after(delayMs, () => {
      cancelLook = undefined;
      try {
        owned.look(true);
      } catch {
        // Whoever calls next meets the same, and is told.
      }
      if (waiting > 0) lookAgain(Math.min(2 * delayMs, lookMs.max));
      else if (owned.isWaiting) lookAgain(idleLookMs);
    });
  }

  async function whileWaiting<T>(work: Promise<T>): Promise<T> {
    waiting += 1;
    lookAgain(lookMs.min);
    try {
      return await work;
    } finally {
      waiting -= 1;
    }
  }

  function added(wanted: readonly Wanted[], lifetime: Lifetime): Entry[] {
    const made: Entry[] = [];
    const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
    if (!usage.take(total)) {
      throw new Crowded(`all processes of the run together may hold ${capacityBytes} bytes`);
    }
    try {
      for (const { bytes, shape } of wanted) made.push(owned.add(bytes, shape.length, lifetime));
      return made;
    } catch (error) {
      for (const entry of made) owned.retract(entry);
      usage.leave(total);
      throw error;
    }
  }

  /** At once, as all but a few meet it; nothing where there is no place in the arena. */
  function inRoom(wanted: readonly Wanted[], total: number, lifetime: Lifetime): Entry[] | undefined {
    try {
      return added(wanted, lifetime);
    } catch (error) {
      if (isShortage(error)) return undefined;
      room.leave(total);
      throw troubleOf(error, "allocate");
    }
  }

  const isShortage = (error: unknown): boolean =>
    error instanceof Crowded || ["ENOSPC", "EDQUOT", "ENOMEM"].includes(errnoOf(error));

  function shortage(bytes: number, error: unknown, after: string): ShoalError {
    const why = error instanceof Crowded
      ? error.message || "it has room, but not in one piece"
      : `the file system of ${folder} is full (${errnoOf(error)})`;
    const cure = "release tensors, or name a larger place with shm:?dir=PATH";
    return new ShoalError("CapacityExceeded", `Cannot allocate ${bytes} bytes: ${why}${after}; ${cure}`, {
      cause: error,
    });
  }

  function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        sleepers.delete(wake);
        cancelTimer();
        signal?.removeEventListener("abort", wake);
        if (signal?.aborted) reject(cancelled(signal));
        else resolve();
      };
      const cancelTimer = environment.after(delayMs, wake);
      signal?.addEventListener("abort", wake);
      sleepers.add(wake);
    });
  }

  async function placed(
    wanted: readonly Wanted[],
    total: number,
    lifetime: Lifetime,
    signal: AbortSignal | undefined,
  ): Promise<Entry[]> {
    try {
      return await tried(wanted, total, lifetime, signal);
    } catch (error) {
      room.leave(total);
      throw error;
    }
  }

  async function tried(
    wanted: readonly Wanted[],
    total: number,
    lifetime: Lifetime,
    signal: AbortSignal | undefined,
  ): Promise<Entry[]> {
    const deadline = environment.now() + waitMs;
    for (let delayMs: number = lookMs.min;; delayMs = Math.min(2 * delayMs, lookMs.max)) {
      throwIfClosed();
      try {
        return added(wanted, lifetime);
      } catch (error) {
        if (!isShortage(error)) throw troubleOf(error, "allocate");
        if (!(error instanceof Crowded)) askOthers();
        const leftMs = deadline - environment.now();
        if (full === "reject") throw shortage(total, error, "");
        if (leftMs <= 0) throw shortage(total, error, `; waited ${waitMs} ms`);
        await pause(Math.min(leftMs, delayMs), signal);
        owned.look(true);
      }
    }
  }

  return {
    admit(wanted, options) {
      throwIfClosed();
      const lifetime = lifetimeOf(options);
      const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
      const large = wanted.find(({ bytes }) => bytes > tensorBytesMax);
      if (large !== undefined) {
        const sizes = `a tensor may take ${tensorBytesMax} bytes`;
        throw new ShoalError(
          "TooLarge",
          `Cannot allocate ${large.bytes} bytes: ${sizes}; name more with ?capacity=SIZE`,
        );
      }
      throwIfCancelled(options?.signal);
      owned.look(room.usedBytes + total > capacityBytes);
      lookAround();
      const entering = room.enter(total, options?.signal);
      if (entering !== undefined) {
        return whileWaiting(entering).then(() => placed(wanted, total, lifetime, options?.signal));
      }
      return inRoom(wanted, total, lifetime) ?? placed(wanted, total, lifetime, options?.signal);
    },
    watch: () => lookAgain(idleLookMs),
    close() {
      isClosed = true;
      cancelLook?.();
      for (const wake of sleepers) wake();
    },
  };
}
