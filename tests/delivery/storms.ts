// Weather that even chance brings rarely: many faults of one kind at once, where the core has least room. Each storm is
// a set of weights for plans, and of limits for the world.

import type { DeliveryLimits } from "../../runtime/delivery/events.ts";
import type { Weights } from "./plan.ts";
import type { Level } from "./store.ts";

export interface Storm {
  readonly name: string;
  readonly weights: Weights;
  readonly limits?: Partial<DeliveryLimits>;
  readonly survives?: Level;
}

export const storms: readonly Storm[] = [
  {
    name: "nodes that change hands at every step of a takeover, two successors at once",
    weights: { zombie: 20, kill: 12, restart: 20, store: 40, send: 8, deliver: 16, run: 12, echo: 6, peer: 4 },
  },
  {
    name: "commits of which nobody knows, fenced and come again",
    weights: { store: 60, zombie: 6, echo: 10, full: 4, tick: 20, send: 20, kill: 4, restart: 6 },
    limits: { commitRecordsMax: 1 },
  },
  {
    name: "snapshots while commits are under way",
    weights: { store: 30, crash: 10, run: 40, send: 24, kill: 3, zombie: 3, restart: 6, end: 4, full: 2 },
    limits: { replayMessagesMax: 1, commitRecordsMax: 1 },
  },
  {
    name: "full outboxes and mailboxes of nodes that change hands",
    weights: { send: 50, cut: 6, kill: 6, restart: 12, zombie: 4, expire: 10, tick: 16 },
    limits: {
      outboxMessagesMax: 3,
      outboxBytesMax: 60,
      mailboxMessagesMax: 1,
      frameMessagesMax: 1,
      firstMessagesMax: 1,
    },
  },
  {
    name: "asks that are given up, run again and forgotten under other numbers",
    weights: { crash: 20, expire: 8, kill: 8, restart: 16, repeat: 12, run: 50, store: 40, deliver: 40, send: 16 },
    limits: { callsMax: 2, answersMax: 8 },
  },
  {
    name: "senders that give up at once",
    weights: { tick: 50, cut: 10, drop: 12, lose: 4, crash: 6, expire: 6, link: 6 },
    limits: { suspendProbesMax: 2 },
  },
  {
    name: "ends among restarts",
    weights: { end: 10, kill: 8, restart: 16, zombie: 6, store: 40, crash: 6, echo: 6, send: 20 },
    limits: { replayMessagesMax: 2 },
  },
  {
    name: "ends that are soon forgotten",
    weights: { end: 16, kill: 3, restart: 10, zombie: 3, send: 30, deliver: 40, run: 40, store: 30, expire: 4 },
    limits: { endedActorsMax: 0 },
  },
  {
    name: "a store that keeps little",
    weights: { power: 12, store: 50, kill: 6, restart: 16, zombie: 4, echo: 6, send: 20, run: 40 },
    survives: "process",
  },
  {
    name: "hosts that take what they held with them",
    weights: { host: 8, power: 0, store: 50, restart: 16, zombie: 3, echo: 6, send: 24, run: 40 },
    survives: "process",
  },
  {
    name: "a server that forgets everything",
    weights: { server: 4, power: 0, store: 50, kill: 4, restart: 16, echo: 6, send: 24, run: 40 },
    survives: "host",
  },
];
