// The delivery protocol in types: what crosses between nodes, what a driver tells the core, what the core asks of it,
// and what a durable step leaves in the journal. The core is `(node, events) → commands`, no more: it has no clock,
// no randomness and no I/O, so that a simulator can put it through every schedule.

// The design in short. Each (source actor, destination actor) is a stream of numbered entries, and each side keeps
// one number: the sender the last acknowledged, the receiver the last applied. The sender keeps what is not
// acknowledged and says it again; the receiver applies the next number only, and its number moves in the same commit
// as the effect. What weak backends do (lose, repeat, reorder, answer "unknown") is then harmless by arithmetic.
// The logical node is the unit of failover: its successor claims the next epoch, opens it in every stream of its
// predecessor, and only then reads the journal; whatever carries an older epoch is ignored from there on.

export type NodeName = string;
export type ActorName = string;

/** Counts the processes that have been a node, from 1. Of two processes with one name, the higher epoch is right. */
export type Epoch = number;

/** Counts the entries of a stream, from 1; 0 stands before the first. */
export type Sequence = number;

/**
 * Counts the lives of an actor across all epochs of its node. Whoever sends to a volatile actor names the life that
 * it means: a later one must not begin in the middle of a conversation that it does not remember.
 */
export type Incarnation = number;

/** The driver's name for whoever waits: a pending `ask`, or a `tell` that is awaited. 0 is nobody. */
export type Token = number;

export type Outcome = "done" | "failed" | "unknown";

/** Why a call or a tell was not done; codes as in `stores/error.ts`. */
export type Refusal =
  | "BadInput"
  | "CapacityExceeded"
  | "Cancelled"
  | "Conflict"
  | "Ended"
  | "Lost"
  | "ShuttingDown"
  | "Suspended"
  | "Timeout"
  | "TooLarge";

/**
 * One message in its stream. `born` is the epoch that numbered it: after a restart a number that was given to a call
 * of a step that never committed is given again, to something else, and the two must not be taken for each other.
 * A `void` entry holds the place of a message that was withdrawn before it left. A `forget` entry leaves with a commit:
 * its step will not run again, so that the answers which its asks were given need not be kept any more.
 */
export interface Entry {
  readonly sequence: Sequence;
  readonly born: Epoch;
  readonly kind: "tell" | "call" | "void" | "forget";
  readonly body: unknown;
  /** What it weighs in a mailbox: itself and what it references. */
  readonly bytes: number;
  /** The tensors that it references: not collected before it is acknowledged. */
  readonly pins: readonly string[];
  /**
   * `asker(input)ordinal` of a call from a durable step: a second run of the step gets the first run's answer.
   * `asker(input)` of a `forget`.
   */
  readonly key: string;
  /** Of method and message: a second run that asks something else under the same key is a `Conflict`. */
  readonly digest: string;
  /** Who waits for the answer, and who waits for them: an ask to any of these would never end. */
  readonly chain: readonly ActorName[];
}

/**
 * Where an epoch of the source began: entries up to `base` are the same before and after. A receiver that last
 * applied entry 7 under epoch 1 stands at `min(7, base)` in the next epoch, because 6 and 7 may be other messages now.
 */
export interface Opening {
  readonly epoch: Epoch;
  readonly base: Sequence;
}

/** A run of entries of one stream, consecutive; none at all makes it a probe, which asks for an `AckFrame`. */
export interface MailFrame {
  readonly type: "mail";
  readonly node: NodeName;
  readonly epoch: Epoch;
  readonly source: ActorName;
  readonly destination: ActorName;
  /** The life of the destination that is meant; 0 asks which it is and carries no entries. */
  readonly incarnation: Incarnation;
  /** What that life never gets to see: its sender was told of the gap up to here. */
  readonly start: Sequence;
  readonly openings: readonly Opening[];
  /** Every call up to here is settled at the asker: its answer need not be sent again, nor kept if it has no key. */
  readonly got: Sequence;
  /** Keys of calls whose steps will never run again, of those that the receiver was in doubt about. */
  readonly forget: readonly string[];
  readonly entries: readonly Entry[];
}

/** Cumulative, idempotent, and may be lost. `through` is what is applied for good; credit counts from `accepted`. */
export interface AckFrame {
  readonly type: "ack";
  readonly node: NodeName;
  readonly epoch: Epoch;
  readonly source: ActorName;
  readonly destination: ActorName;
  /** The epoch of the source that this speaks of. */
  readonly streamEpoch: Epoch;
  /** The epoch under which the cursor was committed: older openings need not be told any more. */
  readonly cursorEpoch: Epoch;
  /** The destination's life; 0 where it is durable and its lives do not matter to senders. */
  readonly incarnation: Incarnation;
  /**
   * `known`: this life stands in the stream. `new`: it has never seen it. `ended`: there will be no life any more; where
   * `cursorEpoch` is not 0, what comes after `through` was never applied.
   */
  readonly state: "known" | "new" | "ended";
  readonly through: Sequence;
  readonly accepted: Sequence;
  readonly creditMessages: number;
  readonly creditBytes: number;
  /** What the sender has said of the answers that it got. */
  readonly got: Sequence;
  /** Calls of steps that may have been given up with their asker: whether they run again, only the asker can tell. */
  readonly doubts: readonly string[];
}

/** Answers travel apart from mail, in room that the asker reserved: a full mailbox never holds up an answer. */
export interface AnswerFrame {
  readonly type: "answer";
  readonly node: NodeName;
  readonly epoch: Epoch;
  readonly source: ActorName;
  readonly destination: ActorName;
  readonly streamEpoch: Epoch;
  readonly answers: readonly Answer[];
}

/** What a call came to: a value, or what the handler threw. Named by the call's own number in the asker's stream. */
export interface Answer {
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly key: string;
  readonly digest: string;
  readonly result: "value" | "threw" | "conflict";
  readonly body: unknown;
}

/** Tells a zombie that it is one. */
export interface FencedFrame {
  readonly type: "fenced";
  readonly node: NodeName;
  readonly epoch: Epoch;
  /** The epoch that came too late. */
  readonly stale: Epoch;
}

export type Frame = MailFrame | AckFrame | AnswerFrame | FencedFrame;

/** Which message a handler runs on. `identity` is the same for every delivery of the same message, in any epoch. */
export interface Input {
  readonly source: ActorName;
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly identity: string;
  readonly bytes: number;
  /** The timer that fired, where the input is no message; `source` is the actor itself then. */
  readonly timer: string;
}

/** What a durable step does to its actor: the state after it, or what is needed to fold the input again. */
export type Change = { readonly state: unknown } | { readonly input: unknown };

export interface Timer {
  readonly id: string;
  readonly at: number;
}

/** Where a durable receiver stands in a stream, and what it keeps for that stream's asker. */
export interface CursorRecord {
  readonly source: ActorName;
  readonly node: NodeName;
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly got: Sequence;
  /** What was common with the epoch before: beyond it, nothing of that epoch comes again. */
  readonly base: Sequence;
  /** New or renumbered answers, by key; all that are kept where the record is whole. */
  readonly kept: readonly Answer[];
  /** Steps whose answers are kept no more. */
  readonly forgotten: readonly string[];
}

/** What a durable source has added to a stream since its last record, and how the stream stands. */
export interface SentRecord {
  readonly destination: ActorName;
  readonly node: NodeName;
  readonly incarnation: Incarnation;
  readonly start: Sequence;
  readonly acked: Sequence;
  readonly last: Sequence;
  readonly entries: readonly Entry[];
  /** Only where the record is whole; otherwise they follow from the epochs of the records. */
  readonly openings: readonly Opening[];
  /** The destination is gone for good, and the stream with it. */
  readonly ended?: true;
}

/**
 * One durable step. All of it happens or none: this is what makes a handler that ran twice count once. A `whole`
 * record stands for all earlier ones of its actor, so that a journal can be trimmed.
 */
export interface StepRecord {
  readonly actor: ActorName;
  readonly epoch: Epoch;
  readonly whole: boolean;
  readonly cursors: readonly CursorRecord[];
  readonly sent: readonly SentRecord[];
  readonly change: Change | undefined;
  readonly timersSet: readonly Timer[];
  readonly timersDone: readonly string[];
  /** What the state references from here on; `undefined` leaves it as it was. */
  readonly pins: readonly string[] | undefined;
  /** Who handled what, for replay and for the laws. */
  readonly input: Input | undefined;
  /** The actor is gone for good: only what it has told is still to be delivered. */
  readonly ended?: true;
}
