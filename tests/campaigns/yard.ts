// A campaign whose simulations end when and how a test says: what the agents do must not depend on it.
import { campaign } from "../../actors/campaign.ts";
import type { Found, Learning, Parts, Policy, Settings } from "../../actors/controller.ts";
import type { Outcome } from "../../actors/simulation.ts";
import { launch, type System } from "../../runtime/mod.ts";
import { assert } from "../suite.ts";

export const usual: Settings = {
  seed: 7,
  initial: 4,
  max: 14,
  batch: 3,
  policy: "sequential",
  delaySeconds: 0.02,
  refill: "always",
  pauseDuringUpdate: false,
  retrainFrequency: 1,
  models: 2,
  beta: 1,
  buffer: 10,
  chunk: 7,
  simulateSlots: 3,
  trainSlots: 1,
  inferSlots: 1,
};

export const policies: readonly Policy[] = [
  "continuous",
  "sequential",
  "delay",
  "interleaved",
  "no-retrain",
  "random",
];

export const candidates: readonly number[] = Array.from({ length: 40 }, (_, index) => index);

/** The truth that simulations find out: candidates in a row, the best somewhere in it. */
export const truth = (candidate: number): number => 100 - Math.abs(candidate - 29);

/** A model that remembers: what is near to something good is good. + − × ÷ only. */
export function learning(system: System): Learning<{ rows: number[]; values: number[] }> {
  return {
    async train({ model, set }) {
      const rows = [...(await system.store.get(set.rows)).data];
      const values = [...(await system.store.get(set.values)).data].map((value) => value + model / 10);
      return { rows, values };
    },
    async predict({ model, from, to }) {
      const draft = await system.store.allocate("float64", [to - from]);
      for (let row = from; row < to; row++) {
        let best = -Infinity;
        model.rows.forEach((known, index) => best = Math.max(best, model.values[index]! - 2 * Math.abs(known - row)));
        draft.data[row - from] = best;
      }
      return await draft.seal();
    },
  };
}

/** One simulation that waits for the test. */
export interface Waiting {
  readonly candidate: number;
  end(outcome: Outcome | Error): void;
}

export interface Yard {
  readonly system: System;
  /** Those that run, in the order in which they were started. */
  readonly waiting: Waiting[];
  /** Each that was ever started. */
  readonly started: number[];
  /** Most that ran at once. */
  readonly most: () => number;
  /** Settles when another simulation was started, or at once where one waits. */
  next(): Promise<void>;
  run(
    settings?: Partial<Settings>,
    parts?: Partial<Parts<number, { rows: number[]; values: number[] }>>,
  ): Promise<Found>;
}

/** Runs a test with a system of its own, and shows that nothing of the campaign is left. */
export async function inYard(body: (yard: Yard) => Promise<void>): Promise<void> {
  const system = await launch({ store: "memory:", seed: 7, threads: 0 });
  const waiting: Waiting[] = [];
  const started: number[] = [];
  let most = 0;
  const wake: (() => void)[] = [];
  const yard: Yard = {
    system,
    waiting,
    started,
    most: () => most,
    next: () => waiting.length > 0 ? Promise.resolve() : new Promise((resolve) => wake.push(resolve)),
    run: (settings = {}, parts = {}) =>
      campaign(system, {
        candidates,
        learn: learning(system),
        settings: { ...usual, ...settings },
        simulate: (candidate) =>
          new Promise((resolve, reject) => {
            started.push(candidate);
            const one: Waiting = {
              candidate,
              end(outcome) {
                waiting.splice(waiting.indexOf(one), 1);
                if (outcome instanceof Error) reject(outcome);
                else resolve(outcome);
              },
            };
            waiting.push(one);
            most = Math.max(most, waiting.length);
            for (const call of wake.splice(0)) call();
          }),
        ...parts,
      }),
  };
  try {
    await body(yard);
    assert.equal(system.statistics().actors, 0, "agents are left");
  } finally {
    await system.close({ now: true });
  }
}

/** Ends simulations until the campaign is over: which one next, and how, is the test's choice. */
export async function drive(
  yard: Yard,
  run: Promise<Found>,
  choose: (count: number) => number,
  outcome: (candidate: number) => Outcome | Error = (candidate) => ({ value: truth(candidate) }),
): Promise<Found> {
  let isOver = false;
  const over = run.finally(() => isOver = true);
  over.catch(() => {});
  for (;;) {
    await Promise.race([yard.next(), over.catch(() => {})]);
    if (isOver) return await over;
    const one = yard.waiting[choose(yard.waiting.length)];
    one?.end(outcome(one.candidate));
    // What that leads to is under way; a few turns let some of it happen, and which part does not matter.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
