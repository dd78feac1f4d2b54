// The decisions that delivery stands on, each a line, in one object. The core asks these and nothing else where an
// answer could break a law. The tests build cores with one rule broken and demand that a law notices.

import type { Answer, Epoch, Incarnation, Opening, Outcome, Refusal, Sequence } from "./protocol.ts";
import type { Actor, Awaited, Inbound, Item, Node, Outbound } from "./state.ts";

type CommitOutcome = "held" | "fenced" | "unknown";

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
  isWaiting(out: Outbound, got: Sequence): boolean;
  isSilent(out: Outbound, probesMax: number): boolean;
  /** What a new life of a volatile receiver never gets to see. */
  gapThrough(out: Outbound): Sequence;
  isToldOfGap(out: Outbound): boolean;
  isWithdrawable(item: Item, out: Outbound): boolean;
  /** What becomes of an ask in a durable step that cannot be taken on. */
  refusedAsk(code: Refusal): Outcome;

  /** Whether a receiver may turn to a newer epoch of its sender. */
  mayAdopt(inbound: Inbound): boolean;
  /** Whether an acknowledgement or an answer speaks of what was sent under this epoch. */
  speaksOf(streamEpoch: Epoch, epoch: Epoch): boolean;
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
  /** Whether an answer may still be asked for. */
  keeps(answer: Answer, epoch: Epoch, got: Sequence): boolean;
  /** Whether streams that found no room are told that there is some. */
  wakes(actor: Actor, mailboxMessagesMax: number): boolean;

  /** The cursor that is committed with a step's effect: after its input, and not apart from it. */
  commitsCursor(inbound: Inbound): Sequence | undefined;
  /** Whether what a step told is part of it. */
  isTold(discard: boolean): boolean;
  /** What an answer of the journal says. */
  outcomeOf(outcome: CommitOutcome): CommitOutcome;
  /** Under which number an append with an unknown outcome is repeated. */
  repeatsAs(number: number): number;
  /** The epochs of a source that its receivers must know of. */
  openingsAfter(openings: readonly Opening[], last: Sequence, epoch: Epoch): readonly Opening[];
  repins(): boolean;
  /** Whether a timer that fires is one to handle. */
  fires(actor: Actor, timer: string): boolean;
  /** Whether the step that handled it counts. */
  counts(actor: Actor, timer: string): boolean;
  nextLife(incarnation: Incarnation): Incarnation;
  mustSnapshot(messages: number, messagesMax: number, bytes: number, bytesMax: number): boolean;
  /** What a step's calls are known by when it runs again. */
  stepKey(asker: string, identity: string): string;
  callKey(step: string, ordinal: number): string;
  /** Whether a committed step gives leave to forget what its asks were answered. */
  forgets(): boolean;
  /** Whether the step that made a call is committed, or its input will never come again. */
  isOver(asker: Actor, key: string): boolean;
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
  isWaiting: (out, got) => out.last > out.acked || out.calls.length > 0 || got > out.gotEcho,
  isSilent: (out, probesMax) => out.silent > probesMax,
  gapThrough: (out) => out.everSent,
  isToldOfGap: () => true,
  // An ask of a durable step may be the repeat of one that an earlier run has sent.
  isWithdrawable: (item, out) => item.sequence > out.everSent && item.key === "",
  refusedAsk: (code) => code === "TooLarge" ? "failed" : "unknown",

  mayAdopt: (inbound) => inbound.accepted === inbound.cursor,
  speaksOf: (streamEpoch, epoch) => streamEpoch === epoch,
  standsAt: (cursor, base) => Math.min(cursor, base),
  isMeant: (meant, actor) => actor.durable || meant === actor.incarnation,
  isNext: (sequence, accepted) => sequence === accepted + 1,
  admits: (node, { actor, kept, awaited }, bytes, isCall) =>
    !actor.snapshotDue && !actor.reloadDue &&
    actor.mailMessages < node.limits.mailboxMessagesMax && actor.mailBytes + bytes <= node.limits.mailboxBytesMax &&
    !(isCall && kept.length + awaited.length >= node.limits.answersMax),
  acknowledges: (inbound) => inbound.cursor,
  mayAnswer: (inbound) => inbound.cursor,
  isRepeat: (key, of) => of.key === key,
  keeps: (answer, epoch, got) => answer.key !== "" || (answer.epoch === epoch && answer.sequence > got),
  wakes: (actor, mailboxMessagesMax) => actor.parkedStreams > 0 && actor.mailMessages * 2 <= mailboxMessagesMax,

  commitsCursor: (inbound) => inbound.sealed,
  isTold: (discard) => !discard,
  outcomeOf: (outcome) => outcome,
  repeatsAs: (number) => number,
  // An epoch in which nothing was committed is covered by the next: what was the same after it is the same after that.
  openingsAfter: (openings, last, epoch) => [...openings.filter(({ base }) => base !== last), { epoch, base: last }],
  repins: () => true,
  fires: (actor, timer) => actor.timers.has(timer) && !actor.fired.has(timer),
  counts: (actor, timer) => actor.fired.delete(timer) && actor.timers.has(timer),
  nextLife: (incarnation) => incarnation + 1,
  mustSnapshot: (messages, messagesMax, bytes, bytesMax) => messages >= messagesMax || bytes >= bytesMax,
  stepKey: (asker, identity) => `${asker}(${identity})`,
  callKey: (step, ordinal) => `${step}${ordinal}`,
  forgets: () => true,
  isOver: (asker, key) => isOver(asker, key.slice(asker.name.length + 1, key.lastIndexOf(")"))),
};

/** Reads an identity as `identityOf` and `fired` write it; of an input that was itself a keyed call nothing is known. */
function isOver(asker: Actor, identity: string): boolean {
  const [, source, born, sequence] = /^([^()]*)~(\d+)\.(\d+)$/.exec(identity) ?? [];
  const inbound = source === undefined ? undefined : asker.inbounds.get(source);
  if (inbound === undefined || inbound.cursorEpoch < Number(born)) return false;
  const isLost = inbound.cursorEpoch > Number(born) && Number(sequence) > inbound.base;
  return isLost || inbound.cursor >= Number(sequence);
}

/** How much of what was sent under an older epoch is still the same: the base of the first opening after it. */
export function commonThrough(openings: readonly Opening[], epoch: Epoch): Sequence {
  for (const opening of openings) if (opening.epoch > epoch) return opening.base;
  return Number.MAX_SAFE_INTEGER;
}
