// The tasks of the pools: each library's own way to run a function in another thread, many times.

import { numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";

/** A pool of threads that run `echo` of echo.ts. */
export interface TaskPool {
  run(n: number): Promise<number>;
  close(): Promise<void>;
}

/** Serves the case `tasks` with a library's pool, which keeps as many threads as there are workers. */
export async function serveTasks(library: string, open: (threads: number) => TaskPool): Promise<void> {
  const pools = new Map<number, TaskPool>();
  await serve({
    hello: () => ({ version: `${library} on ${runtimeVersion()}`, settings: "as many threads as workers, kept alive" }),

    async tasks(command): Promise<Measured> {
      const [count, inFlight, workers] = [
        numberOf(command, "count"),
        numberOf(command, "inFlight"),
        numberOf(command, "workers"),
      ];
      const pool = pools.get(workers) ?? open(workers);
      pools.set(workers, pool);
      let [sum, answered] = [0, 0];
      const lane = async (first: number): Promise<void> => {
        for (let n = first; n <= count; n += inFlight) {
          const answer = await pool.run(n);
          sum += answer;
          answered++;
        }
      };
      const start = performance.now();
      await Promise.all(Array.from({ length: inFlight }, (_, index) => lane(index + 1)));
      return { seconds: secondsSince(start), count: answered, check: sum };
    },
  }, async () => {
    for (const pool of pools.values()) await pool.close();
  });
}
