// A process that is, was, or believes to be a node: its core, its actors' memories, and what it waits for.

import type { Command, Deliver } from "../../runtime/delivery/events.ts";
import type { Node } from "../../runtime/delivery/node.ts";
import type { ActorName, Epoch, Outcome } from "../../runtime/delivery/protocol.ts";
import { type AccountState, initial } from "./laws.ts";

/** A handler that runs: what it got, and where it is. */
export interface Running {
  readonly delivery: Deliver;
  readonly run: number;
  phase: "begun" | "asking" | "answered" | "told";
  isTold: boolean;
  isRelayed: boolean;
  /** Asks that were answered. */
  asked: number;
  token: number;
  answer: { readonly outcome: Outcome; readonly threw: boolean; readonly code: string | undefined } | undefined;
}

export interface Live {
  readonly name: ActorName;
  readonly durable: boolean;
  state: AccountState;
  mailbox: Deliver[];
  running: Running | undefined;
  life: number;
  loading: boolean;
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
}

export const nodeName = (index: number): string => `n${index}`;

export function newProcess(id: number, index: number, core: Node): Process {
  return {
    id,
    index,
    core,
    alive: true,
    isZombie: false,
    ready: false,
    requests: [],
    actors: new Map(),
    numbers: new Map(),
    tokens: new Map(),
    pins: new Map(),
    timers: new Map(),
    meanings: new Map(),
    newest: new Map(),
    settledNow: new Set(),
    failedNow: false,
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
    life: 0,
    loading: false,
    owesSnapshot: false,
  };
  process.actors.set(name, live);
  return live;
}

/** Whether it has something to do: a handler that waits for an answer has not. */
export const canRun = ({ mailbox, running, loading, owesSnapshot }: Live): boolean =>
  !loading && (running === undefined ? mailbox.length > 0 || owesSnapshot : running.phase !== "asking");
