// What may be asked of `launch`: the options that there are, of which kind each is, and which of them a configuration
// means.

import { ShoalError } from "../../stores/error.ts";
import { taskKinds } from "../../stores/open.ts";
import { checkKeys, checkKinds, type Kinds } from "../options.ts";
import type { LaunchOptions } from "../system.ts";
import { type Configuration, sectionOf } from "./configuration.ts";
import { checkGroups, groupsIn } from "./groups.ts";

/** Stands before the colon of an error. */
export const what = "Cannot launch";
const lists = ["allow", "storeModules"] as const;

/** Refuses what nobody would read, and what is not of its kind. */
export function checkOptions(options: LaunchOptions): void {
  checkKeys(what, options, [
    ...Object.keys(kinds),
    "limits",
    "supervision",
    "stores",
    "config",
    "workerCommand",
    "workers",
    "kinds",
    ...lists,
  ]);
  checkKinds(what, options, kinds);
  checkKeys(what, options.stores ?? {}, Object.keys(storeKinds));
  checkKinds(what, options.stores ?? {}, storeKinds);
  for (const name of lists) {
    const list: unknown = options[name];
    if (list === undefined || Array.isArray(list) && list.every((entry) => typeof entry === "string")) continue;
    throw new ShoalError("BadInput", `${what}: ${name} is ${String(list)}, expected a list of texts`);
  }
  checkGroups(what, options);
  const command: unknown = options.workerCommand;
  if (command === undefined || typeof command === "string") return;
  if (Array.isArray(command) && command.every((entry) => typeof entry === "string")) return;
  const text = `${what}: workerCommand is ${String(command)}, expected a text or a list of texts`;
  throw new ShoalError("BadInput", text);
}

/** The options that a configuration means; those of the program and of the command line are none. */
export function launchOptions(configuration: Configuration): LaunchOptions {
  const said = Object.fromEntries(Object.entries(configuration).filter(([, { origin }]) => origin !== "default"));
  const options: { [name: string]: unknown } = {};
  for (const [path, { value }] of Object.entries(said)) {
    if (Object.hasOwn(kinds, path) || path === "workerCommand") options[path] = value;
  }
  Object.assign(options, groupsIn(said));
  for (const section of ["limits", "supervision", "stores"]) options[section] = sectionOf(said, section);
  const modules = said["storeModules"]?.value;
  if (typeof modules === "string") options["storeModules"] = modules.split(",").filter((place) => place !== "");
  return options;
}

const kinds: Kinds = {
  store: "string",
  storeThresholdBytes: "natural",
  name: "string",
  seed: "natural",
  strict: "boolean",
  threads: "natural",
  nodes: "natural",
  gpus: "string",
  link: "string",
  threadHeapBytesMax: "natural",
  record: "function",
};

const storeKinds: Kinds = {
  mail: "string",
  ...Object.fromEntries(
    taskKinds.flatMap((task) => [[task, "string"], [`${task}ThresholdBytes`, "natural"]] as const),
  ),
};
