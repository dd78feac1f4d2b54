// A workload that is the same wherever it runs: actors that send to actors of another node what a seed says, by tells
// and asks, and get as much back; each keeps what it has applied, by sender.

import { Actor, type ActorRef, type System } from "../../runtime/mod.ts";
import { type Random, random as chance } from "../../runtime/random.ts";
import type { ActorClass } from "../../runtime/system.ts";

/** What came from whom, in the order in which it was applied. */
export type Applied = Readonly<Record<string, readonly number[]>>;

interface Item {
  readonly from: string;
  readonly n: number;
  /** Ballast, so that packets are of all sizes and kinds. */
  readonly ballast: string | Uint8Array;
}

export class Hearer extends Actor {
  readonly #applied: Record<string, number[]> = {};
  #echo: ActorRef<Hearer> | undefined;

  /** All that comes is told to somebody else, too. */
  echo(to: ActorRef<Hearer>): void {
    this.#echo = to;
  }

  hear({ from, n, ballast }: Item): number {
    (this.#applied[from] ??= []).push(n);
    if (this.#echo !== undefined) void this.#echo.tell("hear", { from: `back ${from}`, n, ballast });
    return n;
  }

  applied(): Applied {
    return this.#applied;
  }
}

interface Order {
  readonly name: string;
  readonly seed: number;
  readonly count: number;
  readonly to: readonly ActorRef<Hearer>[];
}

export class Speaker extends Actor {
  async speak({ name, seed, count, to }: Order): Promise<number> {
    const random = chance(seed);
    const asked: Promise<number>[] = [];
    for (let n = 0; n < count; n++) {
      const { at, isAsk, ballast, waits } = itemOf(random, to.length);
      const item = { from: name, n, ballast };
      if (isAsk) asked.push(to[at]!.ask("hear", item));
      else void to[at]!.tell("hear", item);
      if (waits && asked.length > 0) await asked[asked.length - 1];
    }
    await Promise.all(asked);
    return asked.length;
  }
}

export const classes: readonly ActorClass[] = [Hearer, Speaker];

function itemOf(random: Random, hearers: number) {
  const [at, isAsk, waits] = [Math.floor(random.next() * hearers), random.next() < 0.3, random.next() < 0.05];
  const size = random.next();
  const bytes = size < 0.9 ? Math.floor(size * 100) : Math.floor(random.next() * 20_000);
  const ballast = random.next() < 0.2 ? new Uint8Array(bytes).fill(7) : "b".repeat(bytes);
  return { at, isAsk, waits, ballast };
}

export interface Workload {
  readonly seed: number;
  readonly speakers: number;
  readonly hearers: number;
  readonly count: number;
}

/** What each hearer is to apply, by the seed alone. */
export function expected({ seed, speakers, hearers, count }: Workload): readonly Applied[] {
  const all: Record<string, number[]>[] = Array.from({ length: hearers }, () => ({}));
  for (let speaker = 0; speaker < speakers; speaker++) {
    const random = chance(seed + speaker);
    for (let n = 0; n < count; n++) (all[itemOf(random, hearers).at]![`s${speaker}`] ??= []).push(n);
  }
  return all;
}

/** Runs it from a node against another, and answers what was applied there, and here of what came back. */
export async function applied(
  system: System,
  there: string,
  workload: Workload,
): Promise<{ readonly there: readonly Applied[]; readonly back: Applied }> {
  const back = await system.spawn(Hearer);
  const to = await Promise.all(
    Array.from({ length: workload.hearers }, () => system.spawn(Hearer, undefined, { node: there })),
  );
  await to[0]!.ask("echo", back);
  const speakers = await Promise.all(Array.from({ length: workload.speakers }, () => system.spawn(Speaker)));
  const patient = { timeoutMs: 100_000 };
  await Promise.all(
    speakers.map((speaker, index) =>
      speaker.ask("speak", { name: `s${index}`, seed: workload.seed + index, count: workload.count, to }, patient)
    ),
  );
  // An ask of each speaker comes behind all that it has told; one's own comes behind nobody else's.
  const sums = expected(workload);
  const counted = (one: Applied): number => Object.values(one).reduce((sum, list) => sum + list.length, 0);
  const whole = async (hearer: ActorRef<Hearer>, count: number): Promise<Applied> => {
    for (;;) {
      const all = await hearer.ask("applied", undefined, patient);
      if (counted(all) >= count) return all;
    }
  };
  return {
    there: await Promise.all(to.map((hearer, index) => whole(hearer, counted(sums[index]!)))),
    back: await whole(back, counted(sums[0]!)),
  };
}
