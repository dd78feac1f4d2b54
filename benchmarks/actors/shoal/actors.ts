// The actors that the workload is done with. Their messages are the smallest that are natural: one number.

import { Actor, type ActorRef } from "shoal";
import { Lateness, spin } from "../../serve.ts";

/** Every so many tells the sender waits for room, as a sender that respects bounds does. */
const tellsUnawaited = 256;

/** What an actor reports when its work is done; the program waits for it outside of any handler. */
export interface Report {
  readonly count: number;
  readonly sum: number;
}

let reported: ((report: Report) => void) | undefined;

/** Waits for the next report of an actor in this thread. */
export function nextReport(): Promise<Report> {
  return new Promise((resolve) => {
    reported = resolve;
  });
}

/** Answers what it is asked, or tells it back. */
export class Echo extends Actor {
  echo(n: number): number {
    return n;
  }
}

export class Pong extends Actor {
  #ping: ActorRef<Ping> | undefined;

  meet(ping: ActorRef<Ping>): void {
    this.#ping = ping;
  }

  ping(n: number): void {
    void this.#ping?.tell("pong", n);
  }
}

export class Ping extends Actor {
  #left = 0;
  #sum = 0;
  readonly #pong: ActorRef<Pong>;

  constructor(pong: ActorRef<Pong>) {
    super();
    this.#pong = pong;
  }

  serve(count: number): void {
    this.#left = count;
    void this.#pong.tell("ping", 1);
  }

  pong(n: number): void {
    this.#sum += n;
    if (--this.#left === 0) reported?.({ count: n, sum: this.#sum });
    else void this.#pong.tell("ping", n + 1);
  }
}

export interface Total extends Report {
  readonly misplaced: number;
}

/** Counts and sums what it is told, and notices what comes out of order. */
export class Counter extends Actor {
  #count = 0;
  #sum = 0;
  #misplaced = 0;
  readonly #workMicros: number;

  constructor(workMicros: number) {
    super();
    this.#workMicros = workMicros;
  }

  add(n: number): void {
    if (this.#workMicros > 0) spin(this.#workMicros);
    this.#sum += n;
    if (++this.#count !== n) this.#misplaced++;
  }

  total(): Total {
    return { count: this.#count, sum: this.#sum, misplaced: this.#misplaced };
  }
}

/** Sends numbers in order, and asks in the end what came: from one sender, the question comes last. */
export class Flood extends Actor {
  readonly #counter: ActorRef<Counter>;

  constructor(counter: ActorRef<Counter>) {
    super();
    this.#counter = counter;
  }

  async send({ from, count }: { from: number; count: number }): Promise<Total> {
    for (let n = from; n < from + count; n++) {
      const told = this.#counter.tell("add", n);
      if (n % tellsUnawaited === 0) await told;
    }
    return await this.#counter.ask("total");
  }

  /** Sends in bursts, each received before the next, until the time is over; how many it sent. */
  async sendFor({ durationMs, burst }: { durationMs: number; burst: number }): Promise<number> {
    const until = performance.now() + durationMs;
    let sent = 0;
    for (; performance.now() < until; sent += burst) {
      await this.send({ from: sent + 1, count: burst });
    }
    return sent;
  }
}

export class Leaf extends Actor {
  readonly #hub: ActorRef<Hub>;

  constructor(hub: ActorRef<Hub>) {
    super();
    this.#hub = hub;
  }

  work(n: number): void {
    void this.#hub.tell("done", n);
  }
}

/** Tells each of its leaves, waits for all replies, and begins again. */
export class Hub extends Actor {
  #leaves: readonly ActorRef<Leaf>[] = [];
  #rounds = 0;
  #round = 1;
  #waiting = 0;
  #count = 0;
  #sum = 0;

  meet(leaves: readonly ActorRef<Leaf>[]): void {
    this.#leaves = [...this.#leaves, ...leaves];
  }

  serve(rounds: number): void {
    this.#rounds = rounds;
    this.#tellAll();
  }

  #tellAll(): void {
    this.#waiting = this.#leaves.length;
    for (const leaf of this.#leaves) void leaf.tell("work", this.#round);
    this.#count += this.#leaves.length;
  }

  done(n: number): void {
    this.#sum += n;
    this.#count++;
    if (--this.#waiting > 0) return;
    if (this.#round++ === this.#rounds) reported?.({ count: this.#count, sum: this.#sum });
    else this.#tellAll();
  }
}

export class Ticker extends Actor<Ticker> {
  #lateness: Lateness | undefined;

  begin(periodMs: number): void {
    this.#lateness = new Lateness(periodMs);
    this.every(periodMs, "tick");
  }

  tick(): void {
    this.#lateness?.tick();
  }

  measured(): { ticks: number; p99Ms: number; worstMs: number } {
    return this.#lateness?.measured() ?? { ticks: 0, p99Ms: -1, worstMs: -1 };
  }
}

let lives = 0;

/** How often a crasher has come to life in this thread since the last call. */
export function takeLives(): number {
  const taken = lives;
  lives = 0;
  return taken;
}

export class Crasher extends Actor {
  override started(): void {
    lives++;
  }

  crash(n: number): void {
    throw new Error(`crash ${n}`);
  }

  life(): number {
    return lives;
  }
}
