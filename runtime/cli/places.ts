// Where the verbs that take a RUN look for it: the user's index, and the folder of runs here.

import { resolve } from "node:path";
import { userFolder } from "../launch/sources.ts";
import { findRun, type Places } from "../run/catalogue.ts";
import type { Flags, Given } from "./flags.ts";

/** The flag by which another folder of runs is named. */
export const places: Flags = {
  runs: { default: "./runs", about: "where run directories are looked for beside the index", value: "DIR" },
};

export function placesOf(flags: Given): Places {
  return { state: userFolder(process.env, "state"), runs: resolve(String(flags["runs"])) };
}

/** The directory of the run that was typed. */
export function runOf(typed: string, flags: Given): string {
  return findRun(typed, placesOf(flags));
}
