// What a schedule is: a list of small numbers. Each operation says what happens next, to whom, and with which outcome.

import type { fc as FastCheck } from "../suite.ts";

export const kinds = [
  "send",
  "deliver",
  "run",
  "store",
  "tick",
  "drop",
  "repeat",
  "cut",
  "kill",
  "restart",
  "zombie",
  "crash",
  "expire",
  "lose",
  "link",
  "collect",
  "fire",
  "end",
  "peer",
  "wait",
  "full",
  "stall",
  "echo",
  "power",
  "host",
  "server",
  "odd",
] as const;

export type Kind = (typeof kinds)[number];

/** What happens, and two numbers that choose among what it could happen to. */
export type Op = readonly [kind: Kind, a: number, b: number];

const weights: { readonly [K in Kind]: number } = {
  send: 14,
  deliver: 24,
  run: 24,
  store: 20,
  tick: 7,
  drop: 3,
  repeat: 3,
  cut: 2,
  kill: 2,
  restart: 3,
  zombie: 2,
  crash: 2,
  expire: 2,
  lose: 1,
  link: 1,
  collect: 2,
  fire: 2,
  end: 1,
  peer: 1,
  wait: 2,
  full: 1,
  stall: 1,
  echo: 1,
  power: 1,
  // Only plans for stores that lose with these have any.
  host: 0,
  server: 0,
  // Bad input, of drivers as of peers: only plans that ask for it have any.
  odd: 0,
};

export type Weights = { readonly [K in Kind]?: number };

/** No operation at all. */
export const nothing: Weights = Object.fromEntries(kinds.map((kind) => [kind, 0]));

const lotteryOf = (given: Weights): readonly Kind[] =>
  kinds.flatMap((kind) => Array.from({ length: given[kind] ?? weights[kind] }, () => kind));
const lottery = lotteryOf({});
const chosenMax = 64;

/** Numbers by chance, the same for the same seed on every engine. */
export function chance(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The plan of a seed, for counts at which drawing it with fast-check would cost more than running it. */
export function planOf(seed: number, length: number, without: readonly Kind[] = [], given?: Weights): Op[] {
  const draw = chance(seed);
  const lots = given === undefined ? lottery : lotteryOf(given);
  const plan: Op[] = [];
  while (plan.length < length) {
    const op: Op = [lots[draw(lots.length)]!, draw(chosenMax), draw(chosenMax)];
    if (!without.includes(op[0])) plan.push(op);
  }
  return plan;
}

/** Plans that shrink: fewer operations, of earlier kinds, with smaller numbers. */
export function plans(fc: typeof FastCheck, lengthMax: number): FastCheck.Arbitrary<Op[]> {
  const number = fc.nat(chosenMax - 1);
  return fc.array(fc.tuple(fc.constantFrom(...lottery), number, number), { maxLength: lengthMax, size: "max" });
}
