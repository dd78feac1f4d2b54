// The actors of the tests of topics: in a module of their own, because every thread loads it.
import { Actor, type ShoalError, type TensorRef, type TopicCursor, type TopicOptions } from "../../runtime/mod.ts";

export interface Frame {
  readonly by: number;
  readonly step: number;
  readonly field: TensorRef<"float64"> | null;
}

/** What a reader has seen: how many of each publisher, and what was wrong with them. */
export interface Seen {
  readonly counts: { readonly [publisher: string]: number };
  readonly sum: number;
  readonly faults: readonly string[];
  readonly ended: readonly string[];
  readonly lost: readonly { readonly from: number; readonly through: number }[];
}

export class Simulation extends Actor {
  static readonly module: string = import.meta.url;
  /** Publishes steps, each the reference to what it put where it is to put something. */
  async run(given: { by: number; steps: number; floats: number; options?: TopicOptions }): Promise<string> {
    const topic = this.topic<Frame>("frames", given.options ?? {});
    for (let step = 1; step <= given.steps; step++) {
      const data = new Float64Array(given.floats).fill(step);
      const lifetime = { until: "run" } as const;
      const field = given.floats === 0 ? null : await this.store.put({ data, dtype: "float64" as const }, { lifetime });
      const published = topic.publish({ by: given.by, step, field });
      if (step % 100 === 0) await published;
    }
    await topic.end();
    return (this.self as { readonly id: string }).id;
  }
}

/** Ends its thread in the middle of what it publishes, or not. */
export class Brittle extends Actor {
  static readonly module: string = import.meta.url;
  async publish(given: { first: number; last: number; ends: boolean }): Promise<number> {
    const topic = this.topic<number>("brittle");
    for (let value = given.first; value <= given.last; value++) await topic.publish(value);
    if (given.ends) process.exit(3);
    return given.last;
  }
}

export class Trainer extends Actor {
  static readonly module: string = import.meta.url;
  async train(given: { publishers: number; from?: "start" | "now" | TopicCursor; skips?: boolean }): Promise<Seen> {
    const counts: Record<string, number> = {};
    const faults: string[] = [];
    const ended: string[] = [];
    const lost: { from: number; through: number }[] = [];
    let sum = 0;
    const reading = this.topic<Frame>("frames").read({
      publishers: given.publishers,
      from: given.from ?? "start",
      ended: (publisher, reason) => void ended.push(`${publisher} ${reason}`),
      ...(given.skips === true ? { lost: ({ from, through }) => void lost.push({ from, through }) } : {}),
    });
    for await (const { publisher, number, value } of reading) {
      counts[publisher] = (counts[publisher] ?? 0) + 1;
      if (number !== value.step) faults.push(`entry ${number} of ${publisher} is step ${value.step}`);
      const expected = (lost.at(-1)?.through ?? 0) + 1;
      if (given.publishers === 1 && counts[publisher] === 1 && number !== expected) faults.push(`begins at ${number}`);
      if (value.field === null) continue;
      const { data } = await this.store.get(value.field);
      if (data[0] !== value.step) faults.push(`entry ${number} refers to ${data[0]}`);
      sum += data.length;
    }
    return { counts, faults, ended, sum, lost };
  }

  /** What a reading that begins late ends with. */
  async late(): Promise<{ code: string; cause: unknown; next: number | undefined }> {
    const reading = this.topic<Frame>("frames").read({ publishers: 1 });
    try {
      for await (const { number } of reading) return { code: "none", cause: null, next: number };
      return { code: "none", cause: null, next: undefined };
    } catch (error) {
      const { code, cause } = error as ShoalError;
      const again = this.topic<Frame>("frames").read({ publishers: 1, from: reading.cursor });
      const [entry] = await again.take(1);
      await again.close();
      return { code, cause, next: entry?.number };
    }
  }
}

/** Publishes and reads, and keeps what it read with its cursor. */
export class Keeper extends Actor<Keeper> {
  static readonly module: string = import.meta.url;
  static readonly durable = true;
  cursor: TopicCursor = {};
  sum = 0;
  count = 0;
  async publish(entries: number): Promise<void> {
    for (let entry = 0; entry < entries; entry++) await this.topic<number>("kept").publish(++this.count);
  }
  async pull(entries: number): Promise<number[]> {
    const reading = this.topic<number>("kept").read({ from: this.cursor });
    const values: number[] = [];
    while (values.length < entries) for (const { value } of await reading.take(1)) values.push(value);
    this.cursor = reading.cursor;
    await reading.close();
    for (const value of values) this.sum += value;
    return values;
  }
}
