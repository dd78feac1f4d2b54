// What a system is not asked for: wrong input, wrong options, wrong pools.
import { Actor, launch, type Pool, type System, type TensorRef } from "../../../runtime/mod.ts";

class Plain {
  hello(): string {
    return "hello";
  }
}

class Trainer extends Actor {
  readonly #kernel: number;
  constructor(input: { kernel: number }) {
    super();
    this.#kernel = input.kernel;
  }
  kernel(): number {
    return this.#kernel;
  }
}

class Optional extends Actor {
  constructor(input?: number) {
    super();
    void input;
  }
  hello(): void {}
}

class Callback extends Actor {
  constructor(input: { done: () => void }) {
    super();
    input.done();
  }
}

class Two extends Actor {
  constructor(one: number, two: number) {
    super();
    void [one, two];
  }
}

class Wave extends Actor {
  async run(wave: { period: number }): Promise<TensorRef<"float64">> {
    return await this.store.put({ data: Float64Array.of(wave.period) });
  }
  async *steps(): AsyncGenerator<number> {
    yield 1;
  }
}

export default async function (system: System, pool: Pool<Wave>): Promise<void> {
  // Spawning
  await system.spawn(Trainer, { kernel: "3" }); // rejected: wrong input
  await system.spawn(Trainer, {}); // rejected: missing member
  await system.spawn(Trainer); // rejected: missing input
  await system.spawn(Trainer, { kernel: 3, size: 1 }); // rejected: member too many
  await system.spawn(Wave, 3); // rejected: takes no input
  await system.spawn(Wave, { name: "wave" }); // rejected: options come after the input
  await system.spawn(Optional, "3"); // rejected: wrong optional input
  await system.spawn(Callback, { done: () => {} }); // rejected: a function
  await system.spawn(Two, 1); // rejected: an input is one value
  await system.spawn(Two, 1, 2); // rejected: an input is one value
  await system.spawn(Actor); // rejected: abstract
  await system.spawn(new Plain()); // rejected: no class
  await system.spawn("Wave"); // rejected: no class

  // Options
  await system.spawn(Wave, undefined, { nmae: "wave" }); // rejected: unknown option
  await system.spawn(Wave, undefined, { name: 3 }); // rejected: wrong option
  await system.spawn(Wave, undefined, { supervision: { on: "restrat" } }); // rejected: no directive
  await system.spawn(Wave, undefined, { supervision: { onn: "stop" } }); // rejected: unknown option
  await system.spawn(Wave, undefined, { supervision: { on: () => "again" } }); // rejected: no directive
  await system.spawn(Wave, undefined, { supervision: { beyond: "resume" } }); // rejected: not beyond
  await system.spawn(Wave, undefined, { limits: { replyTimeoutMs: 1 } }); // rejected: no limit of one actor
  await launch({ stroe: "memory:" }); // rejected: unknown option
  await launch({ limits: { replyTimeout: 1 } }); // rejected: unknown limit
  await launch({ seed: "1" }); // rejected: wrong option

  // Pools
  await system.pool(Trainer, { size: 2, input: { kernel: "3" } }); // rejected: wrong input
  await system.pool(Trainer, { size: 2 }); // rejected: missing input
  await system.pool(Wave, { size: 2, input: 3 }); // rejected: takes no input
  await system.pool(Wave, { size: "2" }); // rejected: wrong size
  await system.pool(Wave, {}); // rejected: missing size
  await system.pool(Wave); // rejected: missing size
  await system.pool(Wave, { size: 2, name: "waves" }); // rejected: members have no names
  await pool.map("run", [{ period: "1" }]); // rejected: wrong element
  await pool.map("run", [1, 2]); // rejected: wrong element
  await pool.map("run", { period: 1 }); // rejected: no list
  await pool.map("rnu", [{ period: 1 }]); // rejected: no such method
  await pool.map("steps", [undefined]); // rejected: a generator
  await pool.ask("run"); // rejected: missing argument
  const wrong: string[] = await pool.map("run", [{ period: 1 }]); // rejected: wrong type of answers
  for await (const result of pool.results("run", [{ period: 1 }])) {
    const id: string = result.value.id; // rejected: it may have failed
    void id;
  }
  void wrong;

  // Finding, watching, stopping
  const found = await system.find(Wave, "wave");
  await found.ask("run", { period: 1 }); // rejected: there may be none
  await system.find(Wave); // rejected: missing name
  await system.watch("main/1"); // rejected: no reference
  await system.stop(new Plain()); // rejected: no reference
  await system.stop(found!, { timeout: 1 }); // rejected: unknown option
}
