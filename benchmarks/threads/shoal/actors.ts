// The actors that the workload is done with, each in a thread, or a process, other than the one that sends.

import { Actor, type ActorRef, type TensorRef } from "shoal";

/** Every so many tells the sender waits for room, as a sender that respects bounds does. */
const tellsUnawaited = 256;

export interface Total {
  readonly count: number;
  readonly sum: number;
  readonly misplaced: number;
}

export class Counter extends Actor {
  static readonly module: string = import.meta.url;
  #count = 0;
  #sum = 0;
  #misplaced = 0;

  add(n: number): void {
    if (n !== ++this.#count) this.#misplaced++;
    this.#sum += n;
  }

  total(): Total {
    return { count: this.#count, sum: this.#sum, misplaced: this.#misplaced };
  }
}

export class Flood extends Actor {
  static readonly module: string = import.meta.url;
  readonly #counter: ActorRef<Counter>;

  constructor(counter: ActorRef<Counter>) {
    super();
    this.#counter = counter;
  }

  async send(count: number): Promise<Total> {
    for (let n = 1; n <= count; n++) {
      const sent = this.#counter.tell("add", n);
      if (n % tellsUnawaited === 0) await sent;
    }
    return await this.#counter.ask("total");
  }
}

export class Echo extends Actor {
  static readonly module: string = import.meta.url;

  echo(n: number): number {
    return n;
  }

  /** Looks at both ends of a tensor. */
  async look({ ref, n }: { ref: TensorRef<"float64">; n: number }): Promise<number> {
    const { data } = await this.store.get(ref);
    return data[0] === data[data.length - 1] ? n : 0;
  }
}
