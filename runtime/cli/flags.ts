// Flags: declared as plain values with defaults, read strictly, and the nearest one named where one is misspelt.

import { nearest, ShoalError } from "../../stores/error.ts";

/**
 * One flag. One whose default is a boolean takes no value: `--no-NAME` turns off what is on unless said. One whose default
 * is a list may be typed again.
 */
export interface Flag {
  readonly default: string | number | boolean | readonly string[] | undefined;
  readonly about: string;
  /** What stands for the value in help, for one whose default does not tell. `N` is a whole number. */
  readonly value?: string;
  /** The words that it takes, where it takes only some. */
  readonly choices?: readonly string[];
  /** The least number that it takes; 0 unless said. */
  readonly least?: number;
  /** Whether it takes fractions although its default is a whole number. */
  readonly fraction?: boolean;
}

export type Flags = { readonly [name: string]: Flag };
export type FlagValue = Flag["default"];
export type Given = { readonly [name: string]: FlagValue };

/** Flags that belong together in help. */
export interface FlagGroup {
  readonly title: string;
  readonly flags: Flags;
}

export interface ReadFlags {
  readonly values: Given;
  readonly typed: ReadonlySet<string>;
  readonly rest: readonly string[];
}

/** Reads `--name value`, `--name=value` and `--switch`; answers the values and what was no flag. */
export function readFlags(words: readonly string[], flags: Flags): ReadFlags {
  const values: { [name: string]: FlagValue } = Object.create(null);
  const typed = new Set<string>();
  for (const [name, flag] of Object.entries(flags)) values[name] = flag.default;
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    // A lone dash is a word, as everywhere; after two, all are.
    if (word === "--") return { values, typed, rest: [...rest, ...words.slice(i + 1)] };
    if (!word.startsWith("-") || word === "-") {
      rest.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const name = word.slice(word.startsWith("--") ? 2 : 1, equals < 0 ? undefined : equals);
    const flag = word.startsWith("--") && Object.hasOwn(flags, name) ? flags[name] : undefined;
    const negated = word.startsWith("--no-") ? word.slice("--no-".length) : "";
    if (flag === undefined && Object.hasOwn(flags, negated) && flags[negated]!.default === true) {
      values[negated] = false;
      typed.add(negated);
      continue;
    }
    if (flag === undefined) throw unknownFlag(word, name, flags);
    if (typeof flag.default === "boolean") {
      if (equals >= 0) throw new ShoalError("BadInput", `Cannot read --${name}: it takes no value`);
      values[name] = true;
      typed.add(name);
      continue;
    }
    const text = equals >= 0 ? word.slice(equals + 1) : words[++i];
    if (text === undefined) throw new ShoalError("BadInput", `Cannot read --${name}: it needs a value`);
    const before = typed.has(name) ? values[name] as readonly string[] : [];
    values[name] = Array.isArray(flag.default) ? [...before, text] : valueOf(`--${name}`, flag, text);
    typed.add(name);
  }
  return { values, typed, rest };
}

/** The value that a text stands for. `what` names where it stands, as in `--seed`. */
export function valueOf(what: string, flag: Flag, text: string): string | number | boolean {
  if (flag.choices !== undefined && !flag.choices.includes(text)) {
    const near = nearest(text, flag.choices);
    const hint = near === undefined ? `expected ${flag.choices.join(", ")}` : `did you mean ${near}?`;
    throw new ShoalError("BadInput", `Cannot read ${what} ${text}: it is not one of its values; ${hint}`);
  }
  if (typeof flag.default === "boolean") return truth(what, text);
  if (typeof flag.default !== "number" && flag.value !== "N") return text;
  const value = Number(text);
  const least = flag.least ?? 0;
  const isWhole = flag.fraction !== true && (flag.value === "N" || Number.isInteger(flag.default));
  const isRight = text.trim() !== "" && value >= least &&
    (isWhole ? Number.isSafeInteger(value) : Number.isFinite(value));
  if (isRight) return value;
  throw new ShoalError(
    "BadInput",
    `Cannot read ${what} ${text}: expected a ${isWhole ? "whole " : ""}number from ${least}`,
  );
}

function truth(what: string, text: string): boolean {
  if (text === "1" || text === "true") return true;
  if (text === "0" || text === "false" || text === "") return false;
  throw new ShoalError("BadInput", `Cannot read ${what} ${text}: expected true or false`);
}

function unknownFlag(word: string, name: string, flags: Flags): ShoalError {
  const names = Object.entries(flags).flatMap(([name, { default: usual }]) =>
    usual === true ? [name, `no-${name}`] : [name]
  );
  const near = nearest(name, names);
  const hint = near === undefined ? "--help lists them" : `did you mean --${near}?`;
  const shown = word.startsWith("--") ? `--${name}` : `-${name}`;
  return new ShoalError("BadInput", `Cannot read ${shown}: there is no such flag; ${hint}`);
}

/** The groups as one table. */
export function flagsOf(groups: readonly FlagGroup[]): Flags {
  return Object.assign({}, ...groups.map(({ flags }) => flags));
}

/** A line a flag, all groups in the same columns. */
export function helpLines(groups: readonly FlagGroup[]): string[] {
  const width = Math.max(
    0,
    ...groups.flatMap(({ flags }) => Object.entries(flags).map(([name, flag]) => left(name, flag).length)),
  );
  return groups.filter(({ flags }) => Object.keys(flags).length > 0).flatMap(({ title, flags }) => [
    "",
    title,
    ...Object.entries(flags).map(([name, flag]) =>
      `  ${left(name, flag).padEnd(width)}  ${flag.about}${standard(flag)}`
    ),
  ]);
}

function left(name: string, flag: Flag): string {
  if (typeof flag.default === "boolean") return `--${flag.default ? "no-" : ""}${name}`;
  const value = flag.value ?? flag.choices?.join("|") ?? (typeof flag.default === "number" ? "N" : "TEXT");
  return `--${name} ${value}`;
}

function standard({ default: usual }: Flag): string {
  if (usual === undefined || typeof usual === "boolean" || usual === "" || Array.isArray(usual)) return "";
  return ` (${String(usual)})`;
}

/** How configuration is said on the command line. */
export const configuring: Flags = {
  "config": { default: [], about: "a file of configuration; may be given again", value: "FILE" },
  "set": {
    default: [],
    about: "a key of configuration, as in limits.stopTimeoutMs=5000; may be given again",
    value: "KEY=VALUE",
  },
};

/** How a run speaks. */
export const speaking: Flags = {
  "json": { default: false, about: "end with the result as one object on stdout" },
  "quiet": { default: false, about: "say nothing on the way" },
  "dry-run": { default: false, about: "say what would run, and with which configuration" },
};
