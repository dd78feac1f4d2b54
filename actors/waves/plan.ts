// What `shoal run waves` is asked for: its flags, what of them makes no sense, and what is to come, said before it comes.

import { totalmem } from "node:os";
import { ShoalError } from "../../runtime/mod.ts";
import type { Values } from "../campaign.ts";
import { gpus } from "../training/gpus.ts";
import type { Online } from "./online.ts";
import { shownBytes } from "./times.ts";
import { pair } from "./wave.ts";

/** The program's own flags, with their defaults. */
export const settings = {
  "sims": { default: 32, about: "simulations", least: 1 },
  "grid": { default: 512, about: "points along each side", least: 2 },
  "steps": { default: 10, about: "samples of each simulation", least: 1 },
  "step-seconds": {
    default: 0.5,
    about: "what a step takes, as emulated compute; 0 leaves it out",
    value: "S",
  },
  "kernels": { default: "", about: "a network for each of these sizes; 3,5,7,9 with a GPU, 3 without", value: "K,K" },
  "epochs": { default: 1, about: "how often a network sees all samples; with 0 they are read, and not learnt from" },
  "batch": { default: 4, about: "samples of a step of training", least: 1 },
  "learning-rate": { default: 0.001, about: "of Adam" },
  "trainer": { default: "tfjs", about: "what trains", choices: ["tfjs", "pytorch"] },
  "backend": {
    default: "auto",
    about: "where tfjs computes; auto takes the fastest that can be had",
    choices: ["auto", "tensorflow", "webgpu", "wasm", "cpu"],
  },
  "simulate-workers": { default: 2, about: "actors that simulate", least: 1 },
  "train-workers": { default: 2, about: "actors that train, each a network at a time", least: 1 },
  "transport": {
    default: "store",
    about: "how samples get to trainers: by reference, or by value through the head",
    choices: ["store", "inline"],
  },
  "online": { default: false, about: "train while simulations still run, each network in a worker of its own" },
  "replay": {
    default: false,
    about: "online, networks beyond --train-workers begin later and read the topic from its start; it keeps all",
  },
} as const;

export type WavesSettings = Values<typeof settings>;

const periodFirst = 40;
const periodLast = 80;
/** A step's operations on one point of one sample, for each point of the kernel. */
const operations = 1616;
/** What a core reaches on WebAssembly. */
const operationsPerSecond = 1e10;
/** How far a worker that simulates may be ahead of the slowest who learns from it. */
const creditSamples = 8;
const creditBytesMin = 2 ** 20;
/** What an entry of the topic weighs at most beside its sample. */
const entryBytesMax = 2 ** 12;
const bytesPerNumber = Float64Array.BYTES_PER_ELEMENT;

/** What is asked for, as it will be done. */
export interface Plan extends Omit<WavesSettings, "kernels"> {
  readonly kernels: readonly number[];
  readonly periods: readonly number[];
  readonly samples: number;
  /** Of all inputs and targets. */
  readonly bytes: number;
}

/** Throws BadInput for what makes no sense, before anything starts. */
export function planOf(given: WavesSettings): Plan {
  const { sims, grid, steps, transport } = given;
  const wrong = (why: string): ShoalError => new ShoalError("BadInput", `Cannot run waves: ${why}`);
  const installed = gpus();
  const usual = installed.length > 0 ? "3,5,7,9" : "3";
  const kernels = (given.kernels.trim() === "" ? usual : given.kernels).split(",").map((text) =>
    Number(text.trim() || NaN)
  );
  for (const kernel of kernels) {
    if (Number.isSafeInteger(kernel) && kernel > 0 && kernel % 2 === 1) continue;
    throw wrong(`kernels is ${given.kernels}; expected odd numbers, as in 3,5,7, since a kernel has a middle`);
  }
  if (!(given["learning-rate"] > 0)) throw wrong(`learning-rate is ${given["learning-rate"]}; take one above 0`);
  if (given.online && transport === "inline") {
    throw wrong("online, samples go by reference over a topic; leave out --transport inline");
  }
  if (given.replay && !given.online) throw wrong("only what comes online can be replayed; take --online as well");
  if (given.online && given.trainer === "pytorch") {
    throw wrong("pytorch gets all samples before it begins; leave out --online");
  }
  const samples = sims * steps;
  const bytes = samples * pair * grid * grid * bytesPerNumber;
  if (transport === "inline" && bytes > totalmem() / 2) {
    throw wrong(
      `inline, the head holds all samples, ${shownBytes(bytes)}, and this machine has ${shownBytes(totalmem())}; ` +
        "take --transport store",
    );
  }
  return { ...given, kernels, periods: periodsOf(sims), samples, bytes };
}

/** What is to come, before it comes. */
export function estimate(plan: Plan): string[] {
  const { sims, grid, steps, epochs, kernels, samples, bytes } = plan;
  const [simulators, trainers] = [plan["simulate-workers"], trainersOf(plan)];
  const lines = [
    `${sims} waves of ${steps} steps on a grid of ${grid} × ${grid}: ${samples} samples, ${shownBytes(bytes)}, ` +
    `with ${simulators} workers`,
  ];
  const floor = floorSeconds(plan);
  if (floor > 0) lines.push(`at least ${floor.toFixed(1)} s of emulated compute; --step-seconds 0 leaves it out`);
  if (epochs > 0) {
    const all = kernels.map((kernel) => samples * epochs * grid ** 2 * kernel ** 2 * operations);
    const total = all.reduce((sum, each) => sum + each, 0);
    // The longest, or as much as each of them gets, if all were alike.
    const seconds = Math.max(...all, total / trainers) / operationsPerSecond;
    lines.push(
      `${kernels.length} ${kernels.length === 1 ? "network" : "networks"} of kernel ${kernels.join(", ")}, ${epochs} ` +
        `${epochs === 1 ? "epoch" : "epochs"}: ${shownOperations(total)}, about ${shownSeconds(seconds)} on ` +
        `WebAssembly with ${trainers} ${trainers === 1 ? "worker" : "workers"}`,
    );
  }
  if (plan.replay) lines.push(`replay: the store keeps all ${shownBytes(bytes)} until the last network has read them`);
  if (plan.transport === "inline") lines.push(`inline: all samples pass through the head, which holds them`);
  return lines;
}

/** How many train at a time: online all do, where nothing is kept for one that comes later. */
export function trainersOf({ kernels, online, replay, "train-workers": workers }: Plan): number {
  return online && !replay ? kernels.length : Math.min(kernels.length, workers);
}

/** How those who learn meet those who simulate. Each life of a run has a topic of its own. */
export function onlineOf(plan: Plan): Online {
  const { grid, kernels, replay, bytes, samples } = plan;
  const sampleBytes = pair * grid * grid * bytesPerNumber;
  const creditBytes = Math.max(creditBytesMin, creditSamples * sampleBytes);
  return {
    topic: `samples-${Date.now().toString(36)}`,
    readers: kernels.length + 1,
    readersMin: trainersOf(plan) + 1,
    creditBytes,
    // What all have read need not be kept, unless somebody comes late.
    retainBytes: replay ? bytes + samples * entryBytesMax : creditBytes,
  };
}

/** What emulated compute takes, however fast all else is. */
export function floorSeconds(plan: Plan): number {
  return Math.ceil(plan.sims / plan["simulate-workers"]) * plan.steps * plan["step-seconds"];
}

function shownOperations(count: number): string {
  return count < 1e12 ? `${(count / 1e9).toPrecision(2)} GFLOP` : `${(count / 1e12).toPrecision(2)} TFLOP`;
}

function shownSeconds(seconds: number): string {
  return seconds < 100 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
}

/** Equally spaced, the first and the last included. */
function periodsOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => periodFirst + (periodLast - periodFirst) * i / Math.max(1, count - 1));
}
