// What the parts of a node are before anything has happened to them.

import type { ActorName, Epoch, Incarnation, NodeName, Sequence } from "./protocol.ts";
import type { DeliveryLimits } from "./events.ts";
import type { Actor, Inbound, Node, Outbound, Rules } from "./state.ts";

/** Lives of an actor within one epoch of its node; more would run into the next epoch's. */
const livesMax = 2 ** 20;

/** Some life before any that is: what is meant for it may have reached a life that is gone. */
export const lifeUnknown: Incarnation = 1;

/** The first life that an actor has under an epoch; a restart on the same node is the next number. */
export const firstLife = (epoch: Epoch): Incarnation => epoch * livesMax;

export function newNode(name: NodeName, limits: DeliveryLimits, rules: Rules): Node {
  return {
    name,
    limits,
    rules,
    phase: "idle",
    takeoverStep: 0,
    epoch: 0,
    peers: new Map(),
    actors: new Map(),
    history: new Map(),
    commitNumber: 0,
    committing: undefined,
    sealed: [],
    dirtyOut: [],
    dirtyIn: [],
    idleSkips: [],
    active: new Set(),
    commands: [],
    endings: [],
    gone: new Set(),
    pinsHolders: 0,
  };
}

export function actorOf(node: Node, name: ActorName, durable: boolean): Actor {
  const known = node.actors.get(name);
  if (known !== undefined) return known;
  const actor: Actor = {
    name,
    durable,
    incarnation: durable ? 0 : firstLife(node.epoch),
    ending: false,
    endedHere: false,
    isForgotten: false,
    ended: false,
    mailMessages: 0,
    mailBytes: 0,
    inbounds: new Map(),
    outbounds: new Map(),
    parkedStreams: 0,
    touched: [],
    step: undefined,
    timers: new Map(),
    fired: new Set(),
    pins: [],
    pinsHolder: "",
    uncommitted: [],
    replayMessages: 0,
    replayBytes: 0,
    snapshotDue: false,
    reloadDue: false,
    wholeAt: 0,
  };
  node.actors.set(name, actor);
  return actor;
}

export function outboundOf(node: Node, source: Actor, destination: ActorName, at: NodeName): Outbound {
  const known = source.outbounds.get(destination);
  if (known !== undefined) return known;
  const out: Outbound = {
    source,
    destination,
    node: at,
    incarnation: 0,
    start: 0,
    openings: [{ epoch: node.epoch, base: 0 }],
    items: [],
    head: 0,
    acked: 0,
    ackedUnder: 0,
    ackedOffset: 0,
    accepted: 0,
    sent: 0,
    everSent: 0,
    leave: 0,
    last: 0,
    lastOffset: 0,
    recorded: 0,
    reserved: 0,
    reservedBytes: 0,
    limitSequence: node.limits.firstMessagesMax,
    limitOffset: node.limits.mailboxBytesMax,
    calls: [],
    gotEcho: 0,
    quiet: 0,
    wait: 1,
    silent: 0,
    suspended: false,
    ended: false,
    forget: [],
    probe: false,
    dirty: false,
  };
  source.outbounds.set(destination, out);
  return out;
}

export function inboundOf(actor: Actor, source: ActorName, at: NodeName, epoch: Epoch, after: Sequence): Inbound {
  const inbound: Inbound = {
    source,
    node: at,
    actor,
    epoch,
    cursorEpoch: epoch,
    base: 0,
    cursor: after,
    sealed: after,
    accepted: after,
    awaited: [],
    skips: [],
    kept: [],
    got: 0,
    parked: false,
    dirty: false,
    answerDue: false,
    told: 0,
  };
  actor.inbounds.set(source, inbound);
  return inbound;
}

export function touchOut(node: Node, out: Outbound): void {
  if (out.dirty) return;
  out.dirty = true;
  node.dirtyOut.push(out);
}

export function touchIn(node: Node, inbound: Inbound): void {
  if (inbound.dirty) return;
  inbound.dirty = true;
  node.dirtyIn.push(inbound);
}
