// Durable and volatile publishers on several nodes, and readers that keep what they saw: a program for the simulator, and
// what must hold of what it comes to, whatever went wrong.
import { Actor } from "../../runtime/actor.ts";
import type { Simulated } from "../../runtime/simulator/mod.ts";
import type { ActorRef } from "../../runtime/ref.ts";
import type { TopicCursor, TopicOptions, TopicReading } from "../../runtime/topic.ts";
import { isShoalError } from "../../stores/error.ts";
import { persistently, spawned } from "../simulator/bank.ts";

export interface Told {
  readonly by: string;
  /** Which life of a volatile publisher; of a durable one there is but one. */
  readonly life: number;
  readonly count: number;
}

export interface Plan {
  /** How many entries each step of a durable publisher publishes. */
  readonly steps: readonly number[];
  readonly volatile: number;
  readonly options: TopicOptions;
  readonly batchMax: number;
}

export class Source extends Actor<Source> {
  static readonly durable = true;
  count = 0;
  at = 0;
  readonly #plan: Plan;

  constructor(plan: Plan) {
    super();
    this.#plan = plan;
  }

  async publish(count: number): Promise<void> {
    const by = (this.self as { readonly id: string }).id;
    await this.topic<Told>("feed", this.#plan.options).publish({ by, life: 0, count });
  }

  /** A step that fails is nobody's message: only a timer that repeats makes it run again. */
  begin(): void {
    this.every(50, "go");
  }

  async go(): Promise<void> {
    const { steps, options } = this.#plan;
    if (this.at > steps.length) return;
    const topic = this.topic<Told>("feed", options);
    const entries = steps[this.at];
    if (entries === undefined) await topic.end();
    for (let entry = 0; entry < (entries ?? 0); entry++) {
      this.count++;
      await this.publish(this.count);
    }
    this.at++;
  }
}

let lives = 0;

/** Publishes as long as it lives; what it was told is in the log is kept by whoever asked. */
export class Burst extends Actor<Burst> {
  count = 0;
  readonly #life = ++lives;

  async publish(entries: number): Promise<Told[]> {
    const topic = this.topic<Told>("feed");
    const told: Told[] = [];
    for (let entry = 0; entry < entries; entry++) {
      const one = { by: (this.self as { readonly id: string }).id, life: this.#life, count: ++this.count };
      await topic.publish(one);
      told.push(one);
    }
    return told;
  }
}

export interface Seen {
  readonly publisher: string;
  readonly number: number;
  readonly value: Told;
}

/** Reads, and keeps what it saw with its cursor. */
export class Sink extends Actor<Sink> {
  static readonly durable = true;
  cursor: TopicCursor = {};
  seen: Seen[] = [];
  readonly #batchMax: number;
  #reading: TopicReading<Told> | undefined;

  constructor(batchMax: number) {
    super();
    this.#batchMax = batchMax;
  }

  begin(): void {
    this.every(10, "pull");
  }

  async pull(): Promise<void> {
    this.#reading ??= this.topic<Told>("feed").read({ from: this.cursor });
    for (const entry of await this.#reading.take(this.#batchMax, { waitMs: 50 })) this.seen.push(entry);
    this.keep(this.#reading.cursor);
  }

  keep(cursor: TopicCursor): void {
    this.cursor = cursor;
  }

  look(): Seen[] {
    return this.seen;
  }
}

export interface Fed {
  readonly kept: readonly Seen[];
  readonly read: readonly Seen[];
  /** What volatile publishers were told stands in the log. */
  readonly told: readonly Told[];
  readonly expected: number;
  readonly sources: readonly string[];
}

/** Who publishes and who reads, for those that do it wrong. */
export interface Cast {
  readonly Source: typeof Source;
  readonly Sink: typeof Sink;
}

/** Two durable publishers, a volatile one, a durable reader, and the program that reads all of it in the end. */
export function feed(
  plan: Plan,
  quietMs = 900_000,
  { Source: Sources, Sink: Sinks }: Cast = { Source, Sink },
): Simulated<Fed> {
  return async (system, world) => {
    const again = <T>(call: () => Promise<T>): Promise<T> => persistently(call, world, quietMs);
    const place = (name: string, index: number): { name: string; node: string } => ({ name, node: `n${index}` });
    const sources: ActorRef<Source>[] = [];
    for (const index of [1, 2]) {
      const options = place(`source-${index}`, index);
      sources.push(
        await again(() =>
          spawned(() => system.spawn(Sources, plan, options), () => system.find(Sources, options.name))
        ),
      );
    }
    const where = place("sink", 3);
    const sink = await again(() =>
      spawned(() => system.spawn(Sinks, plan.batchMax, where), () => system.find(Sinks, "sink"))
    );
    await again(() => sink.ask("begin"));
    for (const source of sources) await again(() => source.ask("begin"));
    const told: Told[] = [];
    const burst = await system.spawn(Burst, undefined, { node: "n3" }).catch(() => undefined);
    for (let left = plan.volatile; left > 0 && burst !== undefined; left--) {
      try {
        told.push(...await burst.ask("publish", 3));
      } catch (error) {
        if (!isShoalError(error)) throw error;
      }
    }
    const expected = 2 * plan.steps.reduce((sum, entries) => sum + entries, 0);
    const ids = sources.map(({ id }) => id);
    const deadline = world.now() + quietMs;
    let kept: Seen[] = [];
    for (;;) {
      kept = await again(() => sink.ask("look", undefined, { timeoutMs: 60_000 }));
      const found = kept.filter(({ publisher }) => ids.includes(publisher)).length;
      if (found >= expected || world.now() > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    await again(() => system.topic("feed").close());
    const read: Seen[] = [];
    const lost = (): void => {};
    for await (const entry of system.topic<Told>("feed").read({ lost })) read.push(entry);
    return { kept, read, told, expected, sources: ids };
  };
}

/** What is wrong with what came of it. */
export function faults({ kept, read, told, expected, sources }: Fed, isTrimmed: boolean): string[] {
  const found: string[] = [];
  const durable = kept.filter(({ publisher }) => sources.includes(publisher));
  if (durable.length !== expected) found.push(`${durable.length} of ${expected} entries were committed`);
  for (const [name, list] of [["kept", kept], ["read", read]] as const) {
    const numbers = new Map<string, number>();
    const counts = new Map<string, number>();
    for (const { publisher, number, value } of list) {
      const before = numbers.get(publisher);
      if (before === undefined ? number !== 1 && !(isTrimmed && name === "read") : number !== before + 1) {
        found.push(`${name}: ${publisher} ${number} follows ${before ?? "nothing"}`);
      }
      numbers.set(publisher, number);
      if (value.by !== publisher) found.push(`${name}: ${publisher} has an entry of ${value.by}`);
      if (sources.includes(publisher) && value.count !== number) {
        found.push(`${name}: ${publisher} ${number} is its entry ${value.count}`);
      }
      const life = `${publisher} ${value.life}`;
      const count = counts.get(life);
      if (count !== undefined && value.count !== count + 1) {
        found.push(`${name}: ${life}: ${value.count} after ${count}`);
      }
      counts.set(life, value.count);
    }
  }
  for (const { by, life, count } of told) {
    if (isTrimmed) break;
    const times = read.filter(({ value }) => value.by === by && value.life === life && value.count === count).length;
    if (times !== 1) found.push(`entry ${count} of life ${life} was told to be in the log and is there ${times} times`);
  }
  return found;
}
