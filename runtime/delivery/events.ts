// How the core and its driver speak: what happened (events), what is to be done (commands), and within which limits.
// The driver has the clock, the links, the store and the actors; the core has none of these, and learns of them here.

import type {
  ActorName,
  Change,
  Entry,
  Epoch,
  Frame,
  Input,
  NodeName,
  Outcome,
  Refusal,
  Sequence,
  StepRecord,
  Timer,
  Token,
} from "./protocol.ts";

/** Everything has one. Ticks are the driver's; each stream waits 1, 2, 4, … of them between its resends. */
export interface DeliveryLimits {
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
  readonly outboxMessagesMax: number;
  readonly outboxBytesMax: number;
  readonly messageBytesMax: number;
  readonly frameMessagesMax: number;
  /** What a stream may send before its receiver has said how much room it has. */
  readonly firstMessagesMax: number;
  /** Calls of one step, or open calls of a volatile source to one receiver. */
  readonly callsMax: number;
  /**
   * What a receiver keeps of answers for one stream. More than `callsMax`, because a step that was given up may come
   * again only after others, and its answers are kept meanwhile.
   */
  readonly answersMax: number;
  readonly resendTicksMax: number;
  readonly suspendProbesMax: number;
  readonly commitRecordsMax: number;
  readonly replayMessagesMax: number;
  readonly replayBytesMax: number;
  /** Volatile actors that have ended, here or elsewhere, of which it is known how; of others it is asked again. */
  readonly endedActorsMax: number;
}

/** What happened, told by the driver. */
export type Event =
  /** Begins a takeover; `standing` is the highest epoch that is claimed for this node, 0 where none is. */
  | { readonly type: "started"; readonly standing: Epoch }
  | { readonly type: "claimed"; readonly held: boolean }
  | { readonly type: "opened"; readonly fenced: boolean }
  | { readonly type: "read"; readonly records: readonly StepRecord[]; readonly end: boolean }
  | { readonly type: "spawned"; readonly actor: ActorName; readonly durable: boolean }
  /** The actor is gone for good. A durable one's end is committed before anybody hears of it. */
  /** For good, with all that it has committed; or `here`: this process cannot have it, and a successor may. */
  | {
    readonly type: "ended";
    readonly actor: ActorName;
    readonly here?: boolean;
    /** It was here, or may have been, and nobody knows what it has applied. */
    readonly forgotten?: boolean;
  }
  /** The actor lost its memory (its thread died, or its supervisor restarts it) and starts again on this node. */
  | { readonly type: "crashed"; readonly actor: ActorName }
  /** A registry says which epoch of a node is the newest. */
  | { readonly type: "peer"; readonly node: NodeName; readonly epoch: Epoch }
  /** A link to a node is there (again): no need to wait for the next tick. */
  | { readonly type: "linked"; readonly node: NodeName }
  | { readonly type: "tick" }
  | { readonly type: "frame"; readonly frame: Frame }
  | { readonly type: "began"; readonly actor: ActorName; readonly input: Input; readonly chain: readonly ActorName[] }
  | ({ readonly type: "tell" } & Sending)
  /** The same of several, one behind the other: where they go is looked up once. */
  | {
    readonly type: "tells";
    readonly from: ActorName;
    readonly node: NodeName;
    readonly to: ActorName;
    readonly letters: readonly Letter[];
  }
  | ({ readonly type: "ask" } & Question & Sending)
  | {
    readonly type: "asks";
    readonly from: ActorName;
    readonly node: NodeName;
    readonly to: ActorName;
    readonly letters: readonly Question[];
  }
  /** Nobody waits any more, because of a deadline or a signal. */
  | { readonly type: "expired"; readonly actor: ActorName; readonly destination: ActorName; readonly token: Token }
  | {
    readonly type: "finished";
    readonly actor: ActorName;
    readonly input: Input;
    readonly threw: boolean;
    readonly body: unknown;
    /** Drops what the handler told: its effect was given up. */
    readonly discard: boolean;
    readonly change?: Change;
    readonly pins?: readonly string[];
    readonly timersSet?: readonly Timer[];
    readonly timersDone?: readonly string[];
    /** Timers that stand whatever became of the step: one that repeats, and whose handler threw. */
    readonly timersAgain?: readonly Timer[];
  }
  /** The same, in one word, of tells that follow each other: a volatile actor has handled those after `after`. */
  | {
    readonly type: "applied";
    readonly actor: ActorName;
    readonly source: ActorName;
    readonly epoch: Epoch;
    readonly after: Sequence;
    readonly through: Sequence;
    readonly bytes: number;
  }
  /** And calls that follow each other, which a volatile actor has answered with values. */
  | {
    readonly type: "replied";
    readonly actor: ActorName;
    readonly source: ActorName;
    readonly epoch: Epoch;
    readonly replies: readonly Reply[];
  }
  | { readonly type: "fired"; readonly actor: ActorName; readonly timer: string }
  /** The answer to a `snapshot` command, given between two steps. */
  | { readonly type: "snapshotted"; readonly actor: ActorName; readonly state: unknown }
  /** How an append to the journal ended; `unknown` is appended again, under the same number. */
  | { readonly type: "committed"; readonly number: number; readonly outcome: "held" | "fenced" | "unknown" };

/** A message to send; `token` is who waits. */
export interface Letter {
  readonly body: unknown;
  readonly bytes: number;
  readonly pins: readonly string[];
  readonly token: Token;
}

/** `digest` tells apart what a step asks in one run and in another. */
export interface Question extends Letter {
  readonly digest: string;
}

/** And where to: `node` is where the destination lives. */
export interface Sending extends Letter {
  readonly from: ActorName;
  readonly node: NodeName;
  readonly to: ActorName;
}

/** How a call ended; `bytes` is what it weighed. */
export interface Reply {
  readonly sequence: Sequence;
  readonly bytes: number;
  readonly body: unknown;
}

/** A message for a mailbox. Its stream stands still until the driver says `finished` for it. */
export interface Deliver {
  readonly type: "deliver";
  readonly actor: ActorName;
  readonly input: Input;
  readonly entry: Entry | undefined;
}

/**
 * Messages of one sender for the mailbox of a volatile actor, one behind the other: each as if by a `deliver` of its
 * own. Calls that have keys come alone.
 */
export interface DeliverAll {
  readonly type: "deliverAll";
  readonly actor: ActorName;
  readonly source: ActorName;
  readonly epoch: Epoch;
  readonly entries: Entry[];
}

/** What the driver is asked to do. None of it has an answer but those that events name. */
export type Command =
  | { readonly type: "claim"; readonly epoch: Epoch }
  /** Open this epoch in the journal and in every mail log that this node writes. */
  | { readonly type: "open"; readonly epoch: Epoch }
  | { readonly type: "read" }
  /** A durable actor as it was: fold `changes` in order; the first of them is its last snapshot, if it made one. */
  | {
    readonly type: "restore";
    readonly actor: ActorName;
    readonly changes: readonly Change[];
    readonly timers: readonly Timer[];
  }
  | { readonly type: "ready"; readonly epoch: Epoch }
  | { readonly type: "send"; readonly node: NodeName; readonly frame: Frame }
  | Deliver
  | DeliverAll
  /** Append to the journal, in this order and under this number of this epoch; atomic. */
  | { readonly type: "commit"; readonly number: number; readonly epoch: Epoch; readonly records: readonly StepRecord[] }
  /** Nothing before this number is needed any more. */
  | { readonly type: "trim"; readonly epoch: Epoch; readonly through: number }
  /** The actor's memory is what it has committed: read it back before its next input. */
  | { readonly type: "reload"; readonly actor: ActorName }
  /** Asked again of the memory that is read back, if the one that was asked is lost. */
  | { readonly type: "snapshot"; readonly actor: ActorName }
  | { readonly type: "schedule"; readonly actor: ActorName; readonly timer: Timer }
  /**
   * How a message ended for whoever waits. The core never has a step run again by itself: what an ask came to is for
   * its handler to know. Another run of the step may learn more of what is `unknown` here, but never of an ask that is
   * `Ended`: an end is for good, and every run is told the same, in bounded ticks.
   */
  | {
    readonly type: "settle";
    readonly token: Token;
    readonly outcome: Outcome;
    readonly threw: boolean;
    readonly code: Refusal | undefined;
    readonly body: unknown;
  }
  /** These calls are answered with values: `settle` for each of them. */
  | { readonly type: "answered"; readonly tokens: Token[]; readonly bodies: unknown[] }
  /** These tells have left: for whoever waits they are done. */
  | { readonly type: "left"; readonly tokens: readonly Token[] }
  /** Of these messages some may have been applied by a life that is gone, and some never; none will be from here on. */
  | {
    readonly type: "gap";
    readonly source: ActorName;
    readonly destination: ActorName;
    readonly acknowledged: Sequence;
    readonly through: Sequence;
    /** Whether there are tells among them: who asked has been told already. */
    readonly tells: boolean;
  }
  | {
    readonly type: "suspended";
    readonly source: ActorName;
    readonly destination: ActorName;
    readonly after: Sequence;
    readonly through: Sequence;
  }
  | { readonly type: "resumed"; readonly source: ActorName; readonly destination: ActorName }
  | { readonly type: "pin"; readonly pins: readonly string[]; readonly holder: string }
  | { readonly type: "unpin"; readonly pins: readonly string[]; readonly holder: string; readonly read: boolean }
  /** This process is no longer the node: end it. Nothing follows. */
  | { readonly type: "stop"; readonly code: "Fenced" };
