// Recorded runs again, whole or one actor of them alone: to the same end, or to where it goes another way.

import { createHash } from "node:crypto";
import { Actor } from "../actor.ts";
import type { ActorClass } from "../system.ts";
import type { Line } from "./part.ts";
import type { Happening } from "./scene.ts";
import { oneAtATime, simulate, type Simulated, type SimulateOptions, type Simulation } from "./simulate.ts";
import { type Said, solo } from "./solo.ts";
import { cannot } from "./written.ts";

/** Runs a recorded run again, and stops where it goes another way. The record must hold all that happened. */
export function replay<T>(
  program: Simulated<T>,
  recorded: Simulation<T>,
  options?: Omit<SimulateOptions, "seed" | "faults" | "expected">,
): Promise<Simulation<T>>;
/**
 * Plays one actor of a recorded run again, alone, and stops where it does something else than it did; the run must have
 * been recorded with `recordBytesMax`.
 */
export function replay(
  Class: ActorClass,
  recorded: Simulation<unknown>,
  options: { readonly actor: string },
): Promise<Simulation<undefined>>;
export function replay(
  program: Simulated<unknown> | ActorClass,
  recorded: Simulation<unknown>,
  options: Omit<SimulateOptions, "seed" | "faults" | "expected"> & { readonly actor?: string } = {},
): Promise<Simulation<unknown>> {
  const { actor, ...rest } = options;
  if (isActorClass(program)) return replayAlone(program, recorded, actor);
  const { seed, faults, happenings, happeningsCount } = recorded;
  if (happenings.length < happeningsCount) {
    const has = `the record has the last ${happenings.length} of ${happeningsCount} happenings`;
    throw cannot(`${has}; keep more with happeningsMax`);
  }
  return simulate(program, { ...rest, seed, faults, expected: happenings });
}

const isActorClass = (value: Simulated<unknown> | ActorClass): value is ActorClass => value.prototype instanceof Actor;

async function replayAlone(
  Class: ActorClass,
  { seed, parts }: Simulation<unknown>,
  actor = "",
): Promise<Simulation<undefined>> {
  const part = parts[actor];
  if (part === undefined) {
    const has = Object.values(parts).map((one) => `${one.actor} (${one.class})`).slice(0, 20).join(", ");
    const cure = has === "" ? "record the run with recordBytesMax" : `the record has ${has}`;
    throw cannot(`there is no part of ${actor || "no actor"}; ${cure}`);
  }
  if (part.class !== Class.name) throw cannot(`${actor} was a ${part.class}, and this is ${Class.name}`);
  const { played, difference, foreign } = await oneAtATime(() => solo(Class, part));
  const told = (line: Line): Happening => ({
    step: line.step,
    timeMs: line.timeMs,
    who: actor,
    what: `${line.type} ${line.what}`,
    details: [line.value, line.answer, line.state].filter((one) => one !== undefined).join(" → "),
  });
  const happenings = played.map(told);
  const { step = 0, timeMs = 0 } = played.at(-1) ?? {};
  const when = (line: Line | Said | undefined): Happening | undefined =>
    line === undefined ? undefined : told({ step, timeMs, number: 0, ...line });
  return {
    seed,
    outcome: difference === undefined ? "done" : "differs",
    value: undefined,
    steps: step,
    timeMs,
    faults: [],
    happenings,
    happeningsCount: happenings.length,
    digest: createHash("sha256").update(JSON.stringify(played)).digest("hex").slice(0, 16),
    foreign: foreign === undefined ? undefined : { what: foreign, actor: `${part.class} ${actor}` },
    difference: difference && { expected: when(difference.expected), happened: when(difference.happened) },
    parts: {},
  };
}
