// The sending side of a stream: numbers what is sent, keeps it until it is acknowledged, and says it again.

import type { AckFrame, AnswerFrame, Entry, Outcome, Refusal, Sequence, Token } from "./protocol.ts";
import type { Sending } from "./events.ts";
import type { Item, Node, Outbound } from "./state.ts";
import { firstLife, touchOut } from "./origin.ts";

/** Forgotten entries are cut off in bulk, so that forgetting one costs nothing. */
const forgottenMax = 256;

const holderOf = (out: Outbound, item: Entry): string =>
  `outbox/${out.source.name}>${out.destination}/${item.born}.${item.sequence}`;

export function settle(node: Node, token: Token, outcome: Outcome, code?: Refusal, body?: unknown): void {
  if (token !== 0) node.commands.push({ type: "settle", token, outcome, threw: false, code, body });
}

/** Why a message cannot be taken on, if it cannot. */
export function refusal(node: Node, out: Outbound, bytes: number): Refusal | undefined {
  const { messageBytesMax, outboxMessagesMax, outboxBytesMax } = node.limits;
  if (bytes > messageBytesMax) return "TooLarge";
  if (out.ended) return "Ended";
  if (out.suspended) return "Suspended";
  const messages = out.last - out.acked + out.reserved + 1;
  const held = out.lastOffset - out.ackedOffset + out.reservedBytes + bytes;
  return node.rules.outboxHolds(messages, outboxMessagesMax, held, outboxBytesMax) ? undefined : "CapacityExceeded";
}

/** Takes a message on: from here it is the stream's. A call waits for its answer from here on. */
export function append(
  node: Node,
  out: Outbound,
  kind: Entry["kind"],
  message: Pick<Sending, "body" | "bytes" | "pins" | "token">,
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
  if (kind === "call") out.calls.push({ sequence: out.last, token });
  if (!out.source.durable) out.leave = out.last;
  if (out.incarnation === 0 && !node.peers.has(out.node)) out.probe = true;
  node.active.add(out);
  touchOut(node, out);
  return item;
}

/** A restored stream holds its entries' pins again. */
export function repin(node: Node, out: Outbound): void {
  for (const item of out.items) {
    if (item.pins.length > 0) node.commands.push({ type: "pin", pins: item.pins, holder: holderOf(out, item) });
  }
}

function forget(node: Node, out: Outbound, through: Sequence): void {
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

const itemAt = (out: Outbound, sequence: Sequence): Item | undefined => out.items[out.head + sequence - out.acked - 1];

const gotThrough = (out: Outbound): Sequence => out.calls.length === 0 ? out.last : out.calls[0]!.sequence - 1;

/** Sends what may leave and fits into the receiver's credit, or a probe where one is due. */
export function transmit(node: Node, out: Outbound): void {
  out.dirty = false;
  if (out.ended) return bury(node, out);
  if (out.incarnation === 0) out.incarnation = firstLife(node.peers.get(out.node) ?? 0);
  do {
    const entries = takeRun(node, out);
    if (entries.length === 0 && !out.probe) return;
    out.probe = false;
    node.commands.push({
      type: "send",
      node: out.node,
      frame: {
        type: "mail",
        node: node.name,
        epoch: node.epoch,
        source: out.source.name,
        destination: out.destination,
        incarnation: out.incarnation,
        start: out.start,
        openings: out.openings,
        got: gotThrough(out),
        forget: out.forget,
        entries,
      },
    });
    if (out.forget.length > 0) out.forget = [];
  } while (true);
}

function takeRun(node: Node, out: Outbound): Entry[] {
  const entries: Entry[] = [];
  if (out.incarnation === 0 || out.suspended) return entries;
  const end = Math.min(node.rules.mayLeave(out), out.limitSequence);
  while (out.sent < end && entries.length < node.limits.frameMessagesMax) {
    const item = itemAt(out, out.sent + 1);
    if (item === undefined || item.offset > out.limitOffset) break;
    entries.push(item);
    out.sent = item.sequence;
    if (item.sequence > out.everSent) {
      out.everSent = item.sequence;
      if (item.kind === "tell") settle(node, item.token, "done");
    }
  }
  return entries;
}

/** Learns how far the receiver is, which life it lives, and how much room it has. */
export function acknowledge(node: Node, out: Outbound, frame: AckFrame): void {
  signOfLife(node, out);
  if (!node.rules.speaksOf(frame.streamEpoch, node.epoch) || out.ended) return;
  if (frame.state === "ended") return end(node, out);
  if (frame.incarnation !== 0 && frame.incarnation !== out.incarnation) {
    if (frame.incarnation < out.incarnation) return;
    if (frame.state === "new" && out.incarnation !== 0) leaveGap(node, out);
    out.incarnation = frame.incarnation;
  }
  if (frame.state === "new") return touchOut(node, out);
  if (frame.through < out.acked) return;
  const before = out.acked + out.accepted;
  forget(node, out, node.rules.forgetThrough(frame.through));
  // It may have fallen back: a durable receiver that starts again has forgotten what was only in its mailbox.
  if (frame.accepted < out.accepted || frame.creditMessages === 0) out.sent = Math.min(out.sent, frame.accepted);
  out.accepted = Math.max(frame.accepted, out.acked);
  out.sent = Math.max(out.sent, out.accepted);
  out.everSent = Math.max(out.everSent, out.sent);
  out.limitSequence = out.accepted + frame.creditMessages;
  out.limitOffset = (itemAt(out, out.accepted)?.offset ?? out.ackedOffset) + frame.creditBytes;
  out.gotEcho = frame.got;
  if (out.openings.length > 1 && frame.cursorEpoch >= out.openings[0]!.epoch) {
    out.openings = out.openings.filter(({ epoch }) => epoch > frame.cursorEpoch || epoch === node.epoch);
  }
  if (out.acked + out.accepted > before) progress(out);
  touchOut(node, out);
}

function progress(out: Outbound): void {
  out.quiet = 0;
  out.wait = 1;
}

function signOfLife(node: Node, out: Outbound): void {
  out.silent = 0;
  if (!out.suspended) return;
  out.suspended = false;
  progress(out);
  node.active.add(out);
  touchOut(node, out);
  node.commands.push({ type: "resumed", source: out.source.name, destination: out.destination });
}

/** Gives the asker its answers; what nobody waits for any more is dropped. */
export function answered(node: Node, out: Outbound, frame: AnswerFrame): void {
  signOfLife(node, out);
  if (!node.rules.speaksOf(frame.streamEpoch, node.epoch)) return;
  for (const { sequence, result, body } of frame.answers) {
    const index = out.calls.findIndex((call) => call.sequence === sequence);
    if (index < 0) continue;
    const [call] = out.calls.splice(index, 1);
    progress(out);
    if (call!.token === 0) continue;
    const failed = result === "conflict";
    node.commands.push({
      type: "settle",
      token: call!.token,
      outcome: failed ? "failed" : "done",
      threw: result === "threw",
      code: failed ? "Conflict" : undefined,
      body,
    });
  }
}

function settleCalls(node: Node, out: Outbound, through: Sequence, code: Refusal): void {
  while (out.calls.length > 0 && out.calls[0]!.sequence <= through) {
    const { token, sequence } = out.calls.shift()!;
    const item = itemAt(out, sequence);
    const isFailed = item !== undefined && node.rules.isWithdrawable(item, out);
    settle(node, token, isFailed ? "failed" : "unknown", code);
  }
}

/** A life of a volatile receiver is gone with all that left for it. Its successor begins after that, and this is told. */
function leaveGap(node: Node, out: Outbound): void {
  const through = node.rules.gapThrough(out);
  if (through > 0 && node.rules.isToldOfGap(out)) tellGap(node, out, through);
  settleCalls(node, out, through, "Lost");
  forget(node, out, through);
  out.start = out.acked;
  out.accepted = out.acked;
  out.sent = out.acked;
  out.limitSequence = out.acked + node.limits.firstMessagesMax;
  out.limitOffset = out.ackedOffset + node.limits.mailboxBytesMax;
  progress(out);
}

function end(node: Node, out: Outbound): void {
  out.ended = true;
  settleCalls(node, out, out.last, "Ended");
  for (let sequence = Math.max(out.everSent, out.acked) + 1; sequence <= out.last; sequence++) {
    const { kind, token } = itemAt(out, sequence)!;
    if (kind === "tell") settle(node, token, "failed", "Ended");
  }
  bury(node, out);
}

/** Nothing will be applied any more of what is kept, nor of what a running step still adds. */
function bury(node: Node, out: Outbound): void {
  node.active.delete(out);
  if (out.last > out.acked) tellGap(node, out, out.last);
  forget(node, out, out.last);
}

function tellGap(node: Node, out: Outbound, through: Sequence): void {
  const { source, destination, acked: acknowledged } = out;
  node.commands.push({ type: "gap", source: source.name, destination, acknowledged, through });
}

/** One tick of a stream that waits: after 1, 2, 4, … quiet ones it says again what is not accepted, or asks. */
export function tickStream(node: Node, out: Outbound): void {
  if (out.ended || !node.rules.isWaiting(out, gotThrough(out))) {
    node.active.delete(out);
    return;
  }
  out.quiet += 1;
  if (out.quiet < out.wait) return;
  out.quiet = 0;
  out.wait = Math.min(out.wait * 2, node.limits.resendTicksMax);
  out.silent += 1;
  if (!out.suspended && node.rules.isSilent(out, node.limits.suspendProbesMax)) suspend(node, out);
  resend(node, out);
}

/** Starts again after what the receiver is known to have. */
export function resend(node: Node, out: Outbound): void {
  out.sent = Math.max(out.acked, Math.min(out.sent, node.rules.resendAfter(out)));
  out.probe = true;
  touchOut(node, out);
}

/**
 * Gives up waiting, not sending: what nobody waits for goes on when the receiver shows a sign of life. What somebody
 * waits for is withdrawn where it never left, and `failed`; of what left nobody can say.
 */
function suspend(node: Node, out: Outbound): void {
  out.suspended = true;
  const { source, destination, acked, last, everSent } = out;
  for (const { token, sequence } of out.calls.splice(0)) giveUp(node, out, sequence, token, "Suspended");
  for (let sequence = Math.max(everSent, acked) + 1; sequence <= last; sequence++) {
    const { kind, token } = itemAt(out, sequence)!;
    if (kind === "tell" && token !== 0) giveUp(node, out, sequence, token, "Suspended");
  }
  node.commands.push({ type: "suspended", source: source.name, destination, after: acked, through: last });
}

/** Withdraws a message whose sender waits no more, because of a deadline or a signal. */
export function expire(node: Node, out: Outbound, token: Token): void {
  const index = out.calls.findIndex((call) => call.token === token);
  const waiting = index >= 0 ? out.calls.splice(index, 1)[0] : unsentBy(out, token);
  if (waiting !== undefined) giveUp(node, out, waiting.sequence, token, "Timeout");
}

/** One that never left never will, and is `failed`; of another nobody can say. */
function giveUp(node: Node, out: Outbound, sequence: Sequence, token: Token, code: Refusal): void {
  const item = itemAt(out, sequence);
  if (item === undefined || !node.rules.isWithdrawable(item, out)) return settle(node, token, "unknown", code);
  if (item.pins.length > 0) {
    node.commands.push({ type: "unpin", pins: item.pins, holder: holderOf(out, item), read: false });
  }
  const empty: Item = { ...item, kind: "void", body: undefined, pins: [], key: "", token: 0 };
  out.items[out.head + sequence - out.acked - 1] = empty;
  settle(node, token, "failed", code);
}

function unsentBy(out: Outbound, token: Token): Item | undefined {
  for (let sequence = Math.max(out.everSent, out.acked) + 1; sequence <= out.last; sequence++) {
    const item = itemAt(out, sequence)!;
    if (item.token === token) return item;
  }
  return undefined;
}
