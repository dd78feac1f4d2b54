// A system of actors for tests: its clock moves when it is told to, and what it records is kept.
import { type LocalOptions, localSystem } from "../../runtime/cells/local.ts";
import { defaultLimits } from "../../runtime/launch/launch.ts";
import type { Limits, RunRecord, Supervision, System } from "../../runtime/mod.ts";
import { defaultSupervision } from "../../runtime/supervision.ts";
import { memoryStore } from "../../stores/memory.ts";
import { assert } from "../suite.ts";
import { turn, type World, world } from "../stores/world.ts";

export interface Stage {
  readonly system: System;
  readonly clock: World;
  readonly records: RunRecord[];
}

export interface StageOptions extends Partial<Pick<LocalOptions, "run" | "seed" | "strict" | "record" | "ledger">> {
  readonly limits?: Partial<Limits>;
  readonly supervision?: Partial<Supervision>;
  readonly capacityBytes?: number;
}

/** A system on a clock of its own. Strict as the environment says, like a launched one. */
export function stage(options: StageOptions = {}): Stage {
  const clock = world();
  const records: RunRecord[] = [];
  const { run = "run-1", seed = 1, strict = process.env["SHOAL_STRICT"] === "1" } = options;
  const capacity = options.capacityBytes === undefined ? {} : { capacityBytes: options.capacityBytes };
  const system = localSystem({
    run,
    node: "main",
    seed,
    strict,
    environment: {
      now: () => clock.now(),
      date: () => 1_700_000_000_000 + clock.now(),
      after: (delayMs, call) => clock.after(delayMs, call),
      soon: (call) => queueMicrotask(call),
      later: (call) => void setImmediate(call),
      token: () => clock.token(),
    },
    store: memoryStore({ run, environment: clock, strict, ...capacity }),
    limits: { ...defaultLimits, ...options.limits },
    supervision: { ...defaultSupervision, ...options.supervision },
    record: options.record ?? ((record) => void records.push(record)),
    ledger: options.ledger,
  });
  return { system, clock, records };
}

/** Ends a system and shows that nothing of it is left: no actor, no timer. */
export async function leave(at: Stage): Promise<void> {
  await at.system.close({ now: true });
  assert.equal(at.system.statistics().actors, 0, "actors are left");
  await leaveNoTimer(at);
}

/** Shows that no timer is set that would keep a process alive. */
export async function leaveNoTimer({ clock }: Stage): Promise<void> {
  // Deadlines look again once when nobody waits any more.
  await clock.advance(1_000);
  assert.equal(clock.timers, 0, "timers are left");
}

/** Lets everything run that waits for no timer. */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 8; i++) await turn();
}

export interface Gate {
  readonly passed: Promise<void>;
  open(): void;
}

/** Something to wait at until the test lets go. */
export function gate(): Gate {
  let open!: () => void;
  const passed = new Promise<void>((resolve) => open = resolve);
  return { passed, open };
}

/** The same calls: that one of them fails before somebody looks is no accident. */
export function held<Calls extends readonly PromiseLike<unknown>[]>(...calls: Calls): Calls {
  for (const call of calls) call.then(undefined, () => {});
  return calls;
}

/** How each of several calls has settled by now; nothing for one that has not. */
export async function settledOf(calls: readonly PromiseLike<unknown>[]): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = calls.map(() => undefined);
  for (const [index, call] of calls.entries()) {
    call.then(
      (value) => found[index] = `value ${JSON.stringify(value)}`,
      (error: { code?: string; outcome?: string }) => found[index] = `${error.code} ${error.outcome}`,
    );
  }
  await quiet();
  return found;
}
