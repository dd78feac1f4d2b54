// Runs one case: warms every contender up, then takes them in turns, A B C A B C, never A A A B B B.

import type { Case, Contender, NotRun, Result, Round, Spread, Start } from "./case.ts";
import { observe } from "./load.ts";
import type { Answer } from "./protocol.ts";
import { type Running, start } from "./process.ts";

/** A contender that is ready to be started. */
export interface Entrant {
  readonly contender: Contender;
  readonly start: Start;
}

export interface Outcome {
  readonly case: string;
  readonly results: readonly Result[];
  readonly notRun: readonly NotRun[];
}

interface Place {
  readonly entrant: Entrant;
  readonly rounds: Round[];
  running?: Running;
  failed?: string;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
  return { median, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN };
}

async function command(place: Place, of: Case, parameters: Case["parameters"]): Promise<Answer> {
  place.running ??= start(place.entrant.start);
  return await place.running.run({ case: of.name, ...parameters }, of.timeoutMs);
}

async function warmUp(place: Place, of: Case, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) await command(place, of, { ...of.parameters, ...of.warmUp });
}

async function measure(place: Place, of: Case, warmUpRounds: number): Promise<void> {
  if (of.fresh === true) {
    await place.running?.stop();
    delete place.running;
    await warmUp(place, of, warmUpRounds);
  }
  const running = place.running ??= start(place.entrant.start);
  const observation = observe(running.pid);
  const [settled] = await Promise.allSettled([command(place, of, of.parameters)]);
  const { foreignCores, disturbed, grownBytes } = observation();
  if (settled.status === "rejected") throw settled.reason;
  const whole = { ...settled.value, grownBytes };
  const fault = of.fault(whole);
  if (fault !== undefined) throw new Error(`wrong: ${fault}`);
  place.rounds.push({ value: of.value(whole), answer: whole, foreignCores, disturbed });
}

/** A contender that fails is out of this case, and said to be; the others go on. */
async function attempt(place: Place, work: () => Promise<void>): Promise<void> {
  if (place.failed !== undefined) return;
  try {
    await work();
  } catch (error) {
    place.failed = error instanceof Error ? error.message : String(error);
    await place.running?.stop();
    delete place.running;
  }
}

export async function runCase(
  of: Case,
  entrants: readonly Entrant[],
  rounds: number,
  warmUpRounds: number,
  said: (text: string) => void,
): Promise<Outcome> {
  const asked = entrants.filter(({ contender }) => of.isFor?.(contender) ?? true);
  const able = asked.filter(({ contender }) => contender.lacks[of.name] === undefined);
  const places: Place[] = able.map((entrant) => ({ entrant, rounds: [] }));
  for (const place of of.fresh === true ? [] : places) {
    said(`${of.name}: ${place.entrant.contender.name} warms up`);
    await attempt(place, () => warmUp(place, of, warmUpRounds));
  }
  for (let round = 1; round <= rounds; round++) {
    said(`${of.name}: round ${round} of ${rounds}`);
    for (const place of places) await attempt(place, () => measure(place, of, warmUpRounds));
  }
  for (const place of places) await place.running?.stop();
  return {
    case: of.name,
    results: places.filter(({ failed }) => failed === undefined).map((place) => resultOf(place, of)),
    notRun: [
      ...places.flatMap(({ entrant, failed }) =>
        failed === undefined ? [] : [{ contender: entrant.contender.name, reason: failed }]
      ),
      ...asked.flatMap(({ contender }) => {
        const reason = contender.lacks[of.name];
        return reason === undefined ? [] : [{ contender: contender.name, reason }];
      }),
    ],
  };
}

function resultOf({ entrant: { contender }, rounds }: Place, of: Case): Result {
  const extras = Object.entries(of.extras).map(([name, extra]) =>
    [name, spread(rounds.map(({ answer }) => extra(answer)))] as const
  );
  return {
    ...spread(rounds.map(({ value }) => value)),
    contender: contender.name,
    library: contender.library,
    own: contender.own,
    isLimit: contender.isLimit === true,
    runtime: contender.runtime,
    fair: contender.fair,
    extras: Object.fromEntries(extras),
    rounds,
  };
}
