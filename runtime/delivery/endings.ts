// How messages end that are not acknowledged: a gap, a receiver that is gone, silence, a sender that waits no more.

import type { AckFrame, Epoch, Refusal, Sequence, Token } from "./protocol.ts";
import type { Item, Node, Outbound } from "./state.ts";
import { touchOut } from "./origin.ts";
import { forget, holderOf, itemAt, settle } from "./outbox.ts";
import { seal } from "./steps.ts";

export function progress(out: Outbound): void {
  out.quiet = 0;
  out.wait = 1;
}

function settleCalls(node: Node, out: Outbound, through: Sequence, code: Refusal, applied = out.last): void {
  while (out.calls.length > 0 && out.calls[0]!.sequence <= through) {
    const { token, sequence } = out.calls.shift()!;
    const item = itemAt(out, sequence);
    const { isUntouched, isWithdrawable } = node.rules;
    const isFailed = item !== undefined && (isWithdrawable(item, out) || isUntouched(item, applied));
    settle(node, token, isFailed ? "failed" : "unknown", code);
  }
}

/** A life of a volatile receiver is gone with all that left for it. Its successor begins after that, and this is told. */
export function leaveGap(node: Node, out: Outbound): void {
  const through = node.rules.gapThrough(out);
  if (through > 0 && node.rules.isToldOfGap(out)) tellGap(node, out, out.acked, through);
  settleCalls(node, out, through, "Lost");
  forget(node, out, through);
  startAgain(node, out);
}

/** The store of a durable receiver has lost what it acknowledged. It goes on behind that, and its sender is told. */
export function leaveLoss(node: Node, out: Outbound, through: Sequence, epoch: Epoch): void {
  if (node.rules.isToldOfLoss(out)) tellGap(node, out, through, out.acked);
  settleCalls(node, out, out.acked, "Lost");
  out.ackedUnder = epoch;
  out.probe = true;
  startAgain(node, out);
  touchOut(node, out);
}

/** The receiver begins behind what is acknowledged, and has said nothing yet of the room that it has. */
function startAgain(node: Node, out: Outbound): void {
  out.start = out.acked;
  out.accepted = out.acked;
  out.sent = out.acked;
  out.limitSequence = out.acked + node.limits.firstMessagesMax;
  out.limitOffset = out.ackedOffset + node.limits.mailboxBytesMax;
  progress(out);
}

/** The receiver is gone for good. A volatile one is so everywhere: its stream is forgotten, and that it is gone kept. */
export function end(node: Node, out: Outbound, { cursorEpoch, incarnation, through }: AckFrame): void {
  out.ended = true;
  settleCalls(node, out, out.last, "Ended", cursorEpoch === 0 ? out.last : through);
  for (let sequence = Math.max(out.everSent, out.acked) + 1; sequence <= out.last; sequence++) {
    const { kind, token } = itemAt(out, sequence)!;
    if (kind === "tell") settle(node, token, "failed", "Ended");
  }
  bury(node, out);
  if (incarnation === 0) return;
  const { source, destination } = out;
  source.outbounds.delete(destination);
  node.gone.add(destination);
  for (const oldest of node.gone) {
    if (node.gone.size <= node.limits.endedActorsMax) break;
    node.gone.delete(oldest);
  }
  if (!source.durable || source.ending) return;
  source.touched.push(out);
  seal(node, source, { cursors: [], passed: { answers: [], forgotten: [] } });
}

/** Nothing will be applied any more of what is kept, nor of what a running step still adds. */
export function bury(node: Node, out: Outbound): void {
  node.active.delete(out);
  if (out.last > out.acked) tellGap(node, out, out.acked, out.last);
  forget(node, out, out.last);
}

function tellGap(node: Node, out: Outbound, acknowledged: Sequence, through: Sequence): void {
  const { source, destination, acked } = out;
  // Of what was acknowledged, and is lost with a store, nobody knows any more what it was.
  let tells = acknowledged < acked;
  for (let sequence = acked + 1; sequence <= through; sequence++) tells ||= itemAt(out, sequence)?.kind === "tell";
  node.commands.push({ type: "gap", source: source.name, destination, acknowledged, through, tells });
}

/**
 * Gives up waiting, not sending: what nobody waits for goes on when the receiver shows a sign of life. What somebody
 * waits for is withdrawn where it never left, and `failed`; of what left nobody can say.
 */
export function suspend(node: Node, out: Outbound): void {
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
