// What an actor needs of the machine that it runs on: as users write it, and as they read it in errors.

import { ShoalError } from "../stores/error.ts";
import { checkKeys } from "./options.ts";
import type { Resources } from "./system.ts";

/** All of them, in numbers. */
export type Amounts = Required<Resources>;

export const resourceNames = ["cores", "gpus", "memoryBytes"] as const;

/** Where an actor that needs something is to live. */
export interface Wanted {
  /** What cannot be done where there is no room: "Cannot spawn Trainer". */
  readonly what: string;
  readonly needs: Amounts;
  /** Empty where nobody says so. */
  readonly on: "threads" | "processes" | "";
  readonly node: string;
  /** The kind of task, or empty. */
  readonly task: string;
  /** The name of a durable one, which comes back with its node, whoever that is; empty for others. */
  readonly durable: string;
}

/** The node that it is to live on, and what was reserved there, by number: 0 for one that has it already. */
export interface Allotted {
  readonly node: string;
  readonly lease: number;
}

/** What was asked for, checked. */
export function resourcesFrom(what: string, given: Resources): Amounts {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new ShoalError("BadInput", `${what}: resources is ${String(given)}, expected an object, as in { cores: 2 }`);
  }
  checkKeys(`${what}: resources`, given, resourceNames);
  for (const name of resourceNames) {
    const value: unknown = given[name] ?? 0;
    if (typeof value === "number" && value >= 0 && Number.isFinite(value)) continue;
    throw new ShoalError("BadInput", `${what}: resources.${name} is ${String(value)}, expected a number from 0`);
  }
  const { cores = 0, gpus = 0, memoryBytes = 0 } = given;
  return { cores, gpus, memoryBytes };
}

const number = (value: number): string => String(Math.round(value * 100) / 100);
const gigabytes = (bytes: number): string => `${number(bytes / 2 ** 30)} GiB of memory`;

const words: { readonly [name in keyof Amounts]: (value: number) => string } = {
  cores: (value) => `${number(value)} ${value === 1 ? "core" : "cores"}`,
  gpus: (value) => `${number(value)} ${value === 1 ? "GPU" : "GPUs"}`,
  memoryBytes: gigabytes,
};

/** As in `2 cores and 1 GPU`: of what is named. */
export function resourcesText(amounts: Amounts, names: readonly (keyof Amounts)[]): string {
  const said = names.map((name) => words[name](amounts[name]));
  return said.length === 0
    ? "nothing"
    : said.length === 1
    ? said[0]!
    : `${said.slice(0, -1).join(", ")} and ${said.at(-1)!}`;
}
