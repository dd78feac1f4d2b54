// What may be said on the command line of the benchmarks.

import { parseArgs } from "node:util";
import type { Runtime } from "./case.ts";

export interface Options {
  readonly suite: string;
  readonly rounds: number;
  readonly warmUpRounds: number;
  readonly runtimes: readonly Runtime[];
  readonly only: readonly string[];
  readonly against: readonly string[];
  readonly stores: readonly string[];
  readonly scale: number;
  readonly json: string | undefined;
}

export const usage = `Usage: npm run bench -- SUITE [options]

  --rounds N          rounds that count, each contender once in each (5; fewer than 5 prove nothing)
  --warm-up N         rounds before them that do not count (2)
  --runtime WHICH     node, deno or both (both)
  --only CASE,…       these cases only
  --against NAME,…    shoal and these only: erlang, pekko, xstate, nact; memcpy, loop, files, ray, numpy, proxystore
  --store URL         a store to measure, as often as you like (memory:, shm: and file: in a folder of its own)
  --scale FACTOR      a part of the work, for a quick look (1)
  --json FILE         write everything that was measured`;

/** What was typed, checked; throws a TypeError or RangeError that says what is wrong. */
export function parseOptions(args: readonly string[], suites: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "5" },
      "warm-up": { type: "string", default: "2" },
      runtime: { type: "string", default: "both" },
      only: { type: "string", default: "" },
      against: { type: "string", default: "" },
      store: { type: "string", multiple: true, default: [] },
      scale: { type: "string", default: "1" },
      json: { type: "string" },
    },
  });
  const [suite, ...more] = positionals;
  if (suite === undefined || more.length > 0 || !suites.includes(suite)) {
    throw new TypeError(`Cannot run ${suite ?? "nothing"}: name one suite of ${suites.join(", ")}`);
  }
  const { runtime } = values;
  if (runtime !== "node" && runtime !== "deno" && runtime !== "both") {
    throw new TypeError(`Cannot run on ${runtime}: expected node, deno or both`);
  }
  return {
    suite,
    rounds: positive("rounds", values.rounds),
    warmUpRounds: positive("warm-up", values["warm-up"]),
    runtimes: runtime === "both" ? ["node", "deno"] : [runtime],
    only: names(values.only),
    against: names(values.against),
    stores: values.store,
    scale: positive("scale", values.scale),
    json: values.json,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) {
    throw new RangeError(`Cannot use --${name} ${text}: expected a number above 0`);
  }
  return name === "scale" ? value : Math.ceil(value);
}

function names(text: string): readonly string[] {
  return text === "" ? [] : text.split(",");
}
