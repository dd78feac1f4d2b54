// Frames as packets, for whatever lies between two nodes: a line that says of which layout, run and node they are, and
// a line of frames, JSON both. Where messages have arrays it is bytes, with these behind the text. All that comes is
// checked member by member.
//   u32 length of the text | text | zeros up to a multiple of 8 | arrays

import { ShoalError } from "../../stores/error.ts";
import type { Frame, MailFrame, Opening } from "../delivery/protocol.ts";
import { tokenCure } from "../links/greeting.ts";
import type { Packet } from "../links/link.ts";
import {
  answersOf,
  answersText,
  countOf,
  entriesOf,
  entriesText,
  listOf,
  oneOf,
  quoted,
  type Reading,
  textOf,
} from "./columns.ts";

/** Counts the forms that packets have had. Two nodes of one run speak the same. */
const layout = 3;
const types = { mail: 0, ack: 1, answer: 2, fenced: 3 } as const;
const states = ["known", "new", "ended"] as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Whose packets these are. */
export interface Letterhead {
  readonly run: string;
  /** What only the nodes of the run know. */
  readonly token: string;
  readonly node: string;
}

/** What each packet of a process begins with. */
export function headOf({ run, token, node }: Letterhead, epoch: number): string {
  return `${JSON.stringify([layout, run, token, node, epoch])}\n`;
}

/** A packet of frames. */
export function packetOf(head: string, frames: readonly Frame[]): Packet {
  const arrays: Uint8Array[] = [];
  let text = `${head}[`;
  for (let i = 0; i < frames.length; i++) text += (i === 0 ? "" : ",") + frameText(frames[i]!, arrays);
  text += "]";
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
  if (frame.type === "fenced") return `[${types.fenced},${frame.stale}]`;
  const stream = `[${types[frame.type]},${quoted(frame.source)},${quoted(frame.destination)}`;
  if (frame.type === "mail") {
    const { incarnation, start, got, forget, entries } = frame;
    const forgotten = forget.length === 0 ? "0" : JSON.stringify(forget);
    const first = entries.length === 0 ? 0 : entries[0]!.sequence;
    const list = entriesText(frame.source, entries, arrays);
    return `${stream},${incarnation},${start},${got},${openingsText(frame)},${forgotten},${first}${list}]`;
  }
  if (frame.type === "answer") return `${stream},${frame.streamEpoch}${answersText(frame.answers, arrays)}]`;
  const { streamEpoch, cursorEpoch, incarnation, through, accepted, creditMessages, creditBytes, got, doubts } = frame;
  const state = states.indexOf(frame.state);
  const reached = `${streamEpoch},${cursorEpoch},${incarnation},${state},${through},${accepted}`;
  const doubted = doubts.length === 0 ? "0" : JSON.stringify(doubts);
  return `${stream},${reached},${creditMessages},${creditBytes},${got},${doubted}]`;
}

/** A stream that began with its process says nothing of that. */
function openingsText({ epoch, openings }: MailFrame): string {
  if (openings.length === 1 && openings[0]!.epoch === epoch && openings[0]!.base === 0) return "0";
  return JSON.stringify(openings.flatMap((opening) => [opening.epoch, opening.base]));
}

/** Why a packet is none of ours; who sent it, and of which run it says to be, where that can be read. */
export interface Stranger {
  readonly error: ShoalError;
  readonly node: string | undefined;
  readonly run: string;
}

/** Reads the packets that are for a node of this run. */
export function reader(own: Letterhead): (packet: Packet) => readonly Frame[] | Stranger {
  let latest = { head: "", node: "", epoch: 0 };

  /** The length of a head that is one of ours; most are the same as the one before. */
  function check(text: string): number | Stranger {
    if (latest.head !== "" && text.startsWith(latest.head)) return latest.head.length;
    const end = text.indexOf("\n") + 1;
    const parts = listOf(JSON.parse(text.slice(0, end)));
    if (parts[0] !== layout || parts[1] !== own.run || parts[2] !== own.token) return stranger(parts, own.run);
    latest = { head: text.slice(0, end), node: textOf(parts[3]), epoch: countOf(parts[4]) };
    return end;
  }

  return (packet) => {
    try {
      let [text, at] = ["", 0];
      if (typeof packet === "string") text = packet;
      else {
        const length = new DataView(packet.buffer, packet.byteOffset, packet.byteLength).getUint32(0, true);
        if (length > packet.length - 4) throw new RangeError(`JSON of ${length} bytes in a packet of ${packet.length}`);
        text = decoder.decode(packet.subarray(4, 4 + length));
        at = aligned(4 + length);
      }
      const begins = check(text);
      if (typeof begins !== "number") return begins;
      const reading = { arrays: typeof packet === "string" ? noArrays : packet, at };
      const parts = listOf(JSON.parse(text.slice(begins)));
      const frames: Frame[] = [];
      for (let i = 0; i < parts.length; i++) frames.push(frameOf(listOf(parts[i]), latest, reading));
      return frames;
    } catch (cause) {
      const error = new ShoalError("Corrupt", "Cannot read packet: it is damaged", { cause });
      return { error, node: undefined, run: "" };
    }
  };
}

const noArrays = new Uint8Array(0);

function stranger([theirs, other, , from]: readonly unknown[], own: string): Stranger {
  const node = typeof from === "string" ? from : undefined;
  // Where another layout has it, nobody here can know.
  const run = theirs === layout && typeof other === "string" ? other : "";
  const who = node === undefined ? "it" : `node ${node}`;
  if (theirs !== layout) {
    const text = `Cannot read packet: its layout is ${String(theirs)}, this node speaks ${layout}`;
    const error = new ShoalError("Incompatible", `${text}; all nodes of a run need the same version of shoal`);
    return { error, node, run };
  }
  if (other !== own) {
    const text = `Cannot read packet: ${who} is of run ${String(other)}, this is ${own}; start both for the same run`;
    return { error: new ShoalError("Incompatible", text), node, run };
  }
  const text = `Cannot read packet: ${who} has not the token of run ${own}`;
  return { error: new ShoalError("Unauthorized", `${text}; ${tokenCure}`), node, run };
}

type Common = { readonly node: string; readonly epoch: number };

function frameOf(parts: readonly unknown[], common: Common, reading: Reading): Frame {
  const type = parts[0];
  const { node, epoch } = common;
  if (type === types.fenced) return { type: "fenced", node, epoch, stale: countOf(parts[1]) };
  const source = textOf(parts[1]);
  const destination = textOf(parts[2]);
  if (type === types.mail) {
    const openings = parts[6];
    const forget = parts[7];
    return {
      type: "mail",
      node,
      epoch,
      source,
      destination,
      incarnation: countOf(parts[3]),
      start: countOf(parts[4]),
      openings: openings === 0 ? [{ epoch, base: 0 }] : openingsOf(listOf(openings)),
      got: countOf(parts[5]),
      forget: forget === 0 ? nothing : listOf(forget).map(textOf),
      entries: entriesOf(source, parts, 8, reading),
    };
  }
  const streamEpoch = countOf(parts[3]);
  if (type === types.answer) {
    return { type: "answer", node, epoch, source, destination, streamEpoch, answers: answersOf(parts, 4, reading) };
  }
  if (type !== types.ack) throw new TypeError(`no frame: ${String(type)}`);
  const doubts = parts[12];
  return {
    type: "ack",
    node,
    epoch,
    source,
    destination,
    streamEpoch,
    cursorEpoch: countOf(parts[4]),
    incarnation: countOf(parts[5]),
    state: oneOf(states, parts[6]),
    through: countOf(parts[7]),
    accepted: countOf(parts[8]),
    creditMessages: countOf(parts[9]),
    creditBytes: countOf(parts[10]),
    got: countOf(parts[11]),
    doubts: doubts === 0 ? nothing : listOf(doubts).map(textOf),
  };
}

const nothing: readonly string[] = [];

function openingsOf(parts: readonly unknown[]): Opening[] {
  return Array.from({ length: parts.length >> 1 }, (_, index) => ({
    epoch: countOf(parts[index * 2]),
    base: countOf(parts[index * 2 + 1]),
  }));
}

/** Says of a node's packets, which speak of this run, why they are refused. */
export function refusalOf({ node, run }: Letterhead, { code, message }: ShoalError, other: string): Packet {
  return JSON.stringify(["refused", node, code, message, run, other]);
}

/** A node says that this one is none of its run's. */
export interface Refused {
  readonly error: ShoalError;
  readonly node: string;
  /** Of which run it is, and of which those are that it refuses; empty where that is not said. */
  readonly run: string;
  readonly other: string;
}

/** Nothing for any other packet. */
export function refusedBy(packet: Packet): Refused | undefined {
  if (typeof packet !== "string" || !packet.startsWith('["refused",')) return undefined;
  try {
    // Those of other versions may say less.
    const [, node, code, message, run = "", other = ""] = listOf(JSON.parse(packet)).map(textOf);
    const isKnown = code === "Unauthorized" || code === "Incompatible";
    if (node === undefined || message === undefined || !isKnown) return undefined;
    return { node, error: new ShoalError(code, message), run, other };
  } catch {
    return undefined;
  }
}
