// One run of a program in a world of its own: real actors, real scheduler, mailboxes and codec, in virtual time, with
// the faults that its seed draws. The same seed does the same, step by step.

import { createHash } from "node:crypto";
import { ShoalError } from "../../stores/error.ts";
import type { DeliveryLimits } from "../delivery/events.ts";
import { random } from "../random.ts";
import type { Cell } from "../cells/cell.ts";
import type { Onlooker } from "../cells/onlooker.ts";
import type { Supervision } from "../supervision.ts";
import type { Limits, System } from "../system.ts";
import { turn } from "../cells/turn.ts";
import { drawnFaults, type Fault, type FaultPlan, type FaultRates, listedFaults, noFaults } from "./faults.ts";
import { type Foreign, takeOver } from "./foreign.ts";
import type { MakeBackend } from "./home.ts";
import type { NetworkCounts } from "./network.ts";
import type { Part } from "./part.ts";
import { keptParts, type Recorder, recorder } from "./recorder.ts";
import type { Happening, Scene, SimulatedWorld, Told } from "./scene.ts";
import { type SceneParts, singleScene } from "./single.ts";
import { systemScene } from "./system.ts";
import { type VirtualWorld, virtualWorld } from "./world.ts";

/** A program in a simulation: as any other, and its world beside it. */
export type Simulated<T> = (system: System, world: SimulatedWorld) => Promise<T>;

export interface SimulateOptions {
  readonly seed: number;
  /** How often what goes wrong, or exactly what. */
  readonly faults?: Partial<FaultRates> | readonly Fault[];
  /** Must hold after every step; throws where it does not. */
  readonly invariant?: (system: System) => void;
  readonly limits?: Partial<Limits>;
  readonly supervision?: Partial<Supervision>;
  /** Of how many nodes the system is, beside the program's own; without it, all actors live beside the program. */
  readonly nodes?: number;
  /** The URL of a store, or for nodes what makes one: a `simulatedServer` that survives everything unless set. */
  readonly store?: string | MakeBackend;
  /** Limits of the delivery between nodes. */
  readonly delivery?: Partial<DeliveryLimits>;
  /** A run that is not over by then never will be. */
  readonly stepsMax?: number;
  readonly timeMsMax?: number;
  /** How much of what happens is kept; the last of it. */
  readonly happeningsMax?: number;
  /** What happened before, from the first step on: the run ends where it goes another way. */
  readonly expected?: readonly Happening[];
  /** Keeps what each actor is given and does, so that it can be replayed alone: so many bytes of it. */
  readonly recordBytesMax?: number;
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
  /** The last of what happened, and how much happened in all. */
  readonly happenings: readonly Happening[];
  readonly happeningsCount: number;
  /** Of all that happened: equal digests, equal runs. */
  readonly digest: string;
  /** Who used a clock or dice that are not the runtime's. */
  readonly foreign: Foreign | undefined;
  /** Where it first went another way than expected. */
  readonly difference: Difference | undefined;
  /** What became of the packets between nodes. */
  readonly packets?: NetworkCounts;
  /** The part of each actor, by its address; none unless `recordBytesMax` was said. */
  readonly parts: Readonly<Record<string, Part>>;
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
  return oneAtATime(() => simulateNow(program, options));
}

export function oneAtATime<T>(call: () => Promise<T>): Promise<T> {
  const run = last.then(call);
  last = run.catch(() => {});
  return run;
}

async function simulateNow<T>(program: Simulated<T>, options: SimulateOptions): Promise<Simulation<T>> {
  const { seed, faults = {}, invariant, stepsMax = stepsMaxDefault, timeMsMax = timeMsMaxDefault } = options;
  const { happeningsMax = happeningsMaxDefault, expected, recordBytesMax = 0 } = options;
  const chance = random(seed);
  const world = virtualWorld(chance.fork("world"));
  const plan: FaultPlan = isList(faults)
    ? listedFaults(faults)
    : drawnFaults(chance.fork("faults"), { ...noFaults, ...faults }, () => world.now());
  const digest = createHash("sha256");
  const happenings: Happening[] = [];
  let steps = 0;
  let foreign: Foreign | undefined;

  let isOver = false;
  let count = 0;
  let told = 0;
  let difference: Difference | undefined;
  let timeMs = 0;

  function happened({ details, ...what }: Told): void {
    if (isOver || difference !== undefined) return;
    timeMs = world.now();
    const happening = { step: steps, timeMs, ...what };
    digest.update(`${steps} ${timeMs} ${what.who} ${what.what}\n`);
    happenings.push(details === undefined ? happening : inDetail(happening, details));
    if (happenings.length > happeningsMax) happenings.shift();
    count++;
    if (expected !== undefined) difference ??= compare(expected[told++], happening);
  }

  const kept = keptParts(recordBytesMax);
  let record: Recorder | undefined;
  function onlooker(handles: (cell: Cell, method: string) => void): Onlooker<Cell> {
    if (recordBytesMax === 0) return plainOnlooker(handles);
    const step = (): Pick<Happening, "step" | "timeMs"> => ({ step: steps, timeMs: world.now() });
    record ??= recorder({ take: kept.take, step });
    return record.onlooker(handles);
  }

  let settled: { readonly value: T } | { readonly error: unknown } | undefined;
  let heads = 0;
  /** What an earlier head comes to counts for nothing: another has its place. */
  function begins(system: System): void {
    const own = heads += 1;
    const isHead = (): boolean => !isOver && own === heads;
    scene.asProgram(() => program(system, scene.world)).then(
      (value) => isHead() && (settled = { value }),
      (error: unknown) => isHead() && (settled = { error }),
    );
  }

  const scene = await open(options, { world, chance, plan, happened, onlooker, begins });
  plan.begin();
  const dice = chance.fork("dice");
  const restore = takeOver(record?.clock(scene.clock) ?? scene.clock, record?.dice(dice) ?? dice, (what) => {
    foreign ??= { what, actor: turn.actor === undefined ? undefined : `${turn.actor.className} ${turn.actor.id}` };
  });
  try {
    begins(scene.system!);
    for (; settled === undefined && difference === undefined && steps < stepsMax && world.now() <= timeMsMax; steps++) {
      await (scene.isApart ? everything() : microtasks());
      if (settled !== undefined) break;
      if (!scene.strike(steps) && !world.act()) {
        if (!scene.isApart) await everything();
        if (settled === undefined && !world.act() && !world.pass()) break;
      }
      if (invariant === undefined) continue;
      await microtasks();
      if (scene.system !== undefined) invariant(scene.system);
    }
  } catch (error) {
    settled = { error };
  } finally {
    // What becomes of the program while its system is closed is no part of how it went.
    isOver = true;
    // Actors come to the end of what they are doing, so that whoever plays them again knows how far that goes.
    if (record !== undefined) await everything();
    record?.end();
    await pump(world, scene.close());
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
  const common = { seed, outcome, steps, timeMs, faults: plan.happened, foreign, difference } as const;
  const packets = scene.packets === undefined ? {} : { packets: { ...scene.packets } };
  return {
    ...common,
    ...settled,
    ...packets,
    happenings,
    happeningsCount: count,
    parts: kept.parts(),
    digest: digest.digest("hex").slice(0, 16),
  };
}

/** Most of what happens nobody ever reads: it is put into words when somebody does. */
function inDetail(happening: Happening, details: () => string): Happening {
  return Object.defineProperty({ ...happening }, "details", { get: details, enumerable: true });
}

/** Hears which message is handled, and nothing else. */
function plainOnlooker(handles: (cell: Cell, method: string) => void): Onlooker<Cell> {
  return {
    handle(cell, handler, message) {
      handles(cell, handler.name);
      return handler.run.call(cell.actor!, message);
    },
  };
}

function compare(expected: Happening | undefined, happened: Happening): Difference | undefined {
  const isSame = expected?.who === happened.who && expected.what === happened.what &&
    expected.step === happened.step && expected.timeMs === happened.timeMs;
  return isSame ? undefined : { expected, happened };
}

function open(
  { seed, limits, supervision, nodes, store, delivery }: SimulateOptions,
  parts: Omit<SceneParts, "seed" | "limits" | "supervision">,
): Promise<Scene> {
  const all = { ...parts, seed, limits, supervision };
  if (nodes !== undefined) {
    if (typeof store === "string") throw badInput("store is a URL; for nodes it is what makes a simulated one");
    return systemScene({ ...all, nodes, backend: store, delivery }, (until) => pump(parts.world, until));
  }
  if (typeof store === "function") throw badInput("store makes one for nodes; say { nodes: 3 } too");
  return singleScene({ ...all, store: store ?? "memory:" });
}

const badInput = (why: string): ShoalError => new ShoalError("BadInput", `Cannot simulate: ${why}`);

/** Lets run what waits for nothing: so many rounds are enough for most code, and what takes more goes on meanwhile. */
async function microtasks(): Promise<void> {
  for (let round = 0; round < roundsAStep; round++) await settledAlready;
}

const roundsAStep = 8;
const settledAlready = Promise.resolve();

/** Lets run all that waits for nothing, however long its chain: before time passes, nobody may be in the middle. */
export function everything(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass in a world until something has settled; answers whether it has before nothing was left to happen. */
async function pump(world: VirtualWorld, until: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = (): void => void (isSettled = true);
  until.then(settle, settle);
  for (let step = 0; step < stepsMaxDefault; step++) {
    await everything();
    if (isSettled || (!world.act() && !world.pass())) break;
  }
  return isSettled;
}

function isList(faults: Partial<FaultRates> | readonly Fault[]): faults is readonly Fault[] {
  return Array.isArray(faults);
}
