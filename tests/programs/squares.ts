// A program for the tests of runs: a named map whose tasks say, outside the run directory, that they began. From a
// number on they wait for a file, so that a test can find them under way.
import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { Actor, type System, type TensorRef } from "shoal";

interface Task {
  readonly n: number;
  readonly folder: string;
  readonly holdFrom: number;
}

interface Squared {
  readonly square: number;
  readonly array: Float64Array;
  readonly tensor: TensorRef<"float64">;
}

const pollMs = 2;

export class Squares extends Actor {
  static readonly module: string = import.meta.url;

  async run({ n, folder, holdFrom }: Task): Promise<Squared> {
    appendFileSync(join(folder, "begun"), `${n}\n`);
    while (n >= holdFrom && !existsSync(join(folder, "release")) && !this.signal.aborted) await pause();
    await pause();
    this.log.info(`squared ${n}`);
    const tensor = await this.store.put({ data: new Float64Array(2000).fill(n), dtype: "float64" });
    return { square: n * n, array: new Float64Array([n, -0]), tensor };
  }

  busy({ folder }: { folder: string }): void {
    appendFileSync(join(folder, "begun"), "busy\n");
    // It never yields: nothing that is said to it is heard.
    while (true);
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, pollMs));

export const settings = {
  tasks: { default: 20, about: "how many", least: 1 },
  workers: { default: 4, about: "who square", least: 1 },
  folder: { default: ".", about: "where tasks say that they began" },
  "hold-from": { default: 1_000_000, about: "the first task that waits for the file release" },
  busy: { default: false, about: "compute for ever" },
} as const;

interface Settings {
  readonly tasks: number;
  readonly workers: number;
  readonly folder: string;
  readonly "hold-from": number;
  readonly busy: boolean;
}

export default async function squares(
  system: System,
  { tasks, workers, folder, "hold-from": holdFrom, busy }: Settings,
): Promise<{ sum: number; tensors: number }> {
  const pool = await system.pool(Squares, { size: workers });
  if (busy) await pool.ask("busy", { folder });
  const inputs = Array.from({ length: tasks }, (_, n) => ({ n, folder, holdFrom }));
  const squared = await pool.map("run", inputs, { name: "squares" });
  let tensors = 0;
  for await (const tensor of system.store.getMany(squared.map(({ tensor }) => tensor))) {
    tensors += tensor.data[0]!;
    tensor.done();
  }
  return { sum: squared.reduce((sum, { square, array }) => sum + square + array[0]!, 0), tensors };
}
