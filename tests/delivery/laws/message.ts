// What the actors of the simulated world say to each other, and what an account remembers.

import type { ActorName, Change, Epoch, StepRecord } from "../../../runtime/delivery/protocol.ts";

/** What an account or a desk says. `n` counts what one life of a volatile source sent to one destination. */
export interface Message {
  readonly id: string;
  readonly do: "pay" | "askpay" | "deposit" | "note" | "quiz" | "series" | "relay";
  readonly to: ActorName;
  readonly amount: number;
  readonly era: Epoch;
  readonly n: number;
  /** Differs in each run of a handler: only the run that was committed may have effects. */
  readonly run: number;
  readonly ref: string;
}

export interface AccountState {
  readonly balance: number;
  readonly handled: number;
  readonly ref: string;
  /** Asks that it has handled: what each of them is answered. */
  readonly asks: number;
}

export const initial: AccountState = { balance: 100, handled: 0, ref: "", asks: 0 };

export const fold = (state: AccountState, change: Change): AccountState => {
  if ("state" in change) return change.state as AccountState;
  const { delta, ref, ask } = change.input as { delta: number; ref: string; ask: number };
  return {
    balance: state.balance + delta,
    handled: state.handled + 1,
    ref: ref === "" ? state.ref : ref,
    asks: state.asks + ask,
  };
};

export const isDurable = (actor: ActorName): boolean => actor[0] === "a" || actor[0] === "b";

/** The index of the node that an actor lives on. */
export const homeOf = (actor: ActorName): number => Number(actor[1]);

export const streamKey = (source: string, destination: string): string => `${source}>${destination}`;

/** Under which name a process notes what a record's input said. */
export const meaningKey = ({ actor, input }: Pick<StepRecord, "actor" | "input">): string =>
  `${actor}<${input!.source}/${input!.epoch}.${input!.sequence}`;
