// The delivery core of one node: events in, commands out. Pure to its driver, which owns the node and hands it back;
// what must be known of time, chance and the world comes in as an event.

import type { Frame, NodeName } from "./protocol.ts";
import type { Command, DeliveryLimits, Event } from "./events.ts";
import type { Node, Rules } from "./state.ts";
import { rules as shipped } from "./rules.ts";
import { ask } from "./asks.ts";
import { actorOf, newNode } from "./origin.ts";
import { expire } from "./endings.ts";
import { acknowledge, answered, resend, tickStream, transmit } from "./sender.ts";
import { receive, report } from "./inbox.ts";
import { refuse } from "./outbox.ts";
import { crash, endActor, forgetEnded } from "./lives.ts";
import { applied, begin, finish, passIdle, replied, resolve, seal, tell } from "./steps.ts";
import { commit, committed, gather, stop, takeOver } from "./journal.ts";

export type { Node } from "./state.ts";

/** Room enough for programs, small enough to be held by every node. */
export const defaultDeliveryLimits: DeliveryLimits = {
  mailboxMessagesMax: 1024,
  mailboxBytesMax: 64 * 2 ** 20,
  outboxMessagesMax: 4096,
  outboxBytesMax: 64 * 2 ** 20,
  messageBytesMax: 16 * 2 ** 20,
  frameMessagesMax: 256,
  firstMessagesMax: 64,
  callsMax: 256,
  answersMax: 2048,
  resendTicksMax: 16,
  suspendProbesMax: 8,
  commitRecordsMax: 256,
  replayMessagesMax: 1024,
  replayBytesMax: 16 * 2 ** 20,
  endedActorsMax: 1024,
};

/** A node that knows nothing yet; the event `started` begins it. */
export function deliveryNode(name: NodeName, limits: Partial<DeliveryLimits> = {}, rules: Rules = shipped): Node {
  return newNode(name, { ...defaultDeliveryLimits, ...limits }, rules);
}

/** Takes in what happened, in order, and answers what is to be done, in order. */
export function advance(node: Node, events: readonly Event[]): readonly Command[] {
  for (const event of events) if (node.phase !== "stopped") happen(node, event);
  if (node.phase === "running") flush(node);
  const { commands } = node;
  node.commands = [];
  return commands;
}

/** Frames are made once for all that has happened: a burst of messages is one frame, and its answer one ack. */
function flush(node: Node): void {
  passIdle(node);
  commit(node);
  if (node.dirtyIn.length > 0) { for (const inbound of node.dirtyIn.splice(0)) report(node, inbound); }
  if (node.dirtyOut.length > 0) { for (const out of node.dirtyOut.splice(0)) transmit(node, out); }
  forgetEnded(node);
}

function happen(node: Node, event: Event): void {
  switch (event.type) {
    case "started":
      node.phase = "takeover";
      node.epoch = node.rules.nextEpoch(event.standing);
      return takeOver(node);
    case "claimed":
      return event.held ? takeOver(node) : stop(node);
    case "opened":
      return event.fenced ? stop(node) : takeOver(node);
    case "read":
      gather(node, event.records);
      return event.end ? takeOver(node) : undefined;
    case "peer":
      node.peers.set(event.node, Math.max(event.epoch, node.peers.get(event.node) ?? 0));
      return event.node === node.name && event.epoch > node.epoch ? stop(node) : undefined;
    case "committed":
      return committed(node, event);
    case "tick":
      return tick(node);
    case "frame":
      return node.phase === "running" ? arrive(node, event.frame) : undefined;
    case "linked":
      for (const out of node.active) if (out.node === event.node && !out.ended) resend(node, out);
      return;
    case "spawned":
      actorOf(node, event.actor, event.durable);
      return;
    default:
      return happenTo(node, event);
  }
}

type ActorEvent = Extract<Event, { actor: string } | { from: string }>;

function happenTo(node: Node, event: Exclude<ActorEvent, { type: "spawned" }>): void {
  const actor = node.actors.get("from" in event ? event.from : event.actor);
  if (actor === undefined) return;
  // Of one that has ended only those are heard who still wait for what it sent before.
  if (actor.ending && event.type !== "expired") {
    if ("letters" in event) refuse(node, event.letters);
    else if ("from" in event) refuse(node, [event]);
    return;
  }
  switch (event.type) {
    case "ended":
      return endActor(node, actor, event.here === true, event.forgotten === true);
    case "crashed":
      return crash(node, actor);
    case "began":
      return begin(actor, event);
    case "tell":
      return tell(node, actor, event, [event]);
    case "tells":
      return tell(node, actor, event, event.letters);
    case "ask":
      return ask(node, actor, event, [event]);
    case "asks":
      return ask(node, actor, event, event.letters);
    case "finished":
      return finish(node, actor, event);
    case "applied":
      return applied(node, actor, event);
    case "replied":
      return replied(node, actor, event);
    case "snapshotted":
      return seal(node, actor, { cursors: [], passed: { answers: [], forgotten: [] }, change: { state: event.state } });
    case "expired": {
      const out = actor.outbounds.get(event.destination);
      return out === undefined ? undefined : expire(node, out, event.token);
    }
    case "fired": {
      const timer = actor.timers.get(event.timer);
      if (timer === undefined || !node.rules.fires(actor, event.timer)) return;
      const { id, at } = timer;
      const identity = `${actor.name}~timer.${id}.${at}`;
      actor.fired.add(id);
      const input = { source: actor.name, epoch: node.epoch, sequence: 0, identity, bytes: 0, timer: id };
      node.commands.push({ type: "deliver", actor: actor.name, input, entry: undefined });
    }
  }
}

/** What comes from a process that is no longer its node is refused, and that process is told. */
function arrive(node: Node, frame: Frame): void {
  const known = node.peers.get(frame.node) ?? 0;
  if (node.rules.isStale(frame.epoch, known)) {
    const told: Frame = { type: "fenced", node: node.name, epoch: node.epoch, stale: frame.epoch };
    if (frame.type !== "fenced") node.commands.push({ type: "send", node: frame.node, frame: told });
    return;
  }
  if (frame.epoch > known) node.peers.set(frame.node, frame.epoch);
  if (frame.node === node.name && frame.epoch > node.epoch) return stop(node);
  if (frame.type === "mail") return receive(node, frame);
  if (frame.type === "fenced") return frame.stale >= node.epoch ? stop(node) : undefined;
  const out = node.actors.get(frame.source)?.outbounds.get(frame.destination);
  if (out === undefined) return;
  if (frame.type === "answer") return answered(node, out, frame);
  acknowledge(node, out, frame);
  if (frame.doubts.length > 0) resolve(node, out, frame.doubts);
}

function tick(node: Node): void {
  if (node.committing?.isUnknown === true) {
    node.committing.isUnknown = false;
    node.committing.again = true;
  }
  for (const out of node.active) tickStream(node, out);
}
