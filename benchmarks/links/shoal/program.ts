// The workload of `links` in shoal: two processes, strict mode off, bounds and supervision as they are by default. Told
// on the command line how mail goes between them, and which store they meet in.

import process from "node:process";
import { launch } from "shoal";
import { numberOf } from "../../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../../serve.ts";
import { Counter, Echo, Flood } from "../../threads/shoal/actors.ts";

const [link = "auto", store] = process.argv.slice(2);
const system = await launch({
  nodes: 2,
  threads: 1,
  strict: false,
  link: link === "log" ? "log" : "auto",
  allow: ["shoal/benchmarks"],
  ...(store === undefined ? {} : { store }),
});
const there = { on: "processes" } as const;
const patient = { timeoutMs: 300_000 };

/** So many questions under way at any time, until all are answered. */
async function pipelined(count: number, inFlight: number): Promise<Measured> {
  const echo = await system.spawn(Echo, undefined, there);
  let [sum, answered] = [0, 0];
  const lane = async (first: number): Promise<void> => {
    for (let n = first; n <= count; n += inFlight) {
      const answer = await echo.ask("echo", n, patient);
      sum += answer;
      answered++;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, (_, index) => lane(index + 1)));
  const seconds = secondsSince(start);
  await system.stop(echo);
  return { seconds, count: answered, check: sum };
}

async function tells(count: number): Promise<Measured> {
  const counter = await system.spawn(Counter, undefined, there);
  const flood = await system.spawn(Flood, counter);
  const start = performance.now();
  const total = await flood.ask("send", count, patient);
  const seconds = secondsSince(start);
  await Promise.all([system.stop(counter), system.stop(flood)]);
  return { seconds, count: total.count, check: total.sum, misplaced: total.misplaced };
}

const runs = {
  tells: (command: { readonly [key: string]: string | number }) => tells(numberOf(command, "count")),
  asks: (command: { readonly [key: string]: string | number }) =>
    pipelined(numberOf(command, "count"), numberOf(command, "inFlight")),
  "round-trip": (command: { readonly [key: string]: string | number }) => pipelined(numberOf(command, "count"), 1),
};

await serve({
  hello: () => ({
    version: `shoal on ${runtimeVersion()}`,
    settings: `two processes, ${
      link === "log" ? "mail over the store's log" : "sockets"
    }; strict off, bounds as default`,
  }),
  ...runs,
  ...Object.fromEntries(Object.entries(runs).map(([name, run]) => [`log-${name}`, run])),
}, () => system.close());
