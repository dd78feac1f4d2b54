// How actors lose their memory, get it back, and end. A volatile actor's next life is another; a durable one goes on as
// it was committed; and an end is for good, for all successors of its node.

import type { Actor, Node } from "./state.ts";
import { touchIn } from "./origin.ts";
import { wake } from "./inbox.ts";
import { seal, unreserve } from "./steps.ts";

/** Forgets what an actor that lost its memory had in hand; a durable one gets it again from its senders. */
export function crash(node: Node, actor: Actor): void {
  loseMemory(node, actor);
  if (!actor.durable) {
    actor.incarnation = node.rules.nextLife(actor.incarnation);
    return;
  }
  for (const inbound of actor.inbounds.values()) {
    inbound.accepted = inbound.sealed;
    inbound.awaited = [];
    inbound.skips = [];
    touchIn(node, inbound);
  }
  actor.reloadDue = true;
  reload(node, actor);
}

function loseMemory(node: Node, actor: Actor): void {
  leaveMemory(node, actor);
  if (actor.durable) return;
  actor.inbounds.clear();
  actor.parkedStreams = 0;
}

/** What its handler had in hand is given up. */
function leaveMemory(node: Node, actor: Actor): void {
  for (const message of actor.step?.told ?? []) unreserve(node, message);
  for (const out of actor.step?.asked ?? []) out.reserved -= 1;
  actor.step = undefined;
  actor.mailMessages = 0;
  actor.mailBytes = 0;
  for (const out of actor.outbounds.values()) out.calls = [];
  for (const id of actor.fired) {
    const timer = actor.timers.get(id);
    if (timer !== undefined) node.commands.push({ type: "schedule", actor: actor.name, timer });
  }
  actor.fired.clear();
}

/** An end is for good. A durable actor's is committed before anybody hears of it; what it told is still delivered. */
export function endActor(node: Node, actor: Actor, isHere: boolean, isForgotten: boolean): void {
  actor.ending = true;
  actor.timers.clear();
  leaveMemory(node, actor);
  closeStreams(actor);
  if (actor.durable && !isHere) return sealEnd(node, actor);
  // What it has committed stays as it is: nothing more of it is written.
  actor.endedHere = isHere;
  actor.isForgotten = isForgotten;
  actor.ended = true;
  if (!actor.durable) node.endings.push(actor.name);
}

/** Nothing more comes in. How much had is still to be told: of what was let in, a handler may have begun. */
function closeStreams(actor: Actor): void {
  for (const inbound of actor.inbounds.values()) {
    inbound.awaited = [];
    inbound.skips = [];
    inbound.parked = false;
    // Those of a durable one leave with its last commit; others have left.
    if (!actor.durable) inbound.kept = [];
  }
  actor.parkedStreams = 0;
}

/** Of the volatile actors that have ended the last are known. What an older one has told and is on its way stays. */
export function forgetEnded(node: Node): void {
  for (let excess = node.endings.length - node.limits.endedActorsMax; excess > 0; excess--) {
    const name = node.endings.shift()!;
    const { outbounds } = node.actors.get(name)!;
    const isOver = ![...outbounds.values()].some((out) => node.active.has(out));
    if (isOver) node.actors.delete(name);
    else node.endings.push(name);
  }
}

/** What stays of an actor that has ended: that it has, and what it told before and nobody has acknowledged. */
export function sealEnd(node: Node, actor: Actor): void {
  actor.reloadDue = false;
  seal(node, actor, { cursors: [], passed: { answers: [], forgotten: [] }, pins: [] });
}

/** Its memory is read back once all that it did is committed. */
export function reload(node: Node, actor: Actor): void {
  if (!actor.reloadDue || actor.uncommitted.length > 0) return;
  actor.reloadDue = false;
  node.commands.push({ type: "reload", actor: actor.name });
  for (const inbound of actor.inbounds.values()) touchIn(node, inbound);
  wake(node, actor);
  // What was asked of the memory that is gone is asked of the new one.
  if (actor.snapshotDue) node.commands.push({ type: "snapshot", actor: actor.name });
}
