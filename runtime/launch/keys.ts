// A key of configuration: of which kind its value is, why one is none for it, and what a text stands for.

import { hintFor } from "../kinds.ts";

/** One key. */
export interface Key {
  readonly kind: "text" | "whole" | "number" | "truth" | "word" | "words";
  readonly default: string | number | boolean | undefined;
  readonly about: string;
  /** The words that it takes. */
  readonly words?: readonly string[];
  /** The least number that it takes, of `words` how many; 0 unless said. */
  readonly least?: number;
}

export type Schema = { readonly [path: string]: Key };

/** Why a value is none for a key; nothing where it is one. */
export function faultOf(key: Key, value: unknown): string | undefined {
  const { least = 0 } = key;
  switch (key.kind) {
    case "text":
      return typeof value === "string" ? undefined : "expected a text";
    case "truth":
      return typeof value === "boolean" ? undefined : "expected true or false";
    case "word":
      return key.words?.some((word) => word === value) === true
        ? undefined
        : `expected one of ${key.words?.join(", ") ?? ""}`;
    case "words":
      return wordsFault(key, value);
    case "number":
      return typeof value === "number" && value >= least && value < Infinity
        ? undefined
        : `expected a number from ${least}`;
    case "whole":
      return Number.isSafeInteger(value) && Number(value) >= least
        ? undefined
        : `expected a whole number from ${least}`;
  }
}

/** A list of words, in a file or as one text. */
export const listOf = (value: unknown): readonly unknown[] =>
  typeof value === "string" ? value.split(",").map((word) => word.trim()).filter((word) => word !== "") : value as [];

function wordsFault({ words = [], least = 0 }: Key, value: unknown): string | undefined {
  if (typeof value !== "string" && !Array.isArray(value)) return `expected a list of ${words.join(", ")}`;
  const given = listOf(value);
  const wrong = given.find((word) => !words.some((known) => known === word));
  if (wrong !== undefined) return `${JSON.stringify(wrong)} is none of ${words.join(", ")}; ${hintFor(wrong)}`;
  if (new Set(given).size < given.length) return "one stands there twice";
  return given.length < least ? `expected some of ${words.join(", ")}` : undefined;
}

/** A value as it is kept: a list of words is one text, so that it can be compared. */
export const keptValue = (key: Key | undefined, value: unknown): unknown =>
  key?.kind === "words" ? listOf(value).join(",") : value;

/** The value that a text stands for: the environment and `--set` know texts only. */
export function readText(key: Key, text: string): unknown {
  if (key.kind === "truth") {
    return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text;
  }
  const isNumber = (key.kind === "whole" || key.kind === "number") && text.trim() !== "";
  return isNumber ? Number(text) : text;
}
