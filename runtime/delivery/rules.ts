// The decisions that delivery stands on, each a line, in one object. The core asks these and nothing else where an
// answer could break a law. The tests build cores with one rule broken and demand that a law notices.

import type { Epoch, Opening, Sequence } from "./protocol.ts";
import type { Actor, Rules } from "./state.ts";

/** The rules that ship. */
export const rules: Rules = {
  takeover: ["claim", "open", "read"],
  nextEpoch: (standing) => standing + 1,
  isStale: (epoch, known) => epoch < known,
  remembers: (accepted, known) => Math.max(accepted, known),

  outboxHolds: (messages, messagesMax, bytes, bytesMax) => messages <= messagesMax && bytes <= bytesMax,
  mayLeave: (out) => out.leave,
  forgetThrough: (acknowledged) => acknowledged,
  resendAfter: (out) => out.accepted,
  isWaiting: (out, got) => out.last > out.acked || out.calls.length > 0 || got > out.gotEcho,
  isSilent: (out, probesMax) => out.silent > probesMax,
  gapThrough: (out) => out.everSent,
  isToldOfGap: () => true,
  isToldOfLoss: () => true,
  // Of the same process it is an old word that was overtaken. A successor has read all that was committed.
  hasLost: (out, through, epoch) => through < out.acked && epoch > out.ackedUnder,
  // An ask of a durable step may be the repeat of one that an earlier run has sent.
  isWithdrawable: (item, out) => item.sequence > out.everSent && item.key === "",
  isUntouched: (item, through) => item.sequence > through && item.key === "",
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
  counts: (actor, timer) => actor.fired.delete(timer),
  nextLife: (incarnation) => incarnation + 1,
  mustSnapshot: (messages, messagesMax, bytes, bytesMax) => messages >= messagesMax || bytes >= bytesMax,
  stepKey: (asker, identity) => `${asker}(${identity})`,
  callKey: (step, ordinal) => `${step}${ordinal}`,
  forgets: () => true,
  isOver: (asker, key) => asker.ended || isOver(asker, key.slice(asker.name.length + 1, key.lastIndexOf(")"))),
  isUnderWay: (out, key) => out.items.some((item, at) => at >= out.head && item.key === key),
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
  const later = openings.filter((opening) => opening.epoch > epoch);
  return Math.min(Number.MAX_SAFE_INTEGER, ...later.map(({ base }) => base));
}
