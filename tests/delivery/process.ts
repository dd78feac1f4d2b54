// A process that is, was, or believes to be a node: its core, its actors' memories, and what it waits for.

import type { Command, Deliver } from "../../runtime/delivery/events.ts";
import type { Node } from "../../runtime/delivery/node.ts";
import type { ActorName, Epoch, Outcome, Refusal } from "../../runtime/delivery/protocol.ts";
import { type AccountState, initial } from "./laws/message.ts";

/** A handler that runs: what it got, and where it is. */
export interface Running {
  readonly delivery: Deliver;
  readonly run: number;
  phase: "begun" | "asking" | "answered" | "told" | "yielding";
  isTold: boolean;
  isRelayed: boolean;
  /** Asks that were answered. */
  asked: number;
  /** What a generator has yielded so far. */
  yielded: number;
  /** The core was told that it ended. */
  isOver: boolean;
  token: number;
  answer: { readonly outcome: Outcome; readonly threw: boolean; readonly code: Refusal | undefined } | undefined;
}

export interface Live {
  readonly name: ActorName;
  readonly durable: boolean;
  state: AccountState;
  mailbox: Deliver[];
  running: Running | undefined;
  /** Handlers that a confused driver has put aside. */
  readonly aside: Running[];
  life: number;
  loading: boolean;
  ended: boolean;
  /** Asked for a snapshot, which it makes when no handler runs. */
  owesSnapshot: boolean;
}

export type Request = Extract<Command, { type: "claim" | "open" | "read" | "commit" }>;

export interface Process {
  readonly id: number;
  readonly index: number;
  readonly core: Node;
  alive: boolean;
  isZombie: boolean;
  ready: boolean;
  readonly requests: Request[];
  /** Which of its journal's generations it has opened, and how far it has read. */
  generation: number;
  readAfter: { readonly epoch: Epoch; readonly number: number };
  /** How far its clock is from the world's, what it last showed, and until when its claim is its own by it. */
  readonly skew: number;
  shown: number;
  leaseUntil: number;
  /** It takes the place of another only where that one's lease has lapsed. */
  readonly isPatient: boolean;
  readonly actors: Map<ActorName, Live>;
  readonly numbers: Map<string, number>;
  readonly tokens: Map<number, { readonly live: Live | undefined; readonly id: string; readonly to: ActorName }>;
  readonly pins: Map<string, readonly string[]>;
  readonly timers: Map<string, ActorName>;
  readonly meanings: Map<string, Deliver>;
  /** The newest epoch of each node that anything was accepted from. */
  readonly newest: Map<string, Epoch>;
  /** Tokens that settled inside the advance that made them. */
  settledNow: Set<number>;
  failedNow: boolean;
  refusedNow: Refusal | undefined;
}

export const nodeName = (index: number): string => `n${index}`;

export function newProcess(id: number, index: number, core: Node, skew: number, isPatient: boolean): Process {
  return {
    id,
    index,
    core,
    alive: true,
    isZombie: false,
    ready: false,
    requests: [],
    generation: 0,
    readAfter: { epoch: 0, number: 0 },
    skew,
    shown: 0,
    leaseUntil: 0,
    isPatient,
    actors: new Map(),
    numbers: new Map(),
    tokens: new Map(),
    pins: new Map(),
    timers: new Map(),
    meanings: new Map(),
    newest: new Map(),
    settledNow: new Set(),
    failedNow: false,
    refusedNow: undefined,
  };
}

/** An actor of a process, made when it is first named. */
export function actorIn(process: Process, name: ActorName, durable: boolean): Live {
  const known = process.actors.get(name);
  if (known !== undefined) return known;
  const live: Live = {
    name,
    durable,
    state: initial,
    mailbox: [],
    running: undefined,
    aside: [],
    life: 0,
    loading: false,
    ended: false,
    owesSnapshot: false,
  };
  process.actors.set(name, live);
  return live;
}

/** Whether it has something to do: a handler that waits for an answer has not. */
export function canRun(live: Live, { isFree }: { isFree(running: Running | undefined): boolean }): boolean {
  const { mailbox, running, aside, loading, owesSnapshot } = live;
  if (loading) return false;
  if (running === undefined) return mailbox.length > 0 || owesSnapshot || aside.length > 0;
  return running.phase !== "asking" || (mailbox.length > 0 && isFree(running));
}

/** One incarnation of an actor. */
export const lifeOf = (process: Process, live: Live): string => `${live.name}@${process.id}.${live.life}`;

/** Where messages are of which a process holds some part, at the moment when something happens to it. */
export function* phasesOf({ core, actors }: Process): Generator<string> {
  for (const { mailbox, running } of actors.values()) {
    if (mailbox.length > 0) yield "in a mailbox";
    if (running !== undefined) yield running.isTold ? "in a handler that has told" : `in a handler ${running.phase}`;
  }
  if (core.sealed.length > 0) yield "sealed";
  if (core.committing !== undefined) yield core.committing.isUnknown ? "in an unknown commit" : "in a commit";
  for (const actor of core.actors.values()) {
    for (const { last, sent, accepted, acked } of actor.outbounds.values()) {
      if (last > sent) yield "taken on";
      if (sent > accepted) yield "under way";
      if (accepted > acked) yield "accepted, not acknowledged";
    }
  }
}
