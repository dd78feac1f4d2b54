// The durable side: commits what steps have sealed, a group at a time, and builds a node again from what it committed.

import type { CursorRecord, SentRecord, StepRecord } from "./protocol.ts";
import type { Event } from "./events.ts";
import type { Actor, Item, Node, Outbound, Sealed } from "./state.ts";
import { actorOf, inboundOf, lifeUnknown, outboundOf, touchIn, touchOut } from "./origin.ts";
import { repin } from "./outbox.ts";
import { wake } from "./inbox.ts";
import { reload, sealEnd } from "./lives.ts";

/** Commits what has gathered, one append at a time: under load, commits become larger instead of more. */
export function commit(node: Node): void {
  if (node.committing === undefined) {
    if (node.sealed.length === 0) return;
    const steps = node.sealed.splice(0, node.limits.commitRecordsMax);
    node.commitNumber += 1;
    node.committing = { number: node.commitNumber, steps, again: true, isUnknown: false };
  }
  const { number, steps, again } = node.committing;
  if (!again) return;
  node.committing.again = false;
  node.commands.push({ type: "commit", number, epoch: node.epoch, records: steps.map(({ record }) => record) });
}

export function committed(node: Node, { number, outcome }: Extract<Event, { type: "committed" }>): void {
  const commit = node.committing;
  if (commit === undefined || commit.number !== number) return;
  const known = node.rules.outcomeOf(outcome);
  if (known === "fenced") return stop(node);
  // Appended again under its number, by the next tick, until the answer is one that says something.
  if (known === "unknown") {
    node.commitNumber = node.rules.repeatsAs(number);
    node.committing = { number: node.commitNumber, steps: commit.steps, again: false, isUnknown: true };
    return;
  }
  node.committing = undefined;
  for (const step of commit.steps) takeEffect(node, step, number);
}

/** All of it at once: cursors, answers, timers, and what the step has told may leave. */
function takeEffect(node: Node, step: Sealed, number: number): void {
  const { actor, record } = step;
  actor.uncommitted.shift();
  for (const { inbound, epoch, sequence } of step.cursors) {
    if (inbound.epoch !== epoch) continue;
    inbound.cursor = sequence;
    inbound.cursorEpoch = epoch;
    inbound.answerDue ||= inbound.kept.length > 0;
    touchIn(node, inbound);
  }
  for (const { out, sequence } of step.leaves) {
    out.leave = Math.max(out.leave, sequence);
    node.active.add(out);
    touchOut(node, out);
  }
  for (const timer of record.timersSet) node.commands.push({ type: "schedule", actor: actor.name, timer });
  if (step.unpin !== undefined && step.unpin.pins.length > 0) {
    node.commands.push({ type: "unpin", ...step.unpin, read: false });
  }
  if (record.ended === true) actor.ended = true;
  if (record.whole) {
    actor.wholeAt = number;
    trim(node, actor, number);
  }
  reload(node, actor);
  wake(node, actor);
}

/** What all actors have left behind by a whole record of this epoch goes; the last of them is asked for one. */
function trim(node: Node, newest: Actor, number: number): void {
  let oldest = newest;
  for (const actor of node.actors.values()) {
    if (actor.durable && actor.wholeAt < oldest.wholeAt) oldest = actor;
  }
  if (oldest.wholeAt > 1) node.commands.push({ type: "trim", epoch: node.epoch, through: oldest.wholeAt - 1 });
  if (number - oldest.wholeAt <= node.limits.replayMessagesMax || oldest.snapshotDue) return;
  // One that has ended has no memory to ask for: its end is written again.
  if (oldest.ending) return oldest.uncommitted.length === 0 && !oldest.endedHere ? sealEnd(node, oldest) : undefined;
  oldest.snapshotDue = true;
  node.commands.push({ type: "snapshot", actor: oldest.name });
}

export function stop(node: Node): void {
  node.phase = "stopped";
  node.commands = [{ type: "stop", code: "Fenced" }];
}

/** Goes one step on in the takeover; after the last the node runs, with what its predecessor committed. */
export function takeOver(node: Node): void {
  const step = node.rules.takeover[node.takeoverStep];
  node.takeoverStep += 1;
  if (step === "read") node.commands.push({ type: "read" });
  else if (step !== undefined) node.commands.push({ type: step, epoch: node.epoch });
  else run(node);
}

export function gather(node: Node, records: readonly StepRecord[]): void {
  for (const record of records) {
    const history = node.history.get(record.actor);
    if (history === undefined || record.whole) node.history.set(record.actor, [record]);
    else history.push(record);
  }
}

function run(node: Node): void {
  node.phase = "running";
  node.peers.set(node.name, node.epoch);
  for (const [name, records] of node.history) restore(node, actorOf(node, name, true), records);
  node.history.clear();
  node.commands.push({ type: "ready", epoch: node.epoch });
}

function restore(node: Node, actor: Actor, records: readonly StepRecord[]): void {
  const epochs = new Map<Outbound, number>();
  for (const record of records) {
    for (const cursor of record.cursors) restoreCursor(node, actor, cursor);
    for (const sent of record.sent) restoreSent(node, actor, sent, record, epochs);
    for (const id of record.timersDone) actor.timers.delete(id);
    for (const timer of record.timersSet) actor.timers.set(timer.id, timer);
    if (record.pins !== undefined) actor.pins = record.pins;
    if (record.ended === true) actor.ending = actor.ended = true;
    actor.replayMessages += record.whole ? 0 : 1;
    actor.replayBytes += record.whole ? 0 : record.input?.bytes ?? 0;
  }
  for (const out of actor.outbounds.values()) reopen(node, out);
  if (actor.ended) return;
  if (actor.pins.length > 0) {
    actor.pinsHolder = `state/${actor.name}/${node.epoch}.${node.pinsHolders += 1}`;
    node.commands.push({ type: "pin", pins: actor.pins, holder: actor.pinsHolder });
  }
  const changes = records.flatMap(({ change }) => change === undefined ? [] : [change]);
  node.commands.push({ type: "restore", actor: actor.name, changes, timers: [...actor.timers.values()] });
}

function restoreCursor(node: Node, actor: Actor, record: CursorRecord): void {
  const { source, epoch, sequence, kept, forgotten } = record;
  // What a node was accepted as by a predecessor, it still is: an older process of it does not come back.
  node.peers.set(record.node, node.rules.remembers(epoch, node.peers.get(record.node) ?? 0));
  const inbound = actor.inbounds.get(source) ?? inboundOf(actor, source, record.node, epoch, sequence);
  inbound.epoch = epoch;
  inbound.cursorEpoch = epoch;
  inbound.cursor = sequence;
  inbound.sealed = sequence;
  inbound.accepted = sequence;
  inbound.got = record.got;
  inbound.base = record.base;
  for (const answer of kept) {
    if (answer.key !== "") inbound.kept = inbound.kept.filter(({ key }) => key !== answer.key);
    inbound.kept.push(answer);
  }
  const isForgotten = (key: string): boolean => forgotten.some((step) => key.startsWith(step));
  inbound.kept = inbound.kept.filter((answer) =>
    !isForgotten(answer.key) && node.rules.keeps(answer, epoch, record.got)
  );
}

function restoreSent(node: Node, actor: Actor, sent: SentRecord, record: StepRecord, epochs: Map<Outbound, number>) {
  if (sent.ended === true) return void actor.outbounds.delete(sent.destination);
  const out = outboundOf(node, actor, sent.destination, sent.node);
  const known = epochs.get(out);
  if (record.whole) out.openings = sent.openings;
  else if (known === undefined) out.openings = [{ epoch: record.epoch, base: 0 }];
  else if (known < record.epoch) out.openings = [...out.openings, { epoch: record.epoch, base: out.last }];
  epochs.set(out, record.epoch);
  const items = out.items.filter(({ sequence }) => sequence > sent.acked);
  for (const entry of sent.entries) items.push({ ...entry, token: 0, offset: 0 });
  out.items = items;
  out.acked = sent.acked;
  out.last = sent.last;
  out.incarnation = sent.incarnation;
  out.start = sent.start;
}

/** A restored stream goes on under the new epoch: what it committed stands, what left beyond that never was. */
function reopen(node: Node, out: Outbound): void {
  let offset = 0;
  out.items = out.items.map((item): Item => ({ ...item, offset: offset += item.bytes }));
  out.lastOffset = offset;
  const { last, acked } = out;
  out.openings = node.rules.openingsAfter(out.openings, last, node.epoch);
  // Which life of the receiver got how much is not in the journal: one that does not know the stream is not the one.
  out.incarnation = Math.max(out.incarnation, lifeUnknown);
  out.accepted = acked;
  out.sent = acked;
  out.everSent = last;
  out.leave = last;
  out.recorded = last;
  out.limitSequence = acked + node.limits.firstMessagesMax;
  out.probe = true;
  if (node.rules.repins()) repin(node, out);
  node.active.add(out);
  touchOut(node, out);
}
