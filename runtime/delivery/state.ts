// What the core remembers. Owned by its driver, changed only inside `advance`, and nothing outside reads it but tests.

import type {
  ActorName,
  Answer,
  Entry,
  Epoch,
  Incarnation,
  NodeName,
  Opening,
  Outcome,
  Refusal,
  Sequence,
  StepRecord,
  Timer,
  Token,
} from "./protocol.ts";
import type { Command, DeliveryLimits } from "./events.ts";

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
  /** The receiver's epoch that acknowledged it; 0 where that was another process of this node. */
  ackedUnder: Epoch;
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
  /** Up to here answers have left. Whoever lacks one says so, and gets all again. */
  told: Sequence;
}

/** A message that a running durable step has told. */
export interface Told {
  readonly out: Outbound;
  readonly body: unknown;
  readonly bytes: number;
  readonly pins: readonly string[];
  readonly token: Token;
  /** Pins what it references until the stream does. */
  readonly holder: string;
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
  /** Its end is on its way into the journal: nothing comes in any more, and nobody hears of it yet. */
  ending: boolean;
  /** It ended in this process only. */
  endedHere: boolean;
  /** Nobody knows what it had applied when it ended. */
  isForgotten: boolean;
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
  /** Volatile actors that have ended, oldest first, and destinations elsewhere that are known to have. */
  readonly endings: ActorName[];
  readonly gone: Set<ActorName>;
  /** Numbers the holders of states' pins, so that a new state's are not let go with the old one's. */
  pinsHolders: number;
}

type CommitOutcome = "held" | "fenced" | "unknown";

/** The decisions that delivery stands on, each a line. `rules.ts` has those that ship; the tests break them, one at a time. */
export interface Rules {
  /** What a successor does, in order. Reading before opening would miss what the predecessor still commits. */
  readonly takeover: readonly ("claim" | "open" | "read")[];
  nextEpoch(standing: Epoch): Epoch;
  isStale(epoch: Epoch, known: Epoch): boolean;
  /** The newest epoch of a peer that a successor knows of, where its predecessor has accepted this one. */
  remembers(accepted: Epoch, known: Epoch): Epoch;

  /** A sender numbers on from here, and these entries fill its outbox. */
  outboxHolds(messages: number, messagesMax: number, bytes: number, bytesMax: number): boolean;
  /** Up to where entries may leave. What a durable step tells waits for its commit. */
  mayLeave(out: Outbound): Sequence;
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
  /** The same where a store has lost it. */
  isToldOfLoss(out: Outbound): boolean;
  /** Whether a durable receiver stands before what it acknowledged, because its store has lost it. */
  hasLost(out: Outbound, through: Sequence, epoch: Epoch): boolean;
  isWithdrawable(item: Item, out: Outbound): boolean;
  /** Whether a receiver that had applied so much when it ended has never begun with this. */
  isUntouched(item: Item, through: Sequence): boolean;
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
  /** Whether it is still on its way once more: to a receiver that has forgotten the first, it would be a new call. */
  isUnderWay(out: Outbound, key: string): boolean;
}
