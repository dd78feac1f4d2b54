// The workload of `threads` in shoal: strict mode off, bounds and supervision as they are by default.

import { launch, type TensorRef } from "shoal";
import { numberOf } from "../../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../../serve.ts";
import { Counter, Echo, Flood } from "./actors.ts";

const system = await launch({ strict: false, threads: 2, allow: ["shoal/benchmarks"] });
const there = { on: "threads" } as const;
const patient = { timeoutMs: 300_000 };

/** So many questions under way at any time, until all are answered. */
async function pipelined(
  count: number,
  inFlight: number,
  ask: (n: number) => Promise<number>,
): Promise<Measured> {
  let [sum, answered] = [0, 0];
  const lane = async (first: number): Promise<void> => {
    for (let n = first; n <= count; n += inFlight) {
      const answer = await ask(n);
      sum += answer;
      answered++;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, (_, index) => lane(index + 1)));
  return { seconds: secondsSince(start), count: answered, check: sum };
}

await serve({
  hello: () => ({ version: `shoal on ${runtimeVersion()}`, settings: "two threads; strict off, bounds as default" }),

  async tells(command) {
    const counter = await system.spawn(Counter, undefined, there);
    const flood = await system.spawn(Flood, counter, there);
    const start = performance.now();
    const { count, sum, misplaced } = await flood.ask("send", numberOf(command, "count"), patient);
    const seconds = secondsSince(start);
    await Promise.all([system.stop(counter), system.stop(flood)]);
    return { seconds, count, check: sum, misplaced };
  },

  async asks(command) {
    const echo = await system.spawn(Echo, undefined, there);
    const measured = await pipelined(
      numberOf(command, "count"),
      numberOf(command, "inFlight"),
      (n) => echo.ask("echo", n, patient),
    );
    await system.stop(echo);
    return measured;
  },

  async "round-trip"(command) {
    const echo = await system.spawn(Echo, undefined, there);
    const measured = await pipelined(numberOf(command, "count"), 1, (n) => echo.ask("echo", n, patient));
    await system.stop(echo);
    return measured;
  },

  async handover(command) {
    const [bytes, tensors] = [numberOf(command, "bytes"), numberOf(command, "tensors")];
    const echo = await system.spawn(Echo, undefined, there);
    const refs: TensorRef<"float64">[] = [];
    for (let index = 0; index < tensors; index++) {
      const draft = await system.store.allocate("float64", [bytes / 8]);
      draft.data.fill(index + 1);
      refs.push(await draft.seal());
    }
    const measured = await pipelined(
      numberOf(command, "count"),
      1,
      (n) => echo.ask("look", { ref: refs[n % tensors]!, n }, patient),
    );
    await system.stop(echo);
    for (const ref of refs) await system.store.release(ref);
    return measured;
  },

  async tasks(command) {
    const pool = await system.pool(Echo, { size: numberOf(command, "workers"), ...there });
    const measured = await pipelined(
      numberOf(command, "count"),
      numberOf(command, "inFlight"),
      (n) => pool.ask("echo", n, patient),
    );
    await pool.stop();
    return measured;
  },
}, () => system.close());
