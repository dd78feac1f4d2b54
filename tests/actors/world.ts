// The world of a system of actors in tests: virtual time that moves when it is told to, over the real event loop's
// turns; and systems that live in it, with what they recorded.
import type { Environment } from "../../runtime/environment.ts";
import { defaultLimits } from "../../runtime/launch/launch.ts";
import { localSystem } from "../../runtime/cells/local.ts";
import {
  isShoalError,
  type Limits,
  type RunRecord,
  type ShoalError,
  type Supervision,
  type System,
} from "../../runtime/mod.ts";
import type { ErrorCode, Outcome } from "../../runtime/mod.ts";
import { defaultSupervision } from "../../runtime/supervision.ts";
import { memoryStore } from "../../stores/memory.ts";
import type { Store } from "../../stores/store.ts";
import { assert } from "../suite.ts";

export interface World extends Environment {
  /** Timers that have neither called nor been cancelled. */
  readonly timers: number;
  /** How often work was put off to a later turn of the event loop. */
  readonly laters: number;
  /** Lets everything run that waits for no timer. */
  settle(): Promise<void>;
  /** Moves the clock, calling each timer at its time, and settles after each. */
  advance(ms: number): Promise<void>;
  /** Time passes and nobody is called: what a handler that computes does. */
  spend(ms: number): void;
}

let macrotasks = 0;

/** One turn of the event loop, for handlers too: a world that settles waits for it. */
export function macrotask(): Promise<void> {
  macrotasks++;
  return new Promise((resolve) =>
    setImmediate(() => {
      macrotasks--;
      resolve();
    })
  );
}

const eventLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const turnsMax = 100_000;

export function world(): World {
  const timers = new Set<{ readonly at: number; readonly call: () => void }>();
  let now = 1_000;
  let tokens = 0;
  let laters = 0;
  let waiting = 0;

  async function settle(): Promise<void> {
    for (let quiet = 0, turns = 0; quiet < 2; turns++) {
      if (turns > turnsMax) throw new Error(`The system is still busy after ${turnsMax} turns`);
      await eventLoop();
      quiet = waiting === 0 && macrotasks === 0 ? quiet + 1 : 0;
    }
  }

  return {
    now: () => now,
    date: () => 1_700_000_000_000 + now,
    after(delayMs, call) {
      assert.ok(delayMs >= 0 && delayMs < 2 ** 31, `a timer of ${delayMs} ms`);
      const timer = { at: now + delayMs, call };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    soon: (call) => queueMicrotask(call),
    later(call) {
      laters++;
      waiting++;
      setImmediate(() => {
        waiting--;
        call();
      });
    },
    token: () => (++tokens).toString(16).padStart(16, "0"),
    get timers() {
      return timers.size;
    },
    get laters() {
      return laters;
    },
    settle,
    async advance(ms) {
      await settle();
      const end = now + ms;
      for (;;) {
        let next: { readonly at: number; readonly call: () => void } | undefined;
        for (const timer of timers) if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
        if (next === undefined) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.call();
        await settle();
      }
      now = Math.max(now, end);
      await settle();
    },
    spend: (ms) => void (now += ms),
  };
}

export interface WorldSystem extends System {
  readonly environment: World;
  readonly records: RunRecord[];
  readonly tensorStore: Store;
}

export interface WorldOptions {
  readonly environment?: World;
  readonly limits?: Partial<Limits>;
  readonly supervision?: Partial<Supervision>;
  readonly strict?: boolean;
  readonly run?: string;
}

export const isStrict: boolean = process.env["SHOAL_STRICT"] === "1";

/** A system in virtual time. */
export function systemIn(options: WorldOptions = {}): WorldSystem {
  const { environment = world(), strict = isStrict, run = "run-1" } = options;
  const records: RunRecord[] = [];
  const store = memoryStore({ run, environment, strict });
  const system = localSystem({
    run,
    node: "main",
    seed: 1,
    strict,
    environment,
    store,
    limits: { ...defaultLimits, ...options.limits },
    supervision: { ...defaultSupervision, ...options.supervision },
    record: (record) => void records.push(record),
  });
  return Object.assign(system, { environment, records, tensorStore: store });
}

/** Runs a test in a system of its own; at its end the system closes at once and leaves no timer behind. */
export async function inSystem(options: WorldOptions, body: (system: WorldSystem) => unknown): Promise<void> {
  const system = systemIn(options);
  try {
    await body(system);
  } finally {
    const closing = system.close({ now: true });
    await system.environment.settle();
    if (system.environment.timers > 0) await system.environment.advance(60_000);
    await closing;
  }
  assert.equal(system.environment.timers, 0, "timers are left when the system has closed");
}

/** Nobody waits for anything: what may be left is the deadlines' own look, which goes by itself. */
export async function noTimers(system: WorldSystem): Promise<void> {
  await system.environment.advance(300);
  assert.equal(system.environment.timers, 0, "a timer is left though nobody waits");
}

export type Settled =
  | { readonly value: unknown; readonly error?: undefined }
  | { readonly error: unknown; readonly value?: undefined };

/** Follows a call without waiting for it: how it ended, as soon as it has. */
export function followed(call: PromiseLike<unknown>): { ended: Settled | undefined; times: number } {
  const state: { ended: Settled | undefined; times: number } = { ended: undefined, times: 0 };
  call.then(
    (value) => {
      state.times++;
      state.ended = { value };
    },
    (error: unknown) => {
      state.times++;
      state.ended = { error };
    },
  );
  return state;
}

/** The shoal error of a code, and outcome, that a call ends with; fails where it ends otherwise. */
export async function fails(call: PromiseLike<unknown>, code: ErrorCode, outcome?: Outcome): Promise<ShoalError> {
  return checked(await call.then((value) => ({ value }), (error: unknown) => ({ error })), code, outcome);
}

/** The same for a call that was followed: it must have ended by now. */
export function checked(ended: Settled | undefined, code: ErrorCode, outcome?: Outcome): ShoalError {
  if (ended === undefined) throw new Error(`Expected ${code}, and the call has not settled`);
  if (!("error" in ended)) throw new Error(`Expected ${code}, and the call succeeded with ${String(ended.value)}`);
  const { error } = ended;
  if (!isShoalError(error, code)) throw new Error(`Expected ${code}, got ${String(error)}`, { cause: error });
  if (outcome !== undefined) assert.equal(error.outcome, outcome, `the outcome of ${error.message}`);
  return error;
}

/** A door that a handler waits at until the test opens it. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => open = resolve);
  return { opened, open };
}
