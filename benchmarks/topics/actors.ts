// The actors that the workload is done with: one publishes in a thread, one reads in another, and one is durable.

import { Actor, type ActorRef } from "shoal";

/** Every so many entries the publisher waits until they stand in its log. */
const entriesUnawaited = 1_024;

export interface Total {
  readonly count: number;
  readonly sum: number;
  readonly misplaced: number;
}

export class Publisher extends Actor {
  static readonly module: string = import.meta.url;

  async publish({ topic, count }: { topic: string; count: number }): Promise<number> {
    // With credit, so that what is kept while the reader is behind stays bounded.
    const entries = this.topic<number>(topic, { creditEntries: 65_536 });
    for (let n = 1; n <= count; n++) {
      const published = entries.publish(n);
      if (n % entriesUnawaited === 0) await published;
    }
    await entries.end();
    return count;
  }
}

export class Reader extends Actor {
  static readonly module: string = import.meta.url;

  async read(topic: string): Promise<Total> {
    let [count, sum, misplaced] = [0, 0, 0];
    for await (const { value } of this.topic<number>(topic).read({ publishers: 1 })) {
      if (value !== ++count) misplaced++;
      sum += value;
    }
    return { count, sum, misplaced };
  }
}

/** Each message is a step, which is committed before it is answered. */
export class Counter extends Actor {
  static readonly module: string = import.meta.url;
  static readonly durable = "nothing";
  count = 0;
  sum = 0;

  add(n: number): number {
    this.count++;
    this.sum += n;
    return n;
  }

  total(): Total {
    return { count: this.count, sum: this.sum, misplaced: 0 };
  }
}

export class Flood extends Actor {
  static readonly module: string = import.meta.url;

  async send({ to, count }: { to: ActorRef<Counter>; count: number }): Promise<Total> {
    for (let n = 1; n <= count; n++) {
      const sent = to.tell("add", n);
      if (n % 256 === 0) await sent;
    }
    return await to.ask("total");
  }
}
