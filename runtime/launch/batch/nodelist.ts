// The nodes of a job: Slurm's compressed lists (`n[01-03,7]-ib,login`) and the node file of PBS.

import { ShoalError } from "../../../stores/error.ts";

const hostsMax = 100_000;

/** The hosts of a list, in its order, as `scontrol show hostnames` prints them. */
export function expandNodelist(list: string): string[] {
  const hosts: string[] = [];
  for (const pattern of split(list)) {
    for (const host of expand(pattern, list)) {
      if (hosts.push(host) > hostsMax) throw unreadable(list, `it names more than ${hostsMax} nodes`);
    }
  }
  return hosts;
}

function unreadable(list: string, why: string): ShoalError {
  const shown = list.length > 80 ? `${list.slice(0, 77)}…` : list;
  return new ShoalError("BadInput", `Cannot read the list of nodes ${JSON.stringify(shown)}: ${why}`);
}

/** At the commas that stand outside brackets; blanks part as commas do. */
function split(list: string): string[] {
  const parts: string[] = [];
  let part = "";
  let isInside = false;
  for (const sign of list) {
    if (sign === "[" && isInside) throw unreadable(list, "a bracket opens within brackets");
    if (sign === "]" && !isInside) throw unreadable(list, "a bracket closes that was never opened");
    if (sign === "[" || sign === "]") isInside = sign === "[";
    if (!isInside && /[,\s]/.test(sign)) {
      parts.push(part);
      part = "";
    } else part += sign;
  }
  if (isInside) throw unreadable(list, "a bracket is not closed");
  return [...parts, part].filter((found) => found !== "");
}

/** Each pair of brackets multiplies; the last one counts fastest. */
function* expand(pattern: string, list: string): Generator<string> {
  const open = pattern.indexOf("[");
  if (open < 0) {
    yield pattern;
    return;
  }
  const close = pattern.indexOf("]", open);
  const before = pattern.slice(0, open);
  const after = [...expand(pattern.slice(close + 1), list)];
  for (const number of numbers(pattern.slice(open + 1, close), list)) {
    for (const rest of after) yield before + number + rest;
  }
}

/** `01-03,7` as `01`, `02`, `03`, `7`: a number is as wide as the one that its range begins with. */
function* numbers(ranges: string, list: string): Generator<string> {
  for (const range of ranges.split(",")) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    if (first === undefined || last === undefined) {
      throw unreadable(list, `${range || "nothing"} is no range of numbers`);
    }
    const [from, to] = [Number(first), Number(last)];
    if (to < from) throw unreadable(list, `the range ${range} runs backwards`);
    if (!Number.isSafeInteger(to) || to - from >= hostsMax) throw unreadable(list, `the range ${range} is too long`);
    for (let number = from; number <= to; number++) yield String(number).padStart(first.length, "0");
  }
}

/** The hosts of a node file, each once, in the order in which they first appear; and the lines that name each. */
export function readNodeFile(text: string): ReadonlyMap<string, readonly number[]> {
  const slots = new Map<string, number[]>();
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  lines.forEach((host, slot) => slots.set(host, [...slots.get(host) ?? [], slot]));
  return slots;
}
