// Configuration from layers: each names where it comes from, later ones win, and every value keeps its origin. What is
// misspelt or of the wrong kind is refused with where it stands and what was most likely meant.

import { nearest, ShoalError } from "../../stores/error.ts";
import type { Configured } from "../run/records.ts";
import { faultOf, keptValue, type Key, readText, type Schema } from "./keys.ts";
import { groupKeys } from "./schema.ts";

/** Values from one place, by their whole path: `limits.stopTimeoutMs`. */
export interface Layer {
  /** As people say it: `shoal.config.toml`, `SHOAL_STORE`, `--store`. */
  readonly origin: (path: string) => string;
  readonly values: ReadonlyMap<string, unknown>;
  /** What begins so is a list: this layer's stands for what layers before it have said. */
  readonly replaces?: string;
}

/** The values that hold, with their origins. */
export type Configuration = { readonly [path: string]: Configured };

/** What there is to configure: the runtime's own keys, and those of the program that is run. */
export interface Configurable {
  readonly schema: Schema;
  /** The settings of programs, by the program's name. Of others than these nothing is known. */
  readonly programs: { readonly [name: string]: Schema };
}

const badInput = (text: string, cause?: unknown): ShoalError =>
  new ShoalError("BadInput", text, cause === undefined ? {} : { cause });

/** The key at a path: nothing for a setting of a program that is not known. Throws where there can be none. */
function keyAt(path: string, { schema, programs }: Configurable, what: string): Key | undefined {
  if (Object.hasOwn(schema, path)) return schema[path];
  const [group, key] = groupPattern.exec(path)?.slice(1) ?? [];
  if (key !== undefined) {
    if (Object.hasOwn(groupKeys, key)) return groupKeys[key];
    throw unknownKey(path, Object.keys(groupKeys).map((known) => `workers.${group}.${known}`), what);
  }
  const [section = "", name = "", ...rest] = path.split(".");
  if (section === "programs" && name !== "") {
    const setting = rest.join(".");
    const own = Object.hasOwn(programs, name) ? programs[name] : undefined;
    if (own === undefined) {
      const near = nearest(name, Object.keys(programs));
      if (near === undefined) return undefined;
      throw badInput(`${what}: there is no program ${name}; did you mean programs.${near}?`);
    }
    if (Object.hasOwn(own, setting)) return own[setting];
    throw unknownKey(path, Object.keys(own).map((known) => `programs.${name}.${known}`), what);
  }
  throw unknownKey(path, [...Object.keys(schema), "programs", "workers.1.kinds"], what);
}

/** A key of the nth group of workers. */
const groupPattern = /^workers\.([1-9]\d{0,3})\.(.+)$/;

function unknownKey(path: string, known: readonly string[], what: string): ShoalError {
  const near = nearest(path, known.filter((key) => isNear(path, key))) ??
    known.find((key) => lastOf(key) === lastOf(path));
  const hint = near === undefined ? "shoal config schema lists all keys" : `did you mean ${near}?`;
  return badInput(`${what}: there is no key ${path}; ${hint}`);
}

const lastOf = (key: string): string => key.slice(key.lastIndexOf(".") + 1);

/** Whether one may be a slip for the other: its last part on its own is like the other's, too. */
const isNear = (path: string, key: string): boolean => nearest(lastOf(path), [lastOf(key)]) !== undefined;

/** A layer from data, as a file holds it: sections within sections. */
export function layerOf(origin: string, data: unknown, what: Configurable): Layer {
  const reading = `Cannot read ${origin}`;
  if (typeof data !== "object" || data === null || Array.isArray(data)) {
    throw badInput(`${reading}: it holds ${Array.isArray(data) ? "a list" : String(data)}, expected keys and values`);
  }
  const values = new Map<string, unknown>();
  let replaces: string | undefined;
  const sections = new Set(
    Object.keys(what.schema).filter((path) => path.includes(".")).map((path) => path.split(".")[0]),
  );
  const walk = (section: object, prefix: string): void => {
    for (const [name, value] of Object.entries(section)) {
      const path = prefix + name;
      const isSection = sections.has(path) || path === "programs" || prefix === "programs.";
      if (path === "$schema" || value === undefined) continue;
      if (path === "workers") {
        replaces = "workers.";
        groupsOf(value, reading).forEach((group, index) => walk(group, `workers.${index + 1}.`));
        continue;
      }
      if (isSection && typeof value === "object" && value !== null && !Array.isArray(value)) walk(value, `${path}.`);
      else if (isSection) throw badInput(`${reading}: ${path} is ${JSON.stringify(value)}, expected keys and values`);
      else {
        const key = keyAt(path, what, reading);
        const fault = key === undefined ? undefined : faultOf(key, value);
        if (fault !== undefined) throw badInput(`${reading}: ${path} is ${JSON.stringify(value)}, ${fault}`);
        values.set(path, keptValue(key, value));
      }
    }
  };
  walk(data, "");
  return { origin: () => origin, values, ...(replaces === undefined ? {} : { replaces }) };
}

function groupsOf(value: unknown, reading: string): readonly object[] {
  const isGroup = (one: unknown): boolean => typeof one === "object" && one !== null && !Array.isArray(one);
  if (Array.isArray(value) && value.every(isGroup)) return value as readonly object[];
  const expected = "expected a list of groups, as in [[workers]]";
  throw badInput(`${reading}: workers is ${JSON.stringify(value)}, ${expected}`);
}

/** A layer from texts, each with where it was said. */
export function layerOfTexts(
  texts: readonly { path: string; text: string; origin: string }[],
  what: Configurable,
): Layer {
  const values = new Map<string, unknown>();
  const origins = new Map<string, string>();
  for (const { path, text, origin } of texts) {
    const reading = `Cannot read ${origin}`;
    const key = keyAt(path, what, reading);
    const value = key === undefined ? text : readText(key, text);
    const fault = key === undefined ? undefined : faultOf(key, value);
    if (fault !== undefined) throw badInput(`${reading}: ${path} is ${JSON.stringify(text)}, ${fault}`);
    values.set(path, keptValue(key, value));
    origins.set(path, origin);
  }
  return { origin: (path) => origins.get(path) ?? "", values };
}

/** What each `a.b=v` of `--set` says. */
export function readSets(sets: readonly string[]): { path: string; text: string; origin: string }[] {
  return sets.map((set) => {
    const equals = set.indexOf("=");
    if (equals < 1) {
      throw badInput(`Cannot read --set ${set}: write it as key=value, as in --set limits.stopTimeoutMs=5000`);
    }
    return { path: set.slice(0, equals), text: set.slice(equals + 1), origin: "--set" };
  });
}

/** What the environment says: `SHOAL_LIMITS__STOP_TIMEOUT_MS` is `limits.stopTimeoutMs`. */
export function readEnvironment(
  environment: { readonly [name: string]: string | undefined },
  what: Configurable,
): { path: string; text: string; origin: string }[] {
  const programs = Object.entries(what.programs).flatMap(([name, settings]) =>
    Object.keys(settings).map((setting) => `programs.${name}.${setting}`)
  );
  const known = [...Object.keys(what.schema), ...programs];
  const plain = (path: string): string => path.replace(/[-_]/g, "").toLowerCase();
  const paths = new Map(known.map((path) => [plain(path), path]));
  return Object.entries(environment).flatMap(([name, text]) => {
    if (!name.startsWith("SHOAL_") || text === undefined || text === "") return [];
    const spelt = plain(name.slice("SHOAL_".length).replaceAll("__", "."));
    const [group, key] = groupPattern.exec(spelt)?.slice(1) ?? [];
    // What is no key of a group is refused as one.
    const ofGroup = key && `workers.${group}.${Object.keys(groupKeys).find((known) => plain(known) === key) ?? key}`;
    const path = paths.get(spelt) ?? ofGroup;
    if (path !== undefined) return [{ path, text, origin: name }];
    const near = nearest(spelt, paths.keys());
    // Names without a section may be somebody else's, unless they look like a slip of the pen.
    if (near === undefined && !name.includes("__")) return [];
    const hint = near === undefined
      ? "shoal config schema lists all keys"
      : `did you mean ${variableOf(paths.get(near)!)}?`;
    throw badInput(`Cannot read ${name}: there is no such key; ${hint}`);
  });
}

/** The variable that sets a key. */
export function variableOf(path: string): string {
  const parts = path.split(".").map((part) =>
    part.replace(/([a-z\d])([A-Z])/g, "$1_$2").replaceAll("-", "_").toUpperCase()
  );
  return `SHOAL_${parts.join("__")}`;
}

/** What holds: the last layer that says something of a key, or its default. */
export function resolveLayers(
  layers: readonly Layer[],
  what: Configurable,
  program: string | undefined,
): Configuration {
  const resolved: { [path: string]: Configured } = {};
  const own = program === undefined ? {} : what.programs[program] ?? {};
  const all = [
    ...Object.entries(what.schema),
    ...Object.entries(own).map(([name, key]) => [`programs.${program}.${name}`, key] as const),
  ];
  for (const [path, key] of all) {
    if (key.default !== undefined) resolved[path] = { value: key.default, origin: "default" };
  }
  for (const { values, origin, replaces } of layers) {
    for (const path of Object.keys(resolved)) {
      if (replaces !== undefined && path.startsWith(replaces)) delete resolved[path];
    }
    for (const [path, value] of values) resolved[path] = { value, origin: origin(path) };
  }
  return resolved;
}

/** The values below a section, by the names they have in it. */
export function sectionOf(configuration: Configuration, section: string): { [name: string]: unknown } {
  const values: { [name: string]: unknown } = {};
  for (const [path, { value }] of Object.entries(configuration)) {
    if (path.startsWith(`${section}.`)) values[path.slice(section.length + 1)] = value;
  }
  return values;
}
