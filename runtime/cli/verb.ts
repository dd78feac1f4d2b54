// What a verb of the command line is: one file each, which exports one of these as its default. Types only.

import type { FlagGroup, Given } from "./flags.ts";
import type { Terminal } from "./terminal.ts";

/** What was typed after a verb, read by its flags. */
export interface Request {
  /** The value of each flag: what was typed, or its default. */
  readonly flags: Given;
  /** The flags that were typed. */
  readonly typed: ReadonlySet<string>;
  /** What was no flag. */
  readonly words: readonly string[];
  readonly terminal: Terminal;
}

export interface Verb {
  /** How it is typed: `shoal status [RUN]`. */
  readonly usage: string;
  /** What it does, in one line or a few. */
  readonly about: string;
  /** How many words it takes beside flags: at least, and at most. */
  readonly words: readonly [least: number, most: number];
  /** What is said where words are missing: `name a run`. */
  readonly missing?: string | (() => Promise<string>);
  /** Its flags by groups, in the order of help. `--json` is there where it prints a result. */
  flags(words: readonly string[]): readonly FlagGroup[] | Promise<readonly FlagGroup[]>;
  /** What its words may be, for help. */
  help?(): Promise<readonly (readonly [word: string, about: string])[]>;
  readonly example: string;
  /** Does it. Answers the exit code, 0 unless said; throws `BadInput` for a request that is wrong. */
  act(request: Request): Promise<number | void>;
}
