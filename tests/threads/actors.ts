// The actors of the tests of threads: in a module of their own, because every thread loads it.
import { threadId } from "node:worker_threads";
import { Actor, type ActorRef, launch, type TensorRef } from "../../runtime/mod.ts";

export class Worker extends Actor {
  static readonly module: string = import.meta.url;
  count = 0;

  thread(): number {
    return threadId;
  }

  add(by: number): number {
    return this.count += by;
  }

  echo(value: number): number {
    return value;
  }

  /** Says so many lines; the last comes with fields that are no data. */
  say(lines: number): void {
    for (let n = 1; n <= lines; n++) this.log.info(`line ${n}`, n < lines ? { n } : { n, great: 1n, self: () => n });
  }

  async *upTo(count: number): AsyncGenerator<number, void, undefined> {
    for (let number = 1; number <= count; number++) yield number;
  }

  async sum(ref: TensorRef): Promise<number> {
    const { data } = await this.store.get(ref);
    return (data as Float64Array).reduce((total, value) => total + value, 0);
  }

  async make(size: number): Promise<TensorRef> {
    const draft = await this.store.allocate("float64", [size]);
    draft.data.fill(threadId);
    return await draft.seal();
  }

  /** Leaves a mark outside of the actor: in memory that all threads see. */
  async mark({ tally, index }: { tally: TensorRef; index: number }): Promise<number> {
    const { data } = await this.store.get(tally);
    Atomics.add(data as Int32Array, index, 1);
    return index;
  }

  /** Ends its thread, in one way or another. */
  end(how: "exit" | "error" | "memory"): void {
    if (how === "exit") process.exit(3);
    if (how === "error") {
      return void setTimeout(() => {
        throw new Error("nobody catches this");
      });
    }
    const kept: number[][] = [];
    for (;;) kept.push(new Array<number>(1_000_000).fill(kept.length));
  }

  /** Computes without a pause until somebody writes into a place that all threads see, or the time is over. */
  async compute({ flag, limitMs }: { flag: TensorRef; limitMs: number }): Promise<string> {
    const { data } = await this.store.get(flag);
    const words = data as Int32Array;
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
    const end = performance.now() + limitMs;
    while (performance.now() < end && Atomics.load(words, 1) === 0);
    return "computed";
  }

  /** Computes without a pause. */
  spin(ms: number): number {
    const end = performance.now() + ms;
    while (performance.now() < end);
    return ms;
  }

  async begin(): Promise<string> {
    const system = await launch();
    await system.close();
    return "began";
  }
}

/** Has a fixed place, and says where it was spawned from. */
export class Spawner extends Actor {
  static readonly module: string = import.meta.url;

  async spawnOther(): Promise<readonly [number, number]> {
    const other = await this.spawn(Worker, undefined, { on: "threads" });
    return [threadId, await other.ask("thread")];
  }

  async child(name: string): Promise<ActorRef<Worker>> {
    return await this.spawn(Worker, undefined, { on: "threads", name });
  }

  /** Where `askLater` waits: of the main thread's own. */
  static door: Promise<number> = Promise.resolve(0);

  async askLater(child: ActorRef<Worker>): Promise<number> {
    await Promise.resolve();
    return await child.ask("echo", await Spawner.door);
  }

  async poolOf(size: number): Promise<number[]> {
    const pool = await this.pool(Worker, { size, on: "threads" });
    return await pool.map("thread", Array.from({ length: size }, () => undefined));
  }
}

class Hidden extends Actor {
  static readonly module: string = import.meta.url;
}

/** Not exported under its own name. */
export const hidden: typeof Hidden = Hidden;
