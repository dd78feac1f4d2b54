// Reads the URL of a store: strictly, because a misspelt option that is silently ignored is found out on the last day
// of a campaign; and without ever repeating a secret in an error.
import { nearest, ShoalError } from "./error.ts";

/** A store's URL in parts. The authority may name several hosts, which the URL class of the platforms refuses. */
export interface StoreUrl {
  readonly scheme: string;
  /** What stands between the scheme and the options, as it was written, secrets included. */
  readonly address: string;
  readonly options: ReadonlyMap<string, string>;
  /** The whole without secrets. */
  readonly redacted: string;
}

const urlCharactersMax = 4_096;
const secretName = /pass|secret|token|credential|apikey|api_key/i;

const badInput = (message: string): ShoalError => new ShoalError("BadInput", message);

/** Where the next option begins whose value is a URL, encoded once, more often or not at all. */
const nextUrl = /&(?=[^=&]*=[a-z][a-z0-9+.-]*(?::|%(?:25)*3a))/i;
const credentials = /((?::|%(?:25)*3a)(?:\/|%(?:25)*2f){2})(?!\/|%(?:25)*2f).*(?:@|%(?:25)*40)/is;
const secretOption = new RegExp(
  `((?:^|[?&]|%(?:25)*(?:3f|26))[^=&?%]*(?:${secretName.source})[^=&?%]*(?:=|%(?:25)*3d))((?!%(?:25)*26)[^&#])*`,
  "gi",
);

/**
 * A URL with user names and passwords replaced, also in the URLs that its options hold. Rather too much than too
 * little: a password that was not encoded may hold any sign, so that all up to the last `@` goes.
 */
export function redactUrl(url: string): string {
  const outer = url.replace(/^([a-z][a-z0-9+.-]*:\/\/)(?=[^/]).*@/is, "$1***@");
  const start = outer.indexOf("?") + 1;
  if (start === 0) return outer;
  const inner = outer.slice(start).split(nextUrl).map((stretch) =>
    stretch.replace(credentials, "$1***@").replace(secretOption, "$1***")
  );
  return outer.slice(0, start) + inner.join("&");
}

/** What asks for servers that a run starts for itself. */
export const ownUrl: RegExp = /^(redis|kafka):auto(?:\?(.*))?$/i;

/** Why such a URL opens nothing by itself. */
export const unstarted = (url: string, other: string): string =>
  `${url} is a server that a run starts and ends: no run has started it; name one that runs, as in ${other}`;

export function parseStoreUrl(url: string): StoreUrl {
  if (typeof url !== "string") throw badInput("Cannot open store: its URL is no text");
  if (url.length > urlCharactersMax) throw badInput(`Cannot open store: its URL has ${url.length} characters`);
  const redacted = redactUrl(url);
  const parts = /^([a-z][a-z0-9+.-]*):([^?#]*)(?:\?([^#]*))?$/i.exec(url);
  if (parts === null) {
    throw badInput(`Cannot open store: not a URL such as memory: or memory:?capacity=4GB: ${redacted}`);
  }
  const [, scheme = "", address = "", query = ""] = parts;
  const options = new Map<string, string>();
  for (const part of query === "" ? [] : query.split("&")) {
    const [, rawName = "", rawValue] = /^([^=]*)(?:=(.*))?$/s.exec(part) ?? [];
    const name = decoded(rawName, redacted);
    if (name === "" || rawValue === undefined) {
      throw badInput(`Cannot open store: an option is written name=value: ${redacted}`);
    }
    if (options.has(name)) throw badInput(`Cannot open store: option ${name} is given twice: ${redacted}`);
    options.set(name, decoded(rawValue, redacted));
  }
  return { scheme: scheme.toLowerCase(), address, options, redacted };
}

function decoded(text: string, redacted: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badInput(`Cannot open store: an option is not percent-encoded text: ${redacted}`);
  }
}

/** How an option's text becomes its value; throws where it cannot. */
export type Reader<T> = (text: string, name: string) => T;
/** What a table of readers yields: what was given, and nothing for what was not. */
export type Read<Table extends Record<string, Reader<unknown>>> = {
  readonly [Name in keyof Table]?: ReturnType<Table[Name]>;
};

/** Reads all options of a URL by a table of readers. An option that is not in the table is BadInput. */
export function readOptions<Table extends Record<string, Reader<unknown>>>(url: StoreUrl, table: Table): Read<Table> {
  const read: Record<string, unknown> = {};
  for (const [name, text] of url.options) {
    const reader = Object.hasOwn(table, name) ? table[name] : undefined;
    if (reader === undefined) throw badInput(unknown(`option of ${url.scheme}:`, name, Object.keys(table)));
    read[name] = reader(text, name);
  }
  return read as Read<Table>;
}

/** Says what is not known, and what was most likely meant. */
export function unknown(kind: string, word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  const hint = near === undefined ? `known: ${known.join(", ")}` : `did you mean ${near}?`;
  return `Cannot open store: unknown ${kind} ${JSON.stringify(word.slice(0, 40))}; ${hint}`;
}

const unitBytes: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ...["k", "M", "G", "T"].flatMap((letter, index): [string, number][] => [
    [`${letter}B`, 1_000 ** (index + 1)],
    [`${letter === "k" ? "K" : letter}iB`, 1_024 ** (index + 1)],
  ]),
  ["KB", 1_000],
]);

/** Reads a size: `64MB` is 64 million bytes, `64MiB` is 64 times 2^20, a bare number is bytes. */
export function sizeOption(text: string, name: string): number {
  const [, number = "", unit = ""] = /^(\d{1,15}(?:\.\d{1,6})?) ?([A-Za-z]*)$/.exec(text) ?? [];
  const factor = unitBytes.get(unit);
  const bytes = Math.round(Number(number) * (factor ?? NaN));
  if (number !== "" && factor === undefined) {
    throw badInput(unknown(`unit of ${name}`, unit, [...unitBytes.keys()].slice(1)));
  }
  if (number === "" || !Number.isSafeInteger(bytes) || bytes < 1) {
    throw badInput(`Cannot open store: ${name}=${text}: a size such as 64MB or 4GiB is wanted`);
  }
  return bytes;
}

/** Reads a whole number of milliseconds. */
export function msOption(text: string, name: string): number {
  const ms = /^\d{1,12}$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(ms)) throw badInput(`Cannot open store: ${name}=${text}: a whole number of milliseconds is wanted`);
  return ms;
}

/** Reads one of some words. */
export function wordOption<Word extends string>(...words: readonly Word[]): Reader<Word> {
  return (text, name) => {
    const word = words.find((word) => word === text);
    if (word === undefined) throw badInput(unknown(`value of ${name}`, text, words));
    return word;
  };
}
