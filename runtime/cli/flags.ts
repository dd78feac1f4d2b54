// Flags: declared as plain values with defaults, read strictly, and the nearest one named where one is misspelt.

import { nearest, ShoalError } from "../../stores/error.ts";

/** One flag. A flag whose default is a boolean takes no value. */
export interface Flag {
  readonly default: string | number | boolean | undefined;
  readonly about: string;
  /** What stands for the value in help, for one without a default. */
  readonly value?: string;
}

export type Flags = { readonly [name: string]: Flag };
export type Given = { [name: string]: string | number | boolean | undefined };

/** Reads `--name value`, `--name=value` and `--switch`; answers the values and what was no flag. */
export function readFlags(words: readonly string[], flags: Flags): { values: Given; rest: string[] } {
  const values: Given = Object.create(null);
  for (const [name, flag] of Object.entries(flags)) values[name] = flag.default;
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (!word.startsWith("--")) {
      rest.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const name = word.slice(2, equals < 0 ? undefined : equals);
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (flag === undefined) throw unknownFlag(name, flags);
    if (typeof flag.default === "boolean") {
      if (equals >= 0) throw new ShoalError("BadInput", `Cannot read --${name}: it takes no value`);
      values[name] = true;
      continue;
    }
    const text = equals >= 0 ? word.slice(equals + 1) : words[++i];
    if (text === undefined) throw new ShoalError("BadInput", `Cannot read --${name}: it needs a value`);
    values[name] = typeof flag.default === "number" || flag.value === "N" ? wholeNumber(name, text) : text;
  }
  return { values, rest };
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0) {
    throw new ShoalError("BadInput", `Cannot read --${name} ${text}: expected a whole number from 0`);
  }
  return value;
}

function unknownFlag(name: string, flags: Flags): ShoalError {
  const near = nearest(name, Object.keys(flags));
  const hint = near === undefined ? "--help lists them" : `did you mean --${near}?`;
  return new ShoalError("BadInput", `Cannot read --${name}: there is no such flag; ${hint}`);
}

/** A line a flag. */
export function helpLines(flags: Flags): string[] {
  const rows = Object.entries(flags).map(([name, flag]): [string, string] => {
    const value = typeof flag.default === "boolean"
      ? ""
      : ` ${flag.value ?? (typeof flag.default === "number" ? "N" : "TEXT")}`;
    const standard = flag.default === undefined || flag.default === false ? "" : ` (${flag.default})`;
    return [`--${name}${value}`, `${flag.about}${standard}`];
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
