// What the parts of the simulated world know of each other. Types only.

import type { Command, Event } from "../../runtime/delivery/events.ts";
import type { ActorName } from "../../runtime/delivery/protocol.ts";
import type { Laws } from "./laws.ts";
import type { Message } from "./laws/message.ts";
import type { Live, Process, Running } from "./process.ts";
import type { Flight } from "./shown.ts";
import type { Page, Store } from "./store.ts";

/** What actors do with messages. */
export interface Handlers {
  runActor(process: Process, live: Live, b: number): void;
}

/** The programs. */
export interface Bank {
  send(process: Process, a: number, b: number): void;
  /** From here on nothing is sent but so many payments, from account to account, in order; what finds no room waits. */
  order(count: number): void;
  hasOrders(): boolean;
  settle(process: Process, command: Extract<Command, { type: "settle" }>): void;
  /** One step of an actor: a snapshot that it owes, the beginning of a handler, or what follows. */
  readonly runActor: Handlers["runActor"];
  /** `before` reaches the core in the same breath. */
  crashActor(process: Process, live: Live, before?: Event): void;
  endActor(process: Process, live: Live): void;
  /** Sends what no program should, or what nobody waits for. */
  sendOdd(process: Process, a: number, b: number): void;
  /** How the last handler of a process ended, which a confused driver says again. */
  readonly late: Map<number, Event>;
}

export interface Posting {
  readonly from: ActorName;
  readonly to: ActorName;
  readonly message: Message;
  readonly isAsk: boolean;
  readonly ref?: string;
  /** The actor whose handler waits. */
  readonly live?: Live | undefined;
  /** Nobody waits. */
  readonly isSilent?: boolean;
}

/** Sends for a volatile source, or tells or asks for a running handler. Answers the token, 0 where it was refused. */
export type Post = (process: Process, posting: Posting) => number;

/** What drivers decide; the tests break these, too. */
export interface DriverRules {
  /** Whether an actor may begin its next message. */
  isFree(running: Running | undefined): boolean;
  /** Whether a generator that has yielded once is at its end. */
  endsEarly(): boolean;
  /** A number that a handler draws by chance. */
  draw(live: Live, process: Process): number;
  /** Whether a reader has seen all of its journal. */
  isEnd(page: Page): boolean;
  /** What the claim and the journal of a node are called. */
  nameOf(run: string, index: number): string;
  isOurs(run: string, origin: string): boolean;
  /** What a process reads its lease by. */
  clock(process: Process, now: number): number;
  /** Whether a process that was fenced ends. */
  heedsStop(): boolean;
  /** Whether a sweep may take what nobody pins. */
  mayCollect(run: string, tensor: string): boolean;
}

/** What a driver does for its core. */
export interface Driver {
  /** Does what its core says. */
  obey(process: Process, command: Command): void;
  /** Serves what a process asked of the store first; `b` of 7 modulo 8 leaves it without an answer. */
  serve(process: Process, b: number): void;
  /** Whether its node is its own, by its lease; it ends itself where it is not. */
  isHolder(process: Process): boolean;
  renew(process: Process): boolean;
  /** A request of a process that died may still reach the store. */
  leaveBehind(process: Process): void;
}

/** All of the world. */
export interface Scene {
  /** One world has one run; two may share a store and their links. */
  readonly run: string;
  readonly nodes: number;
  /** A node that never comes back once faults stop. */
  readonly gone: number | undefined;
  readonly accounts: readonly ActorName[];
  readonly processes: (Process | undefined)[];
  readonly zombies: Process[];
  readonly flights: Flight[];
  /** Ways between nodes that carry nothing. */
  readonly cut: Set<number>;
  /** Nodes whose journal has no room, and nodes that the store lets wait. */
  readonly full: Set<number>;
  readonly stalled: Set<number>;
  /** Pins of processes that died, until their successor runs. */
  readonly orphaned: readonly Map<string, readonly string[]>[];
  readonly laws: Laws;
  readonly store: Store;
  readonly rules: DriverRules;
  readonly bank: Bank;
  readonly driver: Driver;
  readonly isDraining: boolean;
  readonly now: number;
  count(what: string): void;
  trace(line: string): void;
  tell(process: Process, ...events: Event[]): void;
  /** One of the living processes that suit. */
  pick(a: number, suits: (process: Process) => boolean): Process | undefined;
  /** Whether a process may do something: it looks at its lease first. */
  acts(process: Process): boolean;
  send(flight: Flight): void;
  start(index: number, isPatient?: boolean): void;
  bury(process: Process): void;
  /** Notes that these things are this run's, and that what a process gets is. */
  mark(things: readonly object[]): void;
  mustBeOurs(thing: object, does: string): void;
}
