// One run of a program in a world of its own: real actors, real scheduler, mailboxes and codec, in virtual time, with
// the faults that its seed draws. The same seed does the same, step by step.

import { createHash } from "node:crypto";
import { openStore } from "../../stores/open.ts";
import { type Local, local } from "../cells/local.ts";
import { defaultLimits } from "../launch/launch.ts";
import { limitsFrom, supervisionFrom } from "../options.ts";
import { random } from "../random.ts";
import type { RunRecord } from "../run/records.ts";
import { defaultSupervision, type Supervision } from "../supervision.ts";
import type { Limits, System } from "../system.ts";
import { turn } from "../cells/turn.ts";
import {
  drawnFaults,
  type Fault,
  type FaultPlan,
  type FaultRates,
  faultyTensors,
  listedFaults,
  noFaults,
} from "./faults.ts";
import { type Foreign, takeOver } from "./foreign.ts";
import { type VirtualWorld, virtualWorld } from "./world.ts";

/** A program in a simulation: as any other, and its clock beside it. */
export type Simulated<T> = (system: System, world: { now(): number }) => Promise<T>;

export interface SimulateOptions {
  readonly seed: number;
  /** How often what goes wrong, or exactly what. */
  readonly faults?: Partial<FaultRates> | readonly Fault[];
  /** Must hold after every step; throws where it does not. */
  readonly invariant?: (system: System) => void;
  readonly limits?: Partial<Limits>;
  readonly supervision?: Partial<Supervision>;
  readonly store?: string;
  /** A run that is not over by then never will be. */
  readonly stepsMax?: number;
  readonly timeMsMax?: number;
  /** How much of what happens is kept; the last of it. */
  readonly happeningsMax?: number;
  /** What happened before, from the first step on: the run ends where it goes another way. */
  readonly expected?: readonly Happening[];
}

/** One thing that happened. */
export interface Happening {
  readonly step: number;
  readonly timeMs: number;
  readonly who: string;
  readonly what: string;
}

/** How a simulation went. */
export interface Simulation<T> {
  readonly seed: number;
  /** `hangs`: nothing was left to happen, and the program had not ended. `differs`: it went another way. */
  readonly outcome: "done" | "failed" | "hangs" | "differs";
  readonly value?: T;
  readonly error?: unknown;
  readonly steps: number;
  readonly timeMs: number;
  readonly faults: readonly Fault[];
  /** The last of what happened. */
  readonly happenings: readonly Happening[];
  /** Of all that happened: equal digests, equal runs. */
  readonly digest: string;
  /** Who used a clock or dice that are not the runtime's. */
  readonly foreign: Foreign | undefined;
  /** Where it first went another way than expected. */
  readonly difference: Difference | undefined;
}

/** Two runs that should have been one. */
export interface Difference {
  readonly expected: Happening | undefined;
  readonly happened: Happening | undefined;
}

const happeningsMaxDefault = 200;
const stepsMaxDefault = 1_000_000;
const timeMsMaxDefault = 30 * 24 * 3_600_000;
/** Realms have one clock each: one simulation at a time. */
let last: Promise<unknown> = Promise.resolve();

/** Runs a program once. What the program or the invariant throws is the simulation's outcome, not an exception. */
export function simulate<T>(program: Simulated<T>, options: SimulateOptions): Promise<Simulation<T>> {
  const run = last.then(() => simulateNow(program, options));
  last = run.catch(() => {});
  return run;
}

async function simulateNow<T>(program: Simulated<T>, options: SimulateOptions): Promise<Simulation<T>> {
  const { seed, faults = {}, invariant, expected, stepsMax = stepsMaxDefault, timeMsMax = timeMsMaxDefault } = options;
  const { happeningsMax = happeningsMaxDefault } = options;
  const chance = random(seed);
  const world = virtualWorld(chance.fork("world"));
  const plan: FaultPlan = isList(faults)
    ? listedFaults(faults)
    : drawnFaults(chance.fork("faults"), { ...noFaults, ...faults });
  const digest = createHash("sha256");
  const happenings: Happening[] = [];
  let steps = 0;
  let foreign: Foreign | undefined;

  let isOver = false;
  let told = 0;
  let difference: Difference | undefined;

  function happened(who: string, what: string): void {
    if (isOver || difference !== undefined) return;
    const happening = { step: steps, timeMs: world.now(), who, what };
    digest.update(`${steps} ${happening.timeMs} ${who} ${what}\n`);
    happenings.push(happening);
    if (happenings.length > happeningsMax) happenings.shift();
    if (expected !== undefined) difference ??= compare(expected[told], happening);
    told++;
  }

  const { system, actors, crash } = await open(options, world, chance.fork("order"), plan, happened);
  const restore = takeOver(world, chance.fork("dice"), (what) => {
    foreign ??= { what, actor: turn.actor === undefined ? undefined : `${turn.actor.className} ${turn.actor.id}` };
  });
  let settled: { readonly value: T } | { readonly error: unknown } | undefined;
  try {
    program(system, world).then(
      (value) => isOver || (settled = { value }),
      (error: unknown) => isOver || (settled = { error }),
    );
    for (; settled === undefined && difference === undefined && steps < stepsMax && world.now() <= timeMsMax; steps++) {
      await microtasks();
      const victim = plan.crash(steps, actors);
      if (victim !== undefined) {
        happened(victim, "crashes");
        crash(victim, new Error("a simulated crash"));
      } else if (!world.act()) {
        await everything();
        if (settled === undefined && !world.act() && !world.pass()) break;
      }
      if (invariant === undefined) continue;
      await microtasks();
      invariant(system);
    }
  } catch (error) {
    settled = { error };
  } finally {
    // What becomes of the program while its system is closed is no part of how it went.
    isOver = true;
    await end(system, world);
    restore();
  }
  if (expected !== undefined && told < expected.length) {
    difference ??= { expected: expected[told], happened: undefined };
  }
  const outcome = difference !== undefined
    ? "differs"
    : settled === undefined
    ? "hangs"
    : "value" in settled
    ? "done"
    : "failed";
  const timeMs = happenings.at(-1)?.timeMs ?? 0;
  const common = { seed, outcome, steps, timeMs, faults: plan.happened, happenings, foreign, difference } as const;
  return { ...common, ...settled, digest: digest.digest("hex").slice(0, 16) };
}

function compare(expected: Happening | undefined, happened: Happening): Difference | undefined {
  const isSame = expected !== undefined && expected.step === happened.step && expected.timeMs === happened.timeMs &&
    expected.who === happened.who && expected.what === happened.what;
  return isSame ? undefined : { expected, happened };
}

async function open(
  options: SimulateOptions,
  world: VirtualWorld,
  order: { below(bound: number): number },
  plan: FaultPlan,
  happened: (who: string, what: string) => void,
): Promise<Local> {
  const what = "Cannot simulate";
  const run = `simulation-${options.seed}`;
  const store = await openStore(options.store ?? "memory:", {
    run,
    environment: world,
    strict: true,
    thresholdBytes: 10_000,
  });
  const trace = (text: string): void => happened("store", text);
  return local({
    run,
    node: "main",
    seed: options.seed,
    strict: true,
    environment: world,
    store: { ...store, tensors: faultyTensors(store.tensors, { plan, trace, after: world.after }) },
    limits: limitsFrom(what, defaultLimits, options.limits),
    supervision: supervisionFrom(what, defaultSupervision, options.supervision),
    record: (record) => happened(...said(record)),
    trace: (actor, method) => happened(actor, method),
    choose: (ready) => order.below(ready),
  });
}

/** Lets run what waits for nothing: so many rounds are enough for most code, and what takes more goes on meanwhile. */
async function microtasks(): Promise<void> {
  for (let round = 0; round < roundsAStep; round++) await settledAlready;
}

const roundsAStep = 8;
const settledAlready = Promise.resolve();

/** Lets run all that waits for nothing, however long its chain: before time passes, nobody may be in the middle. */
function everything(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Ends what is left, in the same world. */
async function end(system: System, world: VirtualWorld): Promise<void> {
  let closed = false;
  const closing = system.close({ now: true }).catch(() => {}).then(() => closed = true);
  for (let step = 0; !closed && step < stepsMaxDefault; step++) {
    await everything();
    if (!closed && !world.act() && !world.pass()) break;
  }
  await closing;
}

function isList(faults: Partial<FaultRates> | readonly Fault[]): faults is readonly Fault[] {
  return Array.isArray(faults);
}

function said(record: RunRecord): [string, string] {
  const who = "actor" in record && record.actor !== undefined ? record.actor.id : "system";
  switch (record.type) {
    case "ActorCrashed":
      return [who, `failed during ${record.during}: ${record.error.message}; ${record.directive}`];
    case "ActorRestarted":
      return [who, `begins life ${record.incarnation}`];
    case "ActorSpawned":
      return [who, `spawned as ${record.actor.class}`];
    case "ActorEnded":
      return [who, `ended, ${record.reason}`];
    case "MessageDied":
      return [record.to.id, `never gets ${record.method}: ${record.reason}`];
    case "MessageLogged":
      return [who, `${record.level}: ${record.text}`];
    default:
      return [who, record.type];
  }
}
