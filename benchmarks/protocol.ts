// What the harness and a contender say to each other: one flat JSON object a line, a command in, an answer out. Flat,
// and of numbers and short texts only, so that a program in any language reads it in a few lines.

/** What a case is run with: its name, and the numbers that the workload file gives it. */
export interface Command {
  readonly case: string;
  readonly [parameter: string]: string | number;
}

/** What a contender measured: seconds, how many, a checksum of what was received, and what else the case asks for. */
export interface Answer {
  readonly case: string;
  readonly [measured: string]: string | number;
}

/** Reads one line that a contender wrote; it is not ours alone, so it is looked at before it is believed. */
export function parseAnswer(line: string): Answer {
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) throw new TypeError(`Cannot read answer: ${line}`);
  const answer: { [measured: string]: string | number; case: string } = { case: "" };
  for (const [key, member] of Object.entries(value)) {
    if (typeof member === "string" || typeof member === "number") answer[key] = member;
  }
  return answer;
}

/** A number that must be there. */
export function numberOf(from: { readonly [key: string]: string | number }, key: string): number {
  const value = from[key];
  if (typeof value !== "number" || !Number.isFinite(value)) throw new TypeError(`Cannot read ${key}: it is ${value}`);
  return value;
}
