// The words of a command that is given as one text, as a shell would read them, or as a list of them.

import { ShoalError } from "../../stores/error.ts";

/** A part of a word: in single quotes as it stands, in double quotes or bare with what a backslash stands before. */
const part = /'([^']*)'|"((?:[^"\\]|\\.)*)"|((?:[^\s'"\\]|\\.)+)/suy;

function unescaped(text: string, escaped: RegExp): string {
  return text.replaceAll(escaped, "$1");
}

/** `what` stands before the colon of an error. */
export function commandWords(what: string, command: string | readonly string[]): readonly string[] {
  const words = typeof command === "string" ? wordsOf(what, command) : [...command];
  if ((words[0] ?? "") === "") {
    throw new ShoalError("BadInput", `${what}: workerCommand is empty; leave it out, or name a program first`);
  }
  return words;
}

function wordsOf(what: string, text: string): readonly string[] {
  const words: string[] = [];
  let at = 0;
  /** Nothing between two words; an empty pair of quotes is a word. */
  let word: string | undefined;
  while (at < text.length) {
    if (/\s/u.test(text[at]!)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      at += 1;
      continue;
    }
    part.lastIndex = at;
    const found = part.exec(text);
    if (found === null) {
      const why = `workerCommand ends within what begins at ${JSON.stringify(text.slice(at, at + 20))}`;
      throw new ShoalError("BadInput", `${what}: ${why}; close the quotes, or give a list of words`);
    }
    const [all, single, double, bare] = found;
    word = (word ?? "") +
      (single ?? (double === undefined ? unescaped(bare!, /\\(.)/gsu) : unescaped(double, /\\(["\\$`])/gu)));
    at += all.length;
  }
  if (word !== undefined) words.push(word);
  return words;
}
