// The work whose recording is measured: handlers that compute for a while, and either say so many lines or are tasks
// whose answers are recorded. Run by `shoal run`, which records, and by `embedded.ts`, which does not.

import process from "node:process";
import { Actor, type System } from "shoal";
import { numberOf } from "../protocol.ts";
import { type Measured, secondsSince, serve } from "../serve.ts";

interface Work {
  readonly n: number;
  readonly steps: number;
  readonly lines: number;
}

export class Worker extends Actor {
  static readonly module: string = import.meta.url;

  run({ n, steps, lines }: Work): number {
    const sum = compute(steps);
    for (let line = 0; line < lines; line++) this.log.debug("a line of what was found", { n, line });
    return sum === 0 ? -1 : n;
  }
}

/** So much work, however busy the machine is: a wait by the clock would hide what recording takes beside it. */
function compute(steps: number): number {
  let state = 1;
  for (let step = 0; step < steps; step++) state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
  return state;
}

async function measure(system: System, work: Work, count: number, workers: number, name?: string): Promise<Measured> {
  const pool = await system.pool(Worker, { size: workers });
  const inputs = Array.from({ length: count }, (_, n) => ({ ...work, n }));
  const start = performance.now();
  const before = process.cpuUsage();
  const answers = await pool.map("run", inputs, name === undefined ? {} : { name });
  const seconds = secondsSince(start);
  const { user, system: kernel } = process.cpuUsage(before);
  await pool.stop();
  return { seconds, cpuSeconds: (user + kernel) / 1e6, count, check: answers.reduce((sum, n) => sum + n, 0) };
}

let rounds = 0;

export default async function program(system: System): Promise<void> {
  await serve({
    records(command) {
      const work = { n: 0, steps: numberOf(command, "steps"), lines: numberOf(command, "lines") };
      return measure(system, work, numberOf(command, "count"), 1);
    },
    tasks(command) {
      const work = { n: 0, steps: numberOf(command, "steps"), lines: 0 };
      return measure(system, work, numberOf(command, "count"), numberOf(command, "workers"), `round ${rounds++}`);
    },
    hello: () => ({ version: "shoal", settings: "strict mode off" }),
  });
}
