// Circles of asks that close on several nodes at once: none of the askers could see it when it asked. An ask that
// waits long sends a probe after itself, from node to node along those that wait for each other. Each hop is checked
// by the one who has the ask in hand, so that what comes round is a circle, and stays one until somebody breaks it.

import { ShoalError } from "../../stores/error.ts";
import { Call } from "../cells/call.ts";
import { Cell } from "../cells/cell.ts";
import { nodeOf } from "../cells/posted.ts";
import { type Deadlines, Expiring } from "../deadlines.ts";
import type { Source } from "../reference.ts";
import { Delivered } from "./calls.ts";
import { PostedCall } from "./sent.ts";

/** Follows one ask: of whom it is asked, whose it is, by which number, and who waits for whom so far. */
export interface Probe {
  readonly target: string;
  readonly source: string;
  readonly number: number;
  readonly chain: readonly string[];
}

export interface Circles {
  /** An ask of a handler has left. */
  watch(call: PostedCall): void;
  /** A probe has come to where its ask is. */
  follow(probe: Probe): void;
  /** The ask of a circle that is to be given up. */
  broken(probe: Probe): void;
}

export interface CirclesParts {
  readonly deadlines: Deadlines;
  /** The message that a probe follows, while its handler has not ended. */
  delivered(target: string, source: string, number: number): Delivered | undefined;
  /** An ask that left here and has no answer. */
  posted(token: number): PostedCall | undefined;
  note(node: string, what: "probe" | "circle", probe: Probe): void;
}

/** How long an ask waits before it wonders, and again twice as long each time. */
const waitMsFirst = 500;
const waitMsMax = 60_000;
/** More would not be a circle, but a probe that runs wild. */
const hopsMax = 1_000;

export function circles({ deadlines, delivered, posted, note }: CirclesParts): Circles {
  function watch(call: PostedCall): void {
    let waitMs = waitMsFirst;
    const wondering = new Expiring();
    wondering.expired = () => {
      waitMs = Math.min(waitMs * 2, waitMsMax);
      deadlines.add(wondering, waitMs);
      send(call, []);
    };
    deadlines.add(wondering, waitMs);
    const settled = call.onSettled;
    call.onSettled = (ended) => {
      deadlines.remove(wondering);
      settled(ended);
    };
  }

  /** To where an ask of a handler here has gone. */
  function send(call: PostedCall, before: readonly string[]): void {
    const { target, source } = call.from;
    const chain = [...before, source.id];
    note(nodeOf(target.id), "probe", { target: target.id, source: source.id, number: call.token, chain });
  }

  /** What the handler of an actor waits for: elsewhere the probe goes on, here it is at once where it would come to. */
  function goOn(cell: Cell, probe: Probe, seen: Set<Cell>): void {
    if (!cell.busy || seen.has(cell) || probe.chain.length > hopsMax) return;
    seen.add(cell);
    const chain = [...probe.chain, cell.id];
    for (const call of cell.extras?.asking ?? []) {
      if (call.settled) continue;
      if (call instanceof PostedCall) send(call, probe.chain);
      else if (call instanceof Call && call.from.target instanceof Cell) {
        if (isRound(call.from.target.id, chain)) return breakUp(call, chain);
        goOn(call.from.target, { ...probe, chain }, seen);
      }
    }
  }

  function breakUp(call: Call, chain: readonly string[]): void {
    const outcome = call.running ? "unknown" : "failed";
    call.reject(new ShoalError("BadInput", `${call.what}: ${told(chain)}`, { outcome }));
  }

  return {
    watch,
    follow(probe) {
      const message = delivered(probe.target, probe.source, probe.number);
      if (message === undefined || message.settled) return;
      const cell = message.from.target as Cell;
      if (isRound(cell.id, probe.chain)) return note(nodeOf(probe.source), "circle", probe);
      goOn(cell, probe, new Set());
    },
    broken({ number, chain }) {
      const call = posted(number);
      if (call === undefined || call.settled) return;
      call.abandon("BadInput", told(chain));
    },
  };
}

/** Each in a circle sends a probe; one of them is enough to break it. */
function isRound(id: string, chain: readonly string[]): boolean {
  return id === chain[0] && chain.every((other) => id <= other);
}

function told(chain: readonly string[]): string {
  return `each would wait for the next for ever, ${[...chain, chain[0]].join(" → ")}`;
}

/** The actors whose handlers wait, one for the other, for what this one does now. */
export function waitingFor(cell: Cell): readonly string[] {
  const chain: string[] = [];
  for (let at: Source = cell; at instanceof Cell;) {
    const { running }: Cell = at;
    if (running instanceof Delivered) return [...running.chain, ...chain];
    if (!(running instanceof Call) || running.settled) break;
    at = running.from.source;
    chain.unshift(at.id);
  }
  return chain;
}
