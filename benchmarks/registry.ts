// Every suite of benchmarks by its name: `npm run bench -- actors`.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { actorCases } from "./actors/cases.ts";
import { actorContenders } from "./actors/contenders.ts";
import type { Parameters, Suite } from "./case.ts";
import { linkCases } from "./links/cases.ts";
import { linkContenders } from "./links/contenders.ts";
import { moleculeCases } from "./molecules/cases.ts";
import { moleculeContenders } from "./molecules/contenders.ts";
import { processCases } from "./processes/cases.ts";
import { processContenders } from "./processes/contenders.ts";
import { recordCases } from "./records/cases.ts";
import { recordContenders } from "./records/contenders.ts";
import { storeCases } from "./stores/cases.ts";
import { storeContenders } from "./stores/contenders.ts";
import { threadCases } from "./threads/cases.ts";
import { threadContenders } from "./threads/contenders.ts";
import { topicCases } from "./topics/cases.ts";
import { topicContenders } from "./topics/contenders.ts";
import { trainingCases } from "./training/cases.ts";
import { trainingContenders } from "./training/contenders.ts";
import { transportCases } from "./transport/cases.ts";
import { transportContenders } from "./transport/contenders.ts";

/** The clone. The harness runs compiled, the workload and the programs in other languages lie with the sources. */
export function rootFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const root = dirname(here);
  return root.endsWith("dist") ? dirname(root) : root;
}

const durationMsMin = 500;

/** Counts and durations are scaled for a quick look; widths and periods are what the case is about, and stay. */
function workloadOf(suite: string, scale: number): { [name: string]: Parameters } {
  const text = readFileSync(join(rootFolder(), "benchmarks", suite, "workload.json"), "utf8");
  const workload = JSON.parse(text) as { [name: string]: Parameters };
  const scaled = (key: string, value: number): number => {
    if (key === "durationMs") return Math.max(Math.min(durationMsMin, value), value * scale);
    return key === "count" || key === "rounds" ? Math.max(1, Math.round(value * scale)) : value;
  };
  return Object.fromEntries(
    Object.entries(workload).map(([name, parameters]) => [
      name,
      Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, scaled(key, value)] as const)),
    ]),
  );
}

export const suites: { readonly [name: string]: (scale: number, stores: readonly string[]) => Suite } = {
  actors: (scale) => ({
    name: "actors",
    title: "Actors in one process",
    cases: actorCases(workloadOf("actors", scale)),
    contenders: (runtimes) => actorContenders(rootFolder(), runtimes),
  }),
  links: (scale, stores) => ({
    name: "links",
    title: "Two processes of one machine",
    cases: linkCases(workloadOf("links", scale)),
    contenders: (runtimes) => linkContenders(rootFolder(), runtimes, stores),
  }),
  molecules: (scale, stores) => ({
    name: "molecules",
    title: "Campaigns: what they cost beside their simulations",
    cases: moleculeCases(workloadOf("molecules", scale)),
    contenders: (runtimes) => moleculeContenders(rootFolder(), runtimes, stores),
  }),
  processes: (scale) => ({
    name: "processes",
    title: "Processes of one machine that are one system",
    cases: processCases(workloadOf("processes", scale)),
    contenders: (runtimes) => processContenders(rootFolder(), runtimes),
  }),
  records: (scale) => ({
    name: "records",
    title: "What recording a run costs",
    cases: recordCases(workloadOf("records", scale)),
    contenders: (runtimes) => recordContenders(rootFolder(), runtimes),
  }),
  training: (scale) => ({
    name: "training",
    title: "Training the network of the waves, one thread",
    cases: trainingCases(workloadOf("training", scale)),
    contenders: (runtimes) => trainingContenders(rootFolder(), runtimes),
  }),
  threads: (scale) => ({
    name: "threads",
    title: "Threads of one process",
    cases: threadCases(workloadOf("threads", scale)),
    contenders: (runtimes) => threadContenders(rootFolder(), runtimes),
  }),
  topics: (scale, stores) => ({
    name: "topics",
    title: "Topics between threads, and durable actors",
    cases: topicCases(workloadOf("topics", scale)),
    contenders: (runtimes) => topicContenders(rootFolder(), runtimes, stores),
  }),
  transport: (scale, stores) => ({
    name: "transport",
    title: "Samples from those who simulate to those who train",
    cases: transportCases(workloadOf("transport", scale)),
    contenders: (runtimes) => transportContenders(rootFolder(), runtimes, stores),
  }),
  stores: (scale, stores) => ({
    name: "stores",
    title: "Stores of one machine, producer and consumer in processes of their own",
    cases: storeCases(workloadOf("stores", scale)),
    contenders: (runtimes) => storeContenders(rootFolder(), runtimes, stores),
  }),
};
