// Texts in job scripts: as one word of the shell, or as a value that a scheduler reads from a comment line.

import { ShoalError } from "../../../stores/error.ts";

/** A text as one word of a POSIX shell, whatever is in it. */
export function word(text: string): string {
  if (text.includes("\0")) throw new ShoalError("BadInput", "Cannot write a job script: a text in it holds a NUL");
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The words of a command, as one line of a script. */
export const words = (command: readonly string[]): string => command.map(word).join(" ");

/** Whether a scheduler reads a value from a comment line as it stands. Each has quoting of its own; none is needed. */
export const isPlain = (value: string): boolean => /^[A-Za-z0-9_@+=:,./-]+$/.test(value) && !value.startsWith("-");

/** A value for a comment line. What would be read as something else is refused: a line that ends early is a command. */
export function plain(what: string, value: string): string {
  if (isPlain(value)) return value;
  const cure = "letters, digits and _@+=:,./- are what schedulers take";
  throw new ShoalError("BadInput", `Cannot write a job script: ${what} is ${JSON.stringify(value)}; ${cure}`);
}
