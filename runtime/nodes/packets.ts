// Frames as bytes, for whatever lies between two nodes: one JSON text in which messages stand as they are, and behind
// it the arrays of all of them, if there are any. What comes is checked member by member.
//   u32 length of the JSON | JSON | zeros up to a multiple of 8 | arrays

import { ShoalError } from "../../stores/error.ts";
import type { AckFrame, Answer, AnswerFrame, Entry, Frame, MailFrame, Opening } from "../delivery/protocol.ts";
import type { Packet } from "../links/link.ts";
import type { Body } from "./body.ts";

/** Counts the forms that packets have had. Two nodes of one run speak the same. */
const layout = 1;
const kinds = ["tell", "call", "void", "forget"] as const;
const kindOf = { tell: 0, call: 1, void: 2, forget: 3 } as const;
const results = ["value", "threw", "conflict"] as const;
const states = ["known", "new", "ended"] as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A packet of frames, of a run. */
export function packetOf(run: string, frames: readonly Frame[]): Packet {
  const arrays: Uint8Array[] = [];
  let text = `{"shoal":${layout},"run":${JSON.stringify(run)},"frames":[`;
  for (let i = 0; i < frames.length; i++) text += (i === 0 ? "" : ",") + frameText(frames[i]!, arrays);
  text += "]}";
  if (arrays.length === 0) return text;
  let size = 0;
  for (const { length } of arrays) size += length;
  const json = encoder.encode(text);
  let at = aligned(4 + json.length);
  const packet = new Uint8Array(at + size);
  new DataView(packet.buffer).setUint32(0, json.length, true);
  packet.set(json, 4);
  for (const array of arrays) {
    packet.set(array, at);
    at += array.length;
  }
  return packet;
}

function aligned(bytes: number): number {
  return (bytes + 7) & ~7;
}

function frameText(frame: Frame, arrays: Uint8Array[]): string {
  if (frame.type === "mail") {
    const { entries, ...head } = frame;
    let list = "";
    for (const entry of entries) list += `${list === "" ? "" : ","}${entryText(entry, arrays)}`;
    return `{"head":${JSON.stringify(head)},"list":[${list}]}`;
  }
  if (frame.type === "answer") {
    const { answers, ...head } = frame;
    let list = "";
    for (const answer of answers) list += `${list === "" ? "" : ","}${answerText(answer, arrays)}`;
    return `{"head":${JSON.stringify(head)},"list":[${list}]}`;
  }
  return `{"head":${JSON.stringify(frame)},"list":[]}`;
}

function entryText({ sequence, born, kind, body, bytes, key, digest, chain }: Entry, arrays: Uint8Array[]): string {
  const names = key === "" && digest === "" && chain.length === 0
    ? `"","",[]`
    : `${JSON.stringify(key)},${JSON.stringify(digest)},${JSON.stringify(chain)}`;
  return `[${sequence},${born},${kindOf[kind]},${bytes},${names}${bodyText(body, arrays)}]`;
}

function answerText({ epoch, sequence, key, digest, result, body }: Answer, arrays: Uint8Array[]): string {
  const names = key === "" && digest === "" ? `"",""` : `${JSON.stringify(key)},${JSON.stringify(digest)}`;
  return `[${epoch},${sequence},${results.indexOf(result)},${names}${bodyText(body, arrays)}]`;
}

/** Of what has none, nothing: a place that is held, a question. */
function bodyText(value: unknown, arrays: Uint8Array[]): string {
  if (value === undefined) return "";
  const { method, text, json, special, arrays: own, tensors, call, credit, at } = value as Body;
  if (own.length > 0) arrays.push(own);
  const written = text ?? (json === undefined ? "" : JSON.stringify(json));
  const flags = (special ? 1 : 0) + (tensors ? 2 : 0);
  return `,${quoted(method)},${call},${credit},${flags},${own.length},${at}${written === "" ? "" : `,${written}`}`;
}

let latest: readonly [string, string] = ["", `""`];

/** Most messages are of the same method as the one before. */
function quoted(method: string): string {
  if (latest[0] !== method) latest = [method, JSON.stringify(method)];
  return latest[1];
}

/** The frames of a packet. Throws `Incompatible` for another layout or run, and `Corrupt` for what is no packet. */
export function framesOf(packet: Packet, run: string): Frame[] {
  let parsed: unknown;
  let at = 0;
  try {
    if (typeof packet === "string") parsed = JSON.parse(packet);
    else [parsed, at] = jsonOf(packet);
  } catch (error) {
    throw new ShoalError("Corrupt", "Cannot read packet: it is damaged", { cause: error });
  }
  const members = recordOf(parsed);
  if (members["shoal"] !== layout) {
    const text = `Cannot read packet: its layout is ${String(members["shoal"])}, this node speaks ${layout}`;
    throw new ShoalError("Incompatible", `${text}; all nodes of a run need the same version of shoal`);
  }
  if (members["run"] !== run) {
    throw new ShoalError("Incompatible", `Cannot read packet: it is of run ${String(members["run"])}, this is ${run}`);
  }
  const reading = { arrays: typeof packet === "string" ? noArrays : packet, at };
  try {
    return listOf(members["frames"]).map((frame) => readFrame(frame, reading));
  } catch (error) {
    throw new ShoalError("Corrupt", "Cannot read packet: it is damaged", { cause: error });
  }
}

/** The JSON of a packet that has arrays, and where these begin. */
function jsonOf(packet: Uint8Array): [unknown, number] {
  const length = new DataView(packet.buffer, packet.byteOffset, packet.byteLength).getUint32(0, true);
  if (length > packet.length - 4) throw new RangeError(`JSON of ${length} bytes in a packet of ${packet.length}`);
  return [JSON.parse(decoder.decode(packet.subarray(4, 4 + length))), aligned(4 + length)];
}

interface Reading {
  readonly arrays: Uint8Array;
  at: number;
}

function readFrame(value: unknown, reading: Reading): Frame {
  const { head, list } = recordOf(value);
  const members = recordOf(head);
  const common = { node: textOf(members["node"]), epoch: countOf(members["epoch"]) };
  const type = members["type"];
  if (type === "fenced") return { type, ...common, stale: countOf(members["stale"]) };
  const stream = { ...common, source: textOf(members["source"]), destination: textOf(members["destination"]) };
  if (type === "mail") {
    const frame: MailFrame = {
      type,
      ...stream,
      incarnation: countOf(members["incarnation"]),
      start: countOf(members["start"]),
      openings: listOf(members["openings"]).map(openingOf),
      got: countOf(members["got"]),
      forget: listOf(members["forget"]).map(textOf),
      entries: listOf(list).map((entry) => readEntry(listOf(entry), reading)),
    };
    return frame;
  }
  const streamEpoch = countOf(members["streamEpoch"]);
  if (type === "answer") {
    const answers = listOf(list).map((answer) => readAnswer(listOf(answer), reading));
    return { type, ...stream, streamEpoch, answers } satisfies AnswerFrame;
  }
  if (type !== "ack") throw new TypeError(`no frame: ${String(type)}`);
  const frame: AckFrame = {
    type,
    ...stream,
    streamEpoch,
    cursorEpoch: countOf(members["cursorEpoch"]),
    incarnation: countOf(members["incarnation"]),
    state: oneOf(states, states.findIndex((state) => state === members["state"])),
    through: countOf(members["through"]),
    accepted: countOf(members["accepted"]),
    creditMessages: countOf(members["creditMessages"]),
    creditBytes: countOf(members["creditBytes"]),
    got: countOf(members["got"]),
    doubts: listOf(members["doubts"]).map(textOf),
  };
  return frame;
}

function openingOf(value: unknown): Opening {
  const { epoch, base } = recordOf(value);
  return { epoch: countOf(epoch), base: countOf(base) };
}

function readEntry(list: readonly unknown[], reading: Reading): Entry {
  const [sequence, born, kind, bytes, key, digest, chain] = list;
  return {
    sequence: countOf(sequence),
    born: countOf(born),
    kind: oneOf(kinds, kind),
    body: readBody(list, 7, reading),
    bytes: countOf(bytes),
    pins: noPins,
    key: textOf(key),
    digest: textOf(digest),
    chain: listOf(chain).length === 0 ? noPins : listOf(chain).map(textOf),
  };
}

/** Its sender holds on to what it references until it is acknowledged. */
const noPins: readonly string[] = [];

function readAnswer(list: readonly unknown[], reading: Reading): Answer {
  const [epoch, sequence, result, key, digest] = list;
  return {
    epoch: countOf(epoch),
    sequence: countOf(sequence),
    key: textOf(key),
    digest: textOf(digest),
    result: oneOf(results, result),
    body: readBody(list, 5, reading),
  };
}

function readBody(list: readonly unknown[], from: number, reading: Reading): Body | undefined {
  if (list.length === from) return undefined;
  const flags = countOf(list[from + 3]);
  const length = countOf(list[from + 4]);
  const { arrays, at } = reading;
  if (length > Math.max(0, arrays.length - at)) {
    throw new RangeError(`${length} bytes of arrays at ${at} of ${arrays.length}`);
  }
  reading.at += length;
  return {
    method: textOf(list[from]),
    text: undefined,
    json: list[from + 6],
    special: (flags & 1) !== 0,
    arrays: length === 0 ? noArrays : arrays.subarray(at, at + length),
    tensors: (flags & 2) !== 0,
    call: countOf(list[from + 1]),
    credit: countOf(list[from + 2]),
    at: countOf(list[from + 5]),
  };
}

const noArrays = new Uint8Array(0);

function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new TypeError("expected an object");
  return value as Record<string, unknown>;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError("expected a list");
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("expected text");
  return value;
}

function countOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new TypeError("expected a count");
  return value;
}

function oneOf<T>(list: readonly T[], index: unknown): T {
  const member = typeof index === "number" ? list[index] : undefined;
  if (member === undefined) throw new TypeError(`expected one of ${list.join(", ")}`);
  return member;
}
