// What a handler does, made one step: what it tells, asks and answers, and where its input stood. A volatile actor's
// step takes effect at once. A durable actor's is sealed into one record, and what it tells leaves after the commit.

import type { Answer, CursorRecord, Input, SentRecord, Sequence, StepRecord, Timer } from "./protocol.ts";
import type { Event, Letter, Reply, Sending } from "./events.ts";
import type { Actor, Awaited, Inbound, Node, Outbound, Sealed, Step, Told } from "./state.ts";
import { outboundOf, touchIn, touchOut } from "./origin.ts";
import { append, refusal, refuse, settle, stir, take } from "./outbox.ts";
import { type Passed, passSkips, wake } from "./inbox.ts";

type EventOf<T extends Event["type"]> = Extract<Event, { type: T }>;

export function begin(actor: Actor, { input, chain }: EventOf<"began">): void {
  actor.step = { identity: input.identity, chain, ordinal: 0, asked: [], told: [] };
}

export function tell(
  node: Node,
  actor: Actor,
  { to, node: at }: Pick<Sending, "to" | "node">,
  letters: readonly Letter[],
): void {
  if (node.gone.has(to)) return refuse(node, letters);
  const out = outboundOf(node, actor, to, at);
  const { last } = out;
  for (const letter of letters) tellOne(node, actor, out, letter);
  if (out.last > last) stir(node, out);
}

function tellOne(node: Node, actor: Actor, out: Outbound, message: Letter): void {
  // What a step tells is kept with the step, and can wait for as long as a receiver shows no sign of life; so can what
  // nobody waits for.
  const code = refusal(node, out, message.bytes, actor.durable || message.token === 0);
  if (code !== undefined) return settle(node, message.token, "failed", code);
  if (!actor.durable) {
    take(node, out, "tell", message, "", "", noChain);
    return;
  }
  // It gets its number when the step ends: an ask of the same step must be able to leave before it.
  if (actor.step === undefined) return settle(node, message.token, "failed", "BadInput");
  out.reserved += 1;
  out.reservedBytes += message.bytes;
  const { body, bytes, pins } = message;
  const holder = `step/${actor.name}/${node.epoch}.${node.pinsHolders += 1}`;
  if (pins.length > 0) node.commands.push({ type: "pin", pins, holder });
  actor.step.told.push({ out, body, bytes, pins, token: 0, holder });
  settle(node, message.token, "done");
}

export function finish(node: Node, actor: Actor, event: EventOf<"finished">): void {
  const { input } = event;
  const inbound = actor.inbounds.get(input.source);
  const isTimer = input.timer !== "";
  // A late word of a handler that was given up changes nothing.
  const isCurrent = isTimer
    ? node.rules.counts(actor, input.timer)
    : inbound?.epoch === input.epoch && inbound.sealed + 1 === input.sequence;
  if (!isCurrent) return;
  const { step } = actor;
  actor.step = undefined;
  if (!isTimer) actor.mailMessages -= 1;
  actor.mailBytes -= input.bytes;
  // What a volatile actor's stream has passed nobody writes down.
  const passed: Passed | undefined = actor.durable ? { answers: [], forgotten: [] } : undefined;
  if (!isTimer) conclude(inbound!, input.sequence, event.threw, event.body, passed);
  if (passed !== undefined) {
    if (step !== undefined) endStep(node, actor, step, event.discard);
    seal(node, actor, {
      cursors: isTimer ? [] : [inbound!],
      passed,
      input,
      change: event.discard ? undefined : event.change,
      pins: event.discard ? undefined : event.pins,
      timersSet: [...(event.discard ? [] : event.timersSet ?? []), ...(event.timersAgain ?? [])],
      timersDone: [...(event.discard ? [] : event.timersDone ?? []), ...(isTimer ? [input.timer] : [])],
    });
  } else if (!isTimer) apply(node, inbound!);
  wake(node, actor);
}

/** Moves the stream past its entry and writes down the answer, if it was a call. */
function conclude(inbound: Inbound, at: Sequence, threw: boolean, body: unknown, passed: Passed | undefined): void {
  inbound.sealed = at;
  const call = inbound.awaited[0];
  if (call !== undefined && call.sequence === at) {
    inbound.awaited.shift();
    const answer = answerTo(call, inbound, threw ? "threw" : "value", body);
    inbound.kept.push(answer);
    inbound.answerDue = true;
    passed?.answers.push(answer);
  }
  passSkips(inbound, passed);
}

function answerTo(call: Awaited, { epoch }: Inbound, result: Answer["result"], body: unknown): Answer {
  const { sequence, key, digest } = call;
  return { epoch, sequence, key, digest, result, body };
}

/** Tells that a volatile actor has handled one after the other: each would have said the same. */
export function applied(node: Node, actor: Actor, { source, epoch, after, through, bytes }: EventOf<"applied">): void {
  const inbound = actor.inbounds.get(source);
  // A late word, as in `finish`.
  if (inbound?.epoch !== epoch || inbound.sealed !== after) return;
  actor.step = undefined;
  actor.mailMessages -= through - after;
  actor.mailBytes -= bytes;
  inbound.sealed = through;
  passSkips(inbound, undefined);
  apply(node, inbound);
  wake(node, actor);
}

/** Calls that a volatile actor has answered one after the other, with values. */
export function replied(node: Node, actor: Actor, { source, epoch, replies }: EventOf<"replied">): void {
  const inbound = actor.inbounds.get(source);
  actor.step = undefined;
  if (inbound?.epoch === epoch) replyAll(node, inbound, replies);
  wake(node, actor);
}

/** What is taken out of a long list one by one costs more than all the rest: they are taken out together. */
function replyAll(node: Node, inbound: Inbound, replies: readonly Reply[]): void {
  const { actor, awaited } = inbound;
  let count = 0;
  for (const { sequence, bytes, body } of replies) {
    const call = awaited[count];
    // A late word, as in `finish`.
    if (call?.sequence !== sequence || inbound.sealed + 1 !== sequence) continue;
    count += 1;
    actor.mailMessages -= 1;
    actor.mailBytes -= bytes;
    inbound.sealed = sequence;
    inbound.kept.push(answerTo(call, inbound, "value", body));
    passSkips(inbound, undefined);
  }
  if (count === 0) return;
  awaited.splice(0, count);
  inbound.answerDue = true;
  apply(node, inbound);
}

/** What happened to a volatile actor's memory has happened for good. */
function apply(node: Node, inbound: Inbound): void {
  inbound.cursor = inbound.sealed;
  inbound.cursorEpoch = inbound.epoch;
  touchIn(node, inbound);
}

/** Numbers what the step has told. Calls that it did not wait for are settled: nobody can hear their answers. */
function endStep(node: Node, actor: Actor, step: Step, discard: boolean): void {
  for (const message of step.told) {
    const { out } = message;
    if (node.rules.isTold(discard)) {
      append(node, out, "tell", message, "", "", []);
      actor.touched.push(out);
    }
    unreserve(node, message);
  }
  const key = node.rules.stepKey(actor.name, step.identity);
  for (const out of step.asked) {
    out.reserved -= 1;
    for (const { token } of out.calls.splice(0)) settle(node, token, "unknown", "Cancelled");
    if (!node.rules.forgets()) continue;
    append(node, out, "forget", nothing, key, "", []);
    actor.touched.push(out);
  }
}

export function unreserve(node: Node, { out, bytes, pins, holder }: Told): void {
  out.reserved -= 1;
  out.reservedBytes -= bytes;
  if (pins.length > 0) node.commands.push({ type: "unpin", pins, holder, read: false });
}

const noChain: readonly string[] = [];
const nothing = { body: undefined, bytes: 0, pins: [], token: 0 };

interface Parts {
  readonly cursors: readonly Inbound[];
  readonly passed: Passed;
  readonly input?: Input;
  readonly change?: StepRecord["change"];
  readonly pins?: readonly string[] | undefined;
  readonly timersSet?: readonly Timer[];
  readonly timersDone?: readonly string[];
}

/** Makes the record of a step, and puts it into the journal's queue. */
export function seal(node: Node, actor: Actor, parts: Parts): void {
  const { change, input, pins } = parts;
  actor.replayMessages += 1;
  actor.replayBytes += input?.bytes ?? 0;
  const { replayMessagesMax, replayBytesMax } = node.limits;
  const isDue = node.rules.mustSnapshot(actor.replayMessages, replayMessagesMax, actor.replayBytes, replayBytesMax);
  const isState = change !== undefined && "state" in change;
  const whole = actor.ending || (isState && (isDue || input === undefined));
  for (const id of parts.timersDone ?? []) actor.timers.delete(id);
  for (const timer of parts.timersSet ?? []) actor.timers.set(timer.id, timer);
  const inbounds = whole ? [...actor.inbounds.values()] : parts.cursors;
  const outs = whole ? [...actor.outbounds.values()] : actor.touched;
  const record: StepRecord = {
    actor: actor.name,
    epoch: node.epoch,
    whole,
    cursors: inbounds.flatMap((inbound) => cursorRecord(node, inbound, parts.passed, whole)),
    sent: outs.length === 0 ? [] : [...new Set(outs)].map((out) => sentRecord(out, whole)),
    change,
    timersSet: whole ? [...actor.timers.values()] : parts.timersSet ?? [],
    timersDone: parts.timersDone ?? [],
    pins: whole ? pins ?? actor.pins : pins,
    input,
    ...(actor.ending ? { ended: true } : {}),
  };
  const sealed: Sealed = {
    actor,
    record,
    bytes: input?.bytes ?? 0,
    cursors: inbounds.map((inbound) => ({ inbound, epoch: inbound.epoch, sequence: inbound.sealed })),
    leaves: outs.map((out) => ({ out, sequence: out.last })),
    unpin: repinState(node, actor, pins),
  };
  actor.touched = [];
  actor.uncommitted.push(sealed);
  node.sealed.push(sealed);
  if (whole) {
    actor.replayMessages = 0;
    actor.replayBytes = 0;
    actor.snapshotDue = false;
  } else if (isDue && !actor.snapshotDue) {
    actor.snapshotDue = true;
    node.commands.push({ type: "snapshot", actor: actor.name });
  }
}

function cursorRecord(node: Node, inbound: Inbound, passed: Passed, whole: boolean): CursorRecord[] {
  const { ending } = inbound.actor;
  const sequence = ending ? inbound.accepted : node.rules.commitsCursor(inbound);
  if (sequence === undefined) return [];
  const { source, node: at, epoch, got, base, kept } = inbound;
  const { answers, forgotten } = passed;
  // Nobody gets an answer from a journal any more whose actor has ended.
  const all = ending ? [] : [...kept];
  return [{ source, node: at, epoch, sequence, got, base, kept: whole ? all : answers, forgotten }];
}

function sentRecord(out: Outbound, whole: boolean): SentRecord {
  const { destination, node, incarnation, start, acked, last, openings } = out;
  const after = whole ? acked : Math.max(acked, out.recorded);
  out.recorded = last;
  const entries = out.items.slice(out.head + after - acked);
  const sent = { destination, node, incarnation, start, acked, last, entries, openings: whole ? openings : [] };
  return out.source.outbounds.get(destination) === out ? sent : { ...sent, ended: true };
}

/** The new state's references are pinned before its commit, the old one's until after it. */
function repinState(node: Node, actor: Actor, pins: readonly string[] | undefined): Sealed["unpin"] {
  if (pins === undefined || (pins.length === 0 && actor.pins.length === 0)) return undefined;
  const before = { pins: actor.pins, holder: actor.pinsHolder };
  actor.pins = pins;
  actor.pinsHolder = `state/${actor.name}/${node.epoch}.${node.pinsHolders += 1}`;
  if (pins.length > 0) node.commands.push({ type: "pin", pins, holder: actor.pinsHolder });
  return before;
}

/** Moves over repeats and withdrawn entries that came when no handler was running for their stream. */
export function passIdle(node: Node): void {
  if (node.idleSkips.length === 0) return;
  for (const inbound of node.idleSkips.splice(0)) {
    if (inbound.skips[0]?.sequence !== inbound.sealed + 1) continue;
    const passed: Passed = { answers: [], forgotten: [] };
    passSkips(inbound, passed);
    if (inbound.actor.durable) seal(node, inbound.actor, { cursors: [inbound], passed });
    else apply(node, inbound);
  }
}

/** Answers a receiver that keeps answers for steps of this actor: those that are over may be forgotten. */
export function resolve(node: Node, out: Outbound, doubts: readonly string[]): void {
  const over = doubts.filter((key) => node.rules.isOver(out.source, key) && !node.rules.isUnderWay(out, key));
  if (over.length === 0) return;
  out.forget = over;
  out.probe = true;
  touchOut(node, out);
}
