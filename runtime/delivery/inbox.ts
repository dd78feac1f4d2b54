// The receiving side of a stream: lets the next entry in, parks a stream that finds no room, acknowledges what is
// applied for good, and keeps answers until their asker has committed.

import type { AckFrame, ActorName, Answer, AnswerFrame, Entry, Epoch, MailFrame, NodeName } from "./protocol.ts";
import type { Actor, Awaited, Inbound, Node } from "./state.ts";
import { inboundOf, touchIn } from "./origin.ts";
import { commonThrough } from "./rules.ts";

/** Names a message for good, however often and in whatever epoch it comes again. */
const identityOf = (source: string, entry: Entry): string =>
  entry.key === "" ? `${source}~${entry.born}.${entry.sequence}` : entry.key;

export function receive(node: Node, frame: MailFrame): void {
  const actor = node.actors.get(frame.destination);
  // What was never heard of may yet be spawned here. Silence leads its sender to `Suspended`.
  if (actor === undefined) return;
  if (actor.ended) return farewell(node, frame, actor);
  // Its end is not committed yet: should that fail, it lives, and nobody was told otherwise.
  if (actor.ending) return;
  let inbound = actor.inbounds.get(frame.source);
  if (inbound === undefined) {
    if (!node.rules.isMeant(frame.incarnation, actor)) return answerAtOnce(node, frame, actor, "new");
    inbound = inboundOf(actor, frame.source, frame.node, frame.epoch, actor.durable ? 0 : frame.start);
  }
  touchIn(node, inbound);
  if (frame.epoch > inbound.epoch && node.rules.mayAdopt(inbound)) adopt(node, inbound, frame);
  // What the mailbox still holds of an older epoch comes first: the newer one waits until it is applied.
  if (frame.epoch !== inbound.epoch || !node.rules.isMeant(frame.incarnation, actor)) return;
  if (actor.durable && frame.start > inbound.accepted && inbound.accepted === inbound.sealed) {
    skipTo(node, inbound, frame);
  }
  inbound.got = Math.max(inbound.got, frame.got);
  dropKept(node, inbound, frame.forget);
  if (inbound.parked) park(inbound, false);
  const before = inbound.accepted;
  for (const entry of frame.entries) {
    if (entry.sequence <= inbound.accepted) continue;
    if (!node.rules.isNext(entry.sequence, inbound.accepted)) break;
    if (!accept(node, inbound, entry)) {
      park(inbound, true);
      break;
    }
  }
  if (inbound.accepted === before) answerAgain(inbound);
}

/** Whoever sends to one that has ended gets the answers that are left, and is told what was never applied. */
function farewell(node: Node, frame: MailFrame, actor: Actor): void {
  const inbound = actor.inbounds.get(frame.source);
  const isMeant = node.rules.isMeant(frame.incarnation, actor);
  if (inbound === undefined) {
    const isKnown = isMeant && !actor.isForgotten;
    return answerAtOnce(node, frame, actor, "ended", isKnown ? frame.epoch : 0);
  }
  if (frame.epoch !== inbound.epoch || !isMeant) return answerAtOnce(node, frame, actor, "ended");
  inbound.got = Math.max(inbound.got, frame.got);
  dropKept(node, inbound, frame.forget);
  answerAgain(inbound);
  touchIn(node, inbound);
}

/** The asker may lack any of them. */
export function answerAgain(inbound: Inbound): void {
  inbound.answerDue = true;
  inbound.told = 0;
}

/** What was acknowledged is lost, with the store that had it. Its sender was told, and has it no more. */
function skipTo(node: Node, inbound: Inbound, { start, epoch }: MailFrame): void {
  inbound.accepted = start;
  inbound.sealed = start - 1;
  const nothing = { body: undefined, bytes: 0, pins: [], key: "", digest: "", chain: [] };
  inbound.skips.push({ sequence: start, born: epoch, kind: "void", ...nothing });
  node.idleSkips.push(inbound);
}

function adopt(node: Node, inbound: Inbound, frame: MailFrame): void {
  inbound.base = commonThrough(frame.openings, inbound.epoch);
  const at = node.rules.standsAt(inbound.cursor, inbound.base);
  inbound.epoch = frame.epoch;
  inbound.cursor = at;
  inbound.sealed = at;
  inbound.accepted = at;
  inbound.got = 0;
  inbound.told = 0;
}

function dropKept(node: Node, inbound: Inbound, forget: readonly string[]): void {
  const { kept, epoch, got } = inbound;
  // Those without a key stand in the order in which they are got.
  let over = 0;
  while (over < kept.length && !node.rules.keeps(kept[over]!, epoch, got)) over += 1;
  if (over > 0) kept.splice(0, over);
  if (forget.length > 0) inbound.kept = kept.filter(({ key }) => !forget.includes(key));
}

/**
 * An asker that crashed may never run its step again, and nobody else would ever say so. Of one that is volatile, no
 * call has a key.
 */
const doubtsOf = ({ kept, epoch, parked }: Inbound): readonly string[] =>
  kept.length === 0 || kept[0]!.key === ""
    ? []
    : kept.filter((answer) => answer.key !== "" && (parked || answer.epoch < epoch)).map(({ key }) => key);

function accept(node: Node, inbound: Inbound, entry: Entry): boolean {
  const { actor } = inbound;
  const { sequence, kind, key, bytes } = entry;
  const isRepeat = kind === "call" && key !== "" && isKnown(node, inbound, key);
  if (kind === "void" || kind === "forget" || isRepeat) {
    inbound.accepted = sequence;
    inbound.skips.push(entry);
    if (inbound.sealed + 1 === sequence) node.idleSkips.push(inbound);
    return true;
  }
  if (!node.rules.admits(node, inbound, bytes, kind === "call")) return false;
  inbound.accepted = sequence;
  if (kind === "call") inbound.awaited.push(entry);
  actor.mailMessages += 1;
  actor.mailBytes += bytes;
  const { source, epoch } = inbound;
  if (!actor.durable && key === "") deliverWithOthers(node, actor.name, source, epoch, entry);
  else {
    const identity = actor.durable ? identityOf(source, entry) : "";
    const input = { source, epoch, sequence, identity, bytes, timer: "" };
    node.commands.push({ type: "deliver", actor: actor.name, input, entry });
  }
  return true;
}

/** Most come with their neighbours: a word to the driver for each costs as much as handling it. */
function deliverWithOthers(node: Node, actor: ActorName, source: ActorName, epoch: Epoch, entry: Entry): void {
  const { commands } = node;
  const last = commands[commands.length - 1];
  const isBehind = last?.type === "deliverAll" && last.source === source && last.actor === actor &&
    last.epoch === epoch;
  if (isBehind) last.entries.push(entry);
  else commands.push({ type: "deliverAll", actor, source, epoch, entries: [entry] });
}

function isKnown(node: Node, { kept, awaited }: Inbound, key: string): boolean {
  const repeats = (call: Awaited): boolean => node.rules.isRepeat(key, call);
  return kept.some(repeats) || awaited.some(repeats);
}

/** What a stream has passed: the answers that are new or have a new number, and the steps that may be forgotten. */
export interface Passed {
  readonly answers: Answer[];
  readonly forgotten: string[];
}

/** Moves over what no handler runs on, answers repeats of calls, and forgets what its asker has committed. */
export function passSkips(inbound: Inbound, passed: Passed | undefined): void {
  while (inbound.skips.length > 0 && inbound.skips[0]!.sequence === inbound.sealed + 1) {
    const { sequence, kind, key, digest } = inbound.skips.shift()!;
    inbound.sealed = sequence;
    if (kind === "forget") {
      inbound.kept = inbound.kept.filter((answer) => !answer.key.startsWith(key));
      passed?.forgotten.push(key);
    }
    const index = kind === "call" ? inbound.kept.findIndex((answer) => answer.key === key) : -1;
    if (index < 0) continue;
    const answer = inbound.kept[index]!;
    const again: Answer = answer.digest === digest
      ? { ...answer, epoch: inbound.epoch, sequence }
      : { ...answer, epoch: inbound.epoch, sequence, digest, result: "conflict", body: undefined };
    inbound.kept.splice(index, 1);
    inbound.kept.push(again);
    passed?.answers.push(again);
    answerAgain(inbound);
  }
}

function park(inbound: Inbound, parked: boolean): void {
  inbound.parked = parked;
  inbound.actor.parkedStreams += parked ? 1 : -1;
}

/** There is room again: the senders of parked streams are told, and say again what found none. */
export function wake(node: Node, actor: Actor): void {
  if (!node.rules.wakes(actor, node.limits.mailboxMessagesMax)) return;
  for (const inbound of actor.inbounds.values()) {
    if (!inbound.parked) continue;
    park(inbound, false);
    touchIn(node, inbound);
  }
}

/** What waits for its commit takes room as well: who tells a durable actor does not run ahead of its store. */
function creditOf({ limits: { mailboxMessagesMax } }: Node, { actor, accepted, cursor }: Inbound): number {
  const held = actor.durable ? Math.max(actor.mailMessages, accepted - cursor) : actor.mailMessages;
  return Math.max(0, mailboxMessagesMax - held);
}

/** Says how far a stream is and how much room there is, and gives the answers that its asker lacks. */
export function report(node: Node, inbound: Inbound): void {
  inbound.dirty = false;
  const { actor, source, epoch: streamEpoch } = inbound;
  if (actor.inbounds.get(source) !== inbound) return;
  const { name, epoch } = node;
  const destination = actor.name;
  const isClosed = inbound.parked || actor.snapshotDue || actor.reloadDue || actor.ending;
  const ack: AckFrame = {
    type: "ack",
    node: name,
    epoch,
    source,
    destination,
    streamEpoch,
    cursorEpoch: inbound.cursorEpoch,
    incarnation: actor.durable ? 0 : actor.incarnation,
    state: actor.ended ? "ended" : "known",
    through: actor.ended ? inbound.accepted : node.rules.acknowledges(inbound),
    accepted: inbound.accepted,
    creditMessages: isClosed ? 0 : creditOf(node, inbound),
    creditBytes: isClosed ? 0 : Math.max(0, node.limits.mailboxBytesMax - actor.mailBytes),
    got: inbound.got,
    doubts: doubtsOf(inbound),
  };
  // Before the word that there will be no more of them.
  const answers = inbound.answerDue ? answersDue(node, inbound) : [];
  if (answers.length > 0) {
    send(node, inbound.node, { type: "answer", node: name, epoch, source, destination, streamEpoch, answers });
  }
  send(node, inbound.node, ack);
}

function answersDue(node: Node, inbound: Inbound): readonly Answer[] {
  inbound.answerDue = false;
  const { actor, kept, got, told } = inbound;
  const through = node.rules.mayAnswer(inbound);
  const after = Math.max(got, told);
  let first = actor.durable ? 0 : kept.length;
  // What a volatile actor has answered stands in order: those that have left are in front.
  while (first > 0 && kept[first - 1]!.sequence > after) first -= 1;
  const isDue = ({ epoch, sequence }: Answer): boolean =>
    epoch === inbound.epoch && sequence > after && sequence <= through;
  const answers = (first > 0 ? kept.slice(first) : kept).filter(isDue);
  inbound.told = Math.max(told, through);
  return answers;
}

function answerAtOnce(
  node: Node,
  frame: MailFrame,
  actor: Actor,
  state: AckFrame["state"],
  cursorEpoch: Epoch = 0,
): void {
  send(node, frame.node, {
    type: "ack",
    node: node.name,
    epoch: node.epoch,
    source: frame.source,
    destination: frame.destination,
    streamEpoch: frame.epoch,
    cursorEpoch,
    incarnation: actor.durable ? 0 : actor.incarnation,
    state,
    through: 0,
    accepted: 0,
    creditMessages: 0,
    creditBytes: 0,
    got: 0,
    doubts: [],
  });
}

function send(node: Node, to: NodeName, frame: AckFrame | AnswerFrame): void {
  node.commands.push({ type: "send", node: to, frame });
}
