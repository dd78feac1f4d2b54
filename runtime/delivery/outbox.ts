// What a stream has numbered and keeps until it is acknowledged.

import type { Entry, Outcome, Refusal, Sequence, Token } from "./protocol.ts";
import type { Letter } from "./events.ts";
import type { Item, Node, Outbound } from "./state.ts";
import { touchOut } from "./origin.ts";

/** Forgotten entries are cut off in bulk, so that forgetting one costs nothing. */
const forgottenMax = 256;

export const holderOf = (out: Outbound, item: Entry): string =>
  `outbox/${out.source.name}>${out.destination}/${item.born}.${item.sequence}`;

export function settle(node: Node, token: Token, outcome: Outcome, code?: Refusal, body?: unknown): void {
  if (token !== 0) node.commands.push({ type: "settle", token, outcome, threw: false, code, body });
}

/** Nobody gets these any more, or nobody is left who sends them. */
export function refuse(node: Node, letters: readonly Letter[]): void {
  for (const { token } of letters) settle(node, token, "failed", "Ended");
}

/** Why a message cannot be taken on, if it cannot. */
export function refusal(node: Node, out: Outbound, bytes: number, canWait = false): Refusal | undefined {
  const { messageBytesMax, outboxMessagesMax, outboxBytesMax } = node.limits;
  if (bytes > messageBytesMax) return "TooLarge";
  if (out.ended) return "Ended";
  if (out.suspended && !canWait) return "Suspended";
  const messages = out.last - out.acked + out.reserved + 1;
  const held = out.lastOffset - out.ackedOffset + out.reservedBytes + bytes;
  return node.rules.outboxHolds(messages, outboxMessagesMax, held, outboxBytesMax) ? undefined : "CapacityExceeded";
}

/** Takes a message on: from here it is the stream's. A call waits for its answer from here on. */
export function append(
  node: Node,
  out: Outbound,
  kind: Entry["kind"],
  message: Letter,
  key: string,
  digest: string,
  chain: readonly string[],
): Item {
  const item = take(node, out, kind, message, key, digest, chain);
  stir(node, out);
  return item;
}

/** The same of one of several: the stream is to be stirred when all are in it. */
export function take(
  node: Node,
  out: Outbound,
  kind: Entry["kind"],
  message: Letter,
  key: string,
  digest: string,
  chain: readonly string[],
): Item {
  const { body, bytes, pins, token } = message;
  out.last += 1;
  out.lastOffset += bytes;
  const item: Item = {
    sequence: out.last,
    born: node.epoch,
    kind,
    body,
    bytes,
    pins,
    key,
    digest,
    chain,
    token,
    offset: out.lastOffset,
  };
  out.items.push(item);
  if (pins.length > 0) node.commands.push({ type: "pin", pins, holder: holderOf(out, item) });
  if (kind === "call") out.calls.push(item);
  if (!out.source.durable) out.leave = out.last;
  return item;
}

/** Something was added to a stream. */
export function stir(node: Node, out: Outbound): void {
  if (out.incarnation === 0 && !node.peers.has(out.node)) out.probe = true;
  node.active.add(out);
  touchOut(node, out);
}

/** A restored stream holds its entries' pins again. */
export function repin(node: Node, out: Outbound): void {
  for (const item of out.items) {
    if (item.pins.length > 0) node.commands.push({ type: "pin", pins: item.pins, holder: holderOf(out, item) });
  }
}

export function forget(node: Node, out: Outbound, through: Sequence): void {
  while (out.acked < through && out.head < out.items.length) {
    const item = out.items[out.head]!;
    if (item.pins.length > 0) {
      node.commands.push({ type: "unpin", pins: item.pins, holder: holderOf(out, item), read: true });
    }
    out.acked = item.sequence;
    out.ackedOffset = item.offset;
    out.head += 1;
  }
  if (out.head > forgottenMax && out.head * 2 > out.items.length) {
    out.items = out.items.slice(out.head);
    out.head = 0;
  }
}

export const itemAt = (out: Outbound, sequence: Sequence): Item | undefined =>
  out.items[out.head + sequence - out.acked - 1];
