// Messages and answers of a packet side by side: what neighbours have in common stands once for all of them, and their
// values in one list. JSON writes and reads lists of plain values many times faster than a record for each.

import type { Answer, Entry } from "../delivery/protocol.ts";
import { Alike, type Common, commonAnswer, commonMessage } from "./alike.ts";
import { Bare, type Body, noArrays } from "./body.ts";

/** What is left to read of a packet's arrays. */
export interface Reading {
  readonly arrays: Uint8Array;
  at: number;
}

const kinds = ["tell", "call", "void", "forget"] as const;
const kindOf = { tell: 0, call: 1, void: 2, forget: 3 } as const;
const results = ["value", "threw", "conflict"] as const;
const resultOf = { value: 0, threw: 1, conflict: 2 } as const;
const flag = { special: 1, tensors: 2, value: 4, body: 8 } as const;
const bareFlags = flag.body + flag.value;

/** Its sender holds on to what it references until it is acknowledged. */
const noPins: readonly string[] = [];
const noChain: readonly string[] = [];
const nobody: Body = {
  method: "",
  text: undefined,
  json: undefined,
  special: false,
  arrays: noArrays,
  tensors: false,
  call: 0,
  credit: 0,
  at: 0,
};

function flagsOf(body: Body | undefined): number {
  if (body === undefined) return 0;
  const { text, json, special, tensors } = body;
  const isValue = text === undefined ? json !== undefined : text !== "";
  return flag.body + (isValue ? flag.value : 0) + (special ? flag.special : 0) + (tensors ? flag.tensors : 0);
}

function valueOf({ text, json }: Body): unknown {
  return text === undefined || text === "" ? json : JSON.parse(text);
}

interface Keyed {
  readonly key: string;
  readonly digest: string;
}

const isUnkeyed = ({ key, digest }: Keyed): boolean => key === "" && digest === "";

/** Most say no more than what they are, to whom and how. */
function isPlain(one: Keyed, { arrays, credit, at }: Body): boolean {
  return isUnkeyed(one) && arrays.length === 0 && credit === 0 && at === 0;
}

/** Whether a body is written as the one before it, which has these flags. */
function isAlike(one: Keyed, body: Body, flags: number): boolean {
  // Of most this is known without a look at each member, and they are many.
  if (body instanceof Bare) return flags === (body.json === undefined ? flag.body : bareFlags) && isUnkeyed(one);
  return flagsOf(body === nobody ? undefined : body) === flags && isPlain(one, body);
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  if (one === other) return true;
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}

/** A list as its text; of numbers alone none is longer to write than it must be. */
function listText(list: readonly unknown[]): string {
  const [only] = list;
  // Those that JSON has no word for never come here as they are.
  return list.length === 1 && typeof only === "number" ? `[${only}]` : JSON.stringify(list);
}

/** Entries as they stand in a packet, those that are alike together. Their arrays are added to `arrays`. */
export function entriesText(source: string, entries: readonly Entry[], arrays: Uint8Array[]): string {
  let text = "";
  for (let i = 0; i < entries.length;) {
    const first = entries[i++]!;
    const { born, kind, chain } = first;
    const body = (first.body ?? nobody) as Body;
    const flags = flagsOf(first.body as Body | undefined);
    const { method } = body;
    const values = [valueOf(body)];
    const calls = [body.call];
    let isCounting = true;
    const isAlone = !isPlain(first, body);
    let bytes: number | number[] = first.bytes;
    for (; i < entries.length && !isAlone; i++) {
      const next = entries[i]!;
      const nextBody = (next.body ?? nobody) as Body;
      if (next.kind !== kind || nextBody.method !== method || next.born !== born) break;
      if (!isAlike(next, nextBody, flags)) break;
      if (!isSame(next.chain, chain)) break;
      if (typeof bytes !== "number") bytes.push(next.bytes);
      else if (bytes !== next.bytes) bytes = [...new Array<number>(values.length).fill(bytes), next.bytes];
      values.push(valueOf(nextBody));
      if (kind !== "call") continue;
      isCounting &&= nextBody.call === body.call + calls.length;
      calls.push(nextBody.call);
    }
    // Most ask for themselves alone.
    const asking = chain.length === 0 ? "0" : chain.length === 1 && chain[0] === source ? "1" : JSON.stringify(chain);
    const weights = typeof bytes === "number" ? bytes : JSON.stringify(bytes);
    // Those of one that asks one thing after the other follow each other, too.
    const numbers = kind !== "call" ? 0 : isCounting ? body.call : listText(calls);
    text += `,[${kindOf[kind]},${born},${flags},${quoted(method)},${asking},${weights},${listText(values)},${numbers}`;
    if (!isAlone) text += "]";
    else {
      const { credit, at, arrays: own } = body;
      if (own.length > 0) arrays.push(own);
      text += `,${JSON.stringify(first.key)},${JSON.stringify(first.digest)},${credit},${at},${own.length}]`;
    }
  }
  return text;
}

/** The entries of groups, behind the number of the first of them. Throws on what is none. */
export function entriesOf(source: string, groups: readonly unknown[], from: number, reading: Reading): Entry[] {
  const entries: Entry[] = [];
  let sequence = countOf(groups[from]);
  for (let index = from + 1; index < groups.length; index++) {
    const group = listOf(groups[index]);
    const [kindIndex, bornAt, flagBits, name, asking, weight, list, numbers] = group;
    const kind = oneOf(kinds, kindIndex);
    const born = countOf(bornAt);
    const flags = countOf(flagBits);
    const method = textOf(name);
    const chain = asking === 0 ? noChain : asking === 1 ? [source] : listOf(asking).map(textOf);
    const values = listOf(list);
    const weights = typeof weight === "number" ? undefined : listOf(weight);
    const calls = typeof numbers === "number" ? undefined : listOf(numbers);
    const firstCall = calls === undefined ? countOf(numbers) : 0;
    const step = kind === "call" ? 1 : 0;
    const callAt = (i: number): number => calls === undefined ? firstCall + i * step : countOf(calls[i]);
    const isSpecial = (flags & flag.special) !== 0;
    const hasTensors = (flags & flag.tensors) !== 0;
    const hasValue = (flags & flag.value) !== 0;
    const hasBody = (flags & flag.body) !== 0;
    if (hasBody && group.length <= 8) {
      const common: Common = { ...commonMessage, special: isSpecial, tensors: hasTensors, kind, born, chain, method };
      const same = weights === undefined ? countOf(weight) : 0;
      for (let i = 0; i < values.length; i++) {
        const bytes = weights === undefined ? same : countOf(weights[i]);
        entries.push(new Alike(common, sequence++, bytes, hasValue ? values[i] : undefined, callAt(i)));
      }
      continue;
    }
    let [key, digest, credit, at] = ["", "", 0, 0];
    let arrays = noArrays;
    if (group.length > 8) {
      if (values.length !== 1) throw new RangeError("only what stands alone may say more");
      [key, digest, credit, at] = [textOf(group[8]), textOf(group[9]), countOf(group[10]), countOf(group[11])];
      arrays = taken(reading, countOf(group[12]));
    }
    for (let i = 0; i < values.length; i++) {
      const body: Body | undefined = hasBody
        ? {
          method,
          text: undefined,
          json: hasValue ? values[i] : undefined,
          special: isSpecial,
          arrays,
          tensors: hasTensors,
          call: callAt(i),
          credit,
          at,
        }
        : undefined;
      const bytes = countOf(weights === undefined ? weight : weights[i]);
      entries.push({ sequence, born, kind, body, bytes, pins: noPins, key, digest, chain });
      sequence++;
    }
  }
  return entries;
}

/** Answers as they stand in a packet, those that follow each other together. */
export function answersText(answers: readonly Answer[], arrays: Uint8Array[]): string {
  let text = "";
  for (let i = 0; i < answers.length;) {
    const first = answers[i++]!;
    const { epoch, sequence, result } = first;
    const body = (first.body ?? nobody) as Body;
    const flags = flagsOf(first.body as Body | undefined);
    const values = [valueOf(body)];
    const isAlone = !isPlain(first, body);
    for (; i < answers.length && !isAlone; i++) {
      const next = answers[i]!;
      const nextBody = (next.body ?? nobody) as Body;
      if (next.sequence !== sequence + values.length || next.epoch !== epoch || next.result !== result) break;
      if (!isAlike(next, nextBody, flags)) break;
      values.push(valueOf(nextBody));
    }
    text += `,[${epoch},${resultOf[result]},${flags},${sequence},${listText(values)}`;
    if (!isAlone) text += "]";
    else {
      if (body.arrays.length > 0) arrays.push(body.arrays);
      text += `,${JSON.stringify(first.key)},${JSON.stringify(first.digest)},${body.arrays.length}]`;
    }
  }
  return text;
}

/** The answers of groups. Throws on what is none. */
export function answersOf(groups: readonly unknown[], from: number, reading: Reading): Answer[] {
  const answers: Answer[] = [];
  for (let index = from; index < groups.length; index++) {
    const group = listOf(groups[index]);
    const [epochOf, resultIndex, flagBits, first, list] = group;
    const epoch = countOf(epochOf);
    const result = oneOf(results, resultIndex);
    const flags = countOf(flagBits);
    const values = listOf(list);
    let [key, digest] = ["", ""];
    let arrays = noArrays;
    if (group.length > 5) {
      if (values.length !== 1) throw new RangeError("only what stands alone may say more");
      [key, digest] = [textOf(group[5]), textOf(group[6])];
      arrays = taken(reading, countOf(group[7]));
    }
    const [special, tensors] = [(flags & flag.special) !== 0, (flags & flag.tensors) !== 0];
    const hasValue = (flags & flag.value) !== 0;
    let sequence = countOf(first);
    if ((flags & flag.body) !== 0 && group.length <= 5) {
      const common: Common = { ...commonAnswer, special, tensors, epoch, result };
      for (const value of values) answers.push(new Alike(common, sequence++, 0, hasValue ? value : undefined, 0));
      continue;
    }
    for (const value of values) {
      const json = hasValue ? value : undefined;
      const body: Body | undefined = (flags & flag.body) === 0
        ? undefined
        : { method: "", text: undefined, json, special, arrays, tensors, call: 0, credit: 0, at: 0 };
      answers.push({ epoch, sequence, key, digest, result, body });
      sequence++;
    }
  }
  return answers;
}

function taken(reading: Reading, length: number): Uint8Array {
  const { arrays, at } = reading;
  if (length > Math.max(0, arrays.length - at)) {
    throw new RangeError(`${length} bytes of arrays at ${at} of ${arrays.length}`);
  }
  reading.at += length;
  return length === 0 ? noArrays : arrays.subarray(at, at + length);
}

const quotes = new Map<string, string>();
const quotesMax = 1_024;

/** A name as JSON: the same few stand in most packets. */
export function quoted(name: string): string {
  let text = quotes.get(name);
  if (text !== undefined) return text;
  if (quotes.size >= quotesMax) quotes.clear();
  quotes.set(name, text = JSON.stringify(name));
  return text;
}

export function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError("expected a list");
  return value;
}

export function textOf(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("expected text");
  return value;
}

export function countOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new TypeError("expected a count");
  return value;
}

export function oneOf<T>(list: readonly T[], index: unknown): T {
  const member = typeof index === "number" ? list[index] : undefined;
  if (member === undefined) throw new TypeError(`expected one of ${list.join(", ")}`);
  return member;
}
