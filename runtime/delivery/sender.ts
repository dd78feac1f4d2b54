// The sending side of a stream: says what may be said, hears how far its receiver is, and says again what was lost.

import type { AckFrame, AnswerFrame, Entry, Sequence, Token } from "./protocol.ts";
import type { Command } from "./events.ts";
import type { Node, Outbound, Pending } from "./state.ts";
import { firstLife, touchOut } from "./origin.ts";
import { forget, itemAt } from "./outbox.ts";
import { bury, end, leaveGap, leaveLoss, progress, suspend } from "./endings.ts";

const gotThrough = (out: Outbound): Sequence => out.calls.length === 0 ? out.last : out.calls[0]!.sequence - 1;

/** Sends what may leave and fits into the receiver's credit, or a probe where one is due. */
export function transmit(node: Node, out: Outbound): void {
  out.dirty = false;
  if (out.ended) return bury(node, out);
  if (out.incarnation === 0) out.incarnation = firstLife(node.peers.get(out.node) ?? 0);
  // What has not left yet is not sent to a process that is known to be gone: its successor would never get it.
  const isGone = out.incarnation < firstLife(node.peers.get(out.node) ?? 0);
  if (isGone && out.sent < out.last) out.probe = true;
  for (
    let entries = takeRun(node, out, isGone);
    entries.length > 0 || out.probe;
    entries = takeRun(node, out, isGone)
  ) {
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
  }
}

function takeRun(node: Node, out: Outbound, isGone: boolean): Entry[] {
  const entries: Entry[] = [];
  if (out.incarnation === 0 || out.suspended || isGone) return entries;
  const tokens: Token[] = [];
  const end = Math.min(node.rules.mayLeave(out), out.limitSequence);
  while (out.sent < end && entries.length < node.limits.frameMessagesMax) {
    const item = itemAt(out, out.sent + 1);
    if (item === undefined || item.offset > out.limitOffset) break;
    entries.push(item);
    out.sent = item.sequence;
    if (item.sequence > out.everSent) {
      out.everSent = item.sequence;
      if (item.kind === "tell" && item.token !== 0) tokens.push(item.token);
    }
  }
  if (tokens.length > 0) node.commands.push({ type: "left", tokens });
  return entries;
}

/** Learns how far the receiver is, which life it lives, and how much room it has. */
export function acknowledge(node: Node, out: Outbound, frame: AckFrame): void {
  signOfLife(node, out);
  if (!node.rules.speaksOf(frame.streamEpoch, node.epoch) || out.ended) return;
  if (frame.state === "ended") return end(node, out, frame);
  if (frame.incarnation !== 0 && frame.incarnation !== out.incarnation) {
    if (frame.incarnation < out.incarnation) return;
    if (frame.state === "new" && out.incarnation !== 0) leaveGap(node, out);
    out.incarnation = frame.incarnation;
  }
  // The lives of a durable receiver are one; which process it is in says the frame.
  if (frame.incarnation === 0) out.incarnation = Math.max(out.incarnation, firstLife(frame.epoch));
  if (frame.state === "new") return touchOut(node, out);
  if (frame.incarnation === 0 && node.rules.hasLost(out, frame.through, frame.epoch)) {
    return leaveLoss(node, out, frame.through, frame.epoch);
  }
  if (frame.through < out.acked) return;
  out.ackedUnder = frame.epoch;
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

function signOfLife(node: Node, out: Outbound): void {
  out.silent = 0;
  if (!out.suspended) return;
  out.suspended = false;
  progress(out);
  node.active.add(out);
  touchOut(node, out);
  node.commands.push({ type: "resumed", source: out.source.name, destination: out.destination });
}

type Answered = Extract<Command, { type: "answered" }>;

/** Gives the asker its answers; what nobody waits for any more is dropped. */
export function answered(node: Node, out: Outbound, frame: AnswerFrame): void {
  signOfLife(node, out);
  if (!node.rules.speaksOf(frame.streamEpoch, node.epoch)) return;
  const { calls } = out;
  // Most are answered in the order in which they were asked: those are taken out together.
  let first = 0;
  let values: Answered | undefined;
  for (const { sequence, result, body } of frame.answers) {
    const next = calls[first];
    const call = next?.sequence === sequence ? next : takeCall(calls, first, sequence);
    if (call === undefined) continue;
    if (call === next) first += 1;
    progress(out);
    if (call.token === 0) continue;
    if (result === "value") {
      if (values === undefined) node.commands.push(values = { type: "answered", tokens: [], bodies: [] });
      values.tokens.push(call.token);
      values.bodies.push(body);
      continue;
    }
    values = undefined;
    const failed = result === "conflict";
    node.commands.push({
      type: "settle",
      token: call.token,
      outcome: failed ? "failed" : "done",
      threw: !failed,
      code: failed ? "Conflict" : undefined,
      body,
    });
  }
  if (first > 0) calls.splice(0, first);
}

/** Takes the call of this number out, of those from `from` on. */
function takeCall(calls: Pending[], from: number, sequence: Sequence): Pending | undefined {
  let low = from;
  for (let high = calls.length; low < high;) {
    const middle = (low + high) >> 1;
    if (calls[middle]!.sequence < sequence) low = middle + 1;
    else high = middle;
  }
  return calls[low]?.sequence === sequence ? calls.splice(low, 1)[0] : undefined;
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
