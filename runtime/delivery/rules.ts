// The decisions that delivery stands on, each a line, in one object. The core asks these and nothing else where an
// answer could break a law. The tests build cores with one rule broken and demand that a law notices.

import type { Epoch, Incarnation, Opening, Sequence } from "./protocol.ts";
import type { Actor, Awaited, Inbound, Node, Outbound, Sealed } from "./state.ts";

export interface Rules {
  /** What a successor does, in order. Reading before opening would miss what the predecessor still commits. */
  readonly takeover: readonly ("claim" | "open" | "read")[];
  nextEpoch(standing: Epoch): Epoch;
  isStale(epoch: Epoch, known: Epoch): boolean;

  /** A sender numbers on from here, and these entries fill its outbox. */
  outboxHolds(messages: number, messagesMax: number, bytes: number, bytesMax: number): boolean;
  /** Up to where entries may leave. What a durable step tells waits for its commit. */
  mayLeave(out: Outbound): Sequence;
  /** Up to where the receiver has room. */
  creditEnds(out: Outbound): Sequence;
  /** The last entry that need not be kept any more. */
  forgetThrough(acknowledged: Sequence): Sequence;
  /** The last entry that need not be said again. */
  resendAfter(out: Outbound): Sequence;
  /** Whether a stream has reason to ask how its receiver is. */
  isWaiting(out: Outbound, released: Sequence): boolean;
  isSilent(out: Outbound, probesMax: number): boolean;
  /** What a new life of a volatile receiver never gets to see. */
  gapThrough(out: Outbound): Sequence;
  isToldOfGap(out: Outbound): boolean;
  isWithdrawable(sequence: Sequence, out: Outbound): boolean;
  /** Up to where the asker has no use for kept answers. */
  releasedThrough(out: Outbound): Sequence;

  /** Whether a receiver may turn to a newer epoch of its sender. */
  mayAdopt(inbound: Inbound): boolean;
  /** Where it stands there. */
  standsAt(cursor: Sequence, base: Sequence): Sequence;
  isMeant(meant: Incarnation, actor: Actor): boolean;
  isNext(sequence: Sequence, accepted: Sequence): boolean;
  admits(node: Node, inbound: Inbound, bytes: number, isCall: boolean): boolean;
  /** What is acknowledged: applied for good. */
  acknowledges(inbound: Inbound): Sequence;
  /** Up to where answers may leave. */
  mayAnswer(inbound: Inbound): Sequence;
  isRepeat(key: string, of: Awaited): boolean;
  keeps(answerEpoch: Epoch, answerSequence: Sequence, inbound: Inbound, released: Sequence, common: Sequence): boolean;
  /** Whether streams that found no room are told that there is some. */
  wakes(actor: Actor, mailboxMessagesMax: number): boolean;

  /** What a step's record says of its cursors. */
  cursorsOf(step: Sealed["cursors"]): Sealed["cursors"];
  /** Whether what an ended step has told is part of its commit. */
  recordsSent(): boolean;
  mustSnapshot(messages: number, messagesMax: number, bytes: number, bytesMax: number): boolean;
  /** What an asked call is known by when its step runs again. */
  callKey(asker: string, identity: string, ordinal: number): string;
}

/** The rules that ship. */
export const rules: Rules = {
  takeover: ["claim", "open", "read"],
  nextEpoch: (standing) => standing + 1,
  isStale: (epoch, known) => epoch < known,

  outboxHolds: (messages, messagesMax, bytes, bytesMax) => messages <= messagesMax && bytes <= bytesMax,
  mayLeave: (out) => out.leave,
  creditEnds: (out) => out.limitSequence,
  forgetThrough: (acknowledged) => acknowledged,
  resendAfter: (out) => out.accepted,
  isWaiting: (out, released) => out.last > out.acked || out.calls.length > 0 || released > out.releasedEcho,
  isSilent: (out, probesMax) => out.silent > probesMax,
  gapThrough: (out) => out.everSent,
  isToldOfGap: () => true,
  isWithdrawable: (sequence, out) => sequence > out.everSent,
  releasedThrough: (out) => out.released,

  mayAdopt: (inbound) => inbound.accepted === inbound.cursor,
  standsAt: (cursor, base) => Math.min(cursor, base),
  isMeant: (meant, actor) => actor.durable || meant === actor.incarnation,
  isNext: (sequence, accepted) => sequence === accepted + 1,
  admits: (node, { actor, kept, awaited }, bytes, isCall) =>
    !actor.snapshotDue && !actor.reloadDue &&
    actor.mailMessages < node.limits.mailboxMessagesMax && actor.mailBytes + bytes <= node.limits.mailboxBytesMax &&
    !(isCall && kept.length + awaited.length >= node.limits.callsMax),
  acknowledges: (inbound) => inbound.cursor,
  mayAnswer: (inbound) => inbound.cursor,
  isRepeat: (key, of) => of.key === key,
  keeps: (answerEpoch, answerSequence, inbound, released, common) =>
    answerSequence > (answerEpoch === inbound.epoch ? released : common),
  wakes: (actor, mailboxMessagesMax) => actor.parkedStreams > 0 && actor.mailMessages * 2 <= mailboxMessagesMax,

  cursorsOf: (cursors) => cursors,
  recordsSent: () => true,
  mustSnapshot: (messages, messagesMax, bytes, bytesMax) => messages >= messagesMax || bytes >= bytesMax,
  callKey: (asker, identity, ordinal) => `${asker}(${identity})${ordinal}`,
};

/** How much of what was sent under an older epoch is still the same: the base of the first opening after it. */
export function commonThrough(openings: readonly Opening[], epoch: Epoch): Sequence {
  for (const opening of openings) if (opening.epoch > epoch) return opening.base;
  return Number.MAX_SAFE_INTEGER;
}
