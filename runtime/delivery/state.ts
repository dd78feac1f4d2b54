// What the core remembers. Owned by its driver, changed only inside `advance`, and nothing outside reads it but tests.

import type {
  ActorName,
  Answer,
  Command,
  DeliveryLimits,
  Entry,
  Epoch,
  Incarnation,
  NodeName,
  Opening,
  Sequence,
  StepRecord,
  Timer,
  Token,
} from "./protocol.ts";
import type { Rules } from "./rules.ts";

/** An entry in an outbox: who waits for it to leave, and the stream's bytes up to its end (credit is absolute). */
export interface Item extends Entry {
  readonly token: Token;
  readonly offset: number;
}

/** A call that has no answer yet. */
export interface Pending {
  readonly sequence: Sequence;
  readonly token: Token;
}

/** The sending side of a stream: `acked ≤ accepted ≤ sent ≤ leave ≤ last`; items hold `acked + 1` to `last`. */
export interface Outbound {
  readonly source: Actor;
  readonly destination: ActorName;
  readonly node: NodeName;
  incarnation: Incarnation;
  start: Sequence;
  openings: readonly Opening[];
  /** `items[head]` is entry `acked + 1`; what stands before `head` is forgotten in bulk. */
  items: Item[];
  head: number;
  acked: Sequence;
  ackedOffset: number;
  accepted: Sequence;
  sent: Sequence;
  /** The highest that ever left: beyond it, a withdrawn message certainly never happened. */
  everSent: Sequence;
  /** Up to here entries may leave: beyond it they wait for their commit. */
  leave: Sequence;
  last: Sequence;
  lastOffset: number;
  /** Up to here the journal has been given them. */
  recorded: Sequence;
  /** What a running step has told, which gets its numbers when the step ends. */
  reserved: number;
  reservedBytes: number;
  limitSequence: Sequence;
  limitOffset: number;
  calls: Pending[];
  /** What the receiver knows of the answers that were got. */
  gotEcho: Sequence;
  /** Ticks since something last moved, ticks to wait before a resend, and probes without any sign of life. */
  quiet: number;
  wait: number;
  silent: number;
  suspended: boolean;
  ended: boolean;
  /** To be told with the next frame. */
  forget: string[];
  probe: boolean;
  dirty: boolean;
}

/** A call in a mailbox or in its handler. */
export interface Awaited {
  readonly sequence: Sequence;
  readonly key: string;
  readonly digest: string;
}

/** The receiving side of a stream: `cursor ≤ sealed ≤ accepted`. */
export interface Inbound {
  readonly source: ActorName;
  readonly node: NodeName;
  readonly actor: Actor;
  epoch: Epoch;
  /** The epoch under which `cursor` was committed. */
  cursorEpoch: Epoch;
  /** What its epoch has in common with the one before. */
  base: Sequence;
  /** Applied for good. */
  cursor: Sequence;
  /** Handled, and on its way into the journal. */
  sealed: Sequence;
  /** In the mailbox. */
  accepted: Sequence;
  awaited: Awaited[];
  /** Accepted entries that no handler runs on: withdrawn ones, repeats of calls, and leave to forget. */
  skips: Entry[];
  kept: Answer[];
  got: Sequence;
  parked: boolean;
  dirty: boolean;
  answerDue: boolean;
}

/** A message that a running durable step has told. */
export interface Told {
  readonly out: Outbound;
  readonly body: unknown;
  readonly bytes: number;
  readonly pins: readonly string[];
  readonly token: Token;
}

/** The handler that runs on a durable actor. */
export interface Step {
  readonly identity: string;
  readonly chain: readonly ActorName[];
  ordinal: number;
  /** Streams that its asks have left by. */
  readonly asked: Outbound[];
  readonly told: Told[];
}

export interface Actor {
  readonly name: ActorName;
  durable: boolean;
  incarnation: Incarnation;
  ended: boolean;
  mailMessages: number;
  mailBytes: number;
  readonly inbounds: Map<ActorName, Inbound>;
  readonly outbounds: Map<ActorName, Outbound>;
  parkedStreams: number;
  /** Streams that the running step has added to. */
  touched: Outbound[];
  step: Step | undefined;
  timers: Map<string, Timer>;
  /** Timers that are in the mailbox or in their handler. */
  fired: Set<string>;
  pins: readonly string[];
  pinsHolder: string;
  /** Steps in the journal's hands. */
  uncommitted: Sealed[];
  replayMessages: number;
  replayBytes: number;
  snapshotDue: boolean;
  reloadDue: boolean;
  /** The commit of its last whole record in this epoch; 0 where it has none. */
  wholeAt: number;
}

/** A finished step and what follows from its commit. */
export interface Sealed {
  readonly actor: Actor;
  readonly record: StepRecord;
  readonly bytes: number;
  readonly cursors: { readonly inbound: Inbound; readonly epoch: Epoch; readonly sequence: Sequence }[];
  /** What may leave once this is committed. */
  readonly leaves: { readonly out: Outbound; readonly sequence: Sequence }[];
  readonly unpin: { readonly pins: readonly string[]; readonly holder: string } | undefined;
}

export interface Commit {
  readonly number: number;
  readonly steps: readonly Sealed[];
  /** To be appended, for the first time or again. */
  again: boolean;
  isUnknown: boolean;
}

export interface Node {
  readonly name: NodeName;
  readonly limits: DeliveryLimits;
  readonly rules: Rules;
  phase: "idle" | "takeover" | "running" | "stopped";
  /** How many of the takeover's steps are done. */
  takeoverStep: number;
  epoch: Epoch;
  readonly peers: Map<NodeName, Epoch>;
  readonly actors: Map<ActorName, Actor>;
  /** What was read of each actor since its last snapshot, until the takeover ends. */
  readonly history: Map<ActorName, StepRecord[]>;
  commitNumber: number;
  committing: Commit | undefined;
  sealed: Sealed[];
  dirtyOut: Outbound[];
  dirtyIn: Inbound[];
  /** Streams with skips that no running handler will move over. */
  idleSkips: Inbound[];
  /** Streams that wait for something; all others are no work at a tick. */
  active: Set<Outbound>;
  commands: Command[];
  /** Numbers the holders of states' pins, so that a new state's are not let go with the old one's. */
  pinsHolders: number;
}

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
