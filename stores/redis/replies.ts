// Reads a server's replies into what they must be. One that is of another form is no reply of this store's making.
import { Buffer } from "node:buffer";
import { ShoalError } from "../error.ts";
import type { Reply } from "./client.ts";

const strange = (wanted: string): ShoalError =>
  new ShoalError(
    "Corrupt",
    `Cannot read the server's reply: ${wanted} was expected; another program writes these keys`,
  );

export function bytesOf(reply: Reply | undefined): Buffer {
  if (Buffer.isBuffer(reply)) return reply;
  throw strange("a text");
}

export const textOf = (reply: Reply | undefined): string => bytesOf(reply).toString();

export function listOf(reply: Reply | undefined): readonly Reply[] {
  if (Array.isArray(reply)) return reply;
  throw strange("a list");
}

export const texts = (reply: Reply | undefined): string[] => listOf(reply).map(textOf);

export function integerOf(reply: Reply | undefined): number {
  if (typeof reply === "number") return reply;
  throw strange("a number");
}

/** An entry of a stream: its id in two parts, and its fields and values in turns. */
export interface StreamEntry {
  readonly major: number;
  readonly minor: number;
  readonly fields: readonly Buffer[];
}

export function idOf(text: string): { readonly major: number; readonly minor: number } {
  const [, major = "", minor = ""] = /^(\d{1,16})-(\d{1,16})$/.exec(text) ?? [];
  if (major === "") throw strange("an id of a stream");
  return { major: Number(major), minor: Number(minor) };
}

export function streamEntries(reply: Reply | undefined): StreamEntry[] {
  if (reply === null) return [];
  return listOf(reply).map((entry) => {
    const [id, fields] = listOf(entry);
    return { ...idOf(textOf(id)), fields: listOf(fields).map(bytesOf) };
  });
}

/** A reply that lists names and values in turns. */
export function pairs(reply: Reply | undefined): Map<string, Reply> {
  const list = listOf(reply);
  const found = new Map<string, Reply>();
  for (let at = 0; at + 1 < list.length; at += 2) found.set(textOf(list[at]), list[at + 1]!);
  return found;
}
