// L3 and L4 for calls: each is settled, once, as what happened to it; and the asks of an account are linearizable.

import type { ActorName, Outcome, Refusal } from "../../../runtime/delivery/protocol.ts";
import { type Call, linearizable, type Model } from "../linear.ts";
import type { Must } from "./law.ts";
import { isDurable, type Message } from "./message.ts";

export interface Calls {
  asked(token: number, message: Message, destination: ActorName): void;
  settled(token: number, outcome: Outcome, threw: boolean, body: unknown, code: Refusal | undefined): void;
  /** None of these may be open once all is quiet. */
  mustBeSettled(tokens: Iterable<number>): void;
  judge(): void;
}

/** What calls are held against. */
interface Facts {
  /** Whether the destination has committed the message. */
  isCommitted(destination: ActorName, id: string): boolean;
  failed(id: string, code: Refusal | undefined): void;
  /** Whether what it answered may have been taken from it by its store. */
  isRolledBack(destination: ActorName): boolean;
}

/** An account as its askers see it: each gets the number of its turn. */
const turns: Model<number, undefined, unknown> = {
  initial: 0,
  apply: (state) => [state + 1, state + 1],
  key: String,
  same: (a, b) => a === b,
};

/** Histories that were too wide to be judged are counted, and never taken for good. */
const linearStepsMax = 10_000;
let unjudged = 0;
export const unjudgedHistories = (): number => unjudged;

export function calls(must: Must, facts: Facts): Calls {
  const open = new Map<number, { message: Message; destination: ActorName; settled: boolean }>();
  const histories = new Map<ActorName, Map<string, Call<undefined, unknown>>>();
  let clock = 0;

  return {
    asked(token, message, destination) {
      open.set(token, { message, destination, settled: false });
      if (!isDurable(destination)) return;
      const asks = histories.get(destination) ?? new Map<string, Call<undefined, unknown>>();
      histories.set(destination, asks);
      // A second run asks the same again: one call, from its first beginning on.
      if (asks.has(message.id)) return;
      asks.set(message.id, { from: clock += 1, to: undefined, input: undefined, output: undefined });
    },
    settled(token, outcome, threw, body, code) {
      const call = open.get(token);
      if (call === undefined) return;
      const { message, destination } = call;
      must(!call.settled, "L4", () => `${message.id} was settled twice`);
      call.settled = true;
      const asks = histories.get(destination);
      if (outcome === "failed" || threw) asks?.delete(message.id);
      else if (outcome === "done") {
        const asked = asks?.get(message.id);
        if (asked !== undefined) asks!.set(message.id, { ...asked, to: clock += 1, output: body });
      }
      if (outcome === "failed") facts.failed(message.id, code);
      if (outcome !== "done" || threw || !isDurable(destination) || facts.isRolledBack(destination)) return;
      must(
        facts.isCommitted(destination, message.id),
        "L4",
        () => `${message.id} is reported done before ${destination} committed it`,
      );
    },
    mustBeSettled(tokens) {
      for (const token of tokens) {
        const call = open.get(token);
        must(
          call === undefined || call.settled,
          "L3",
          () => `${call!.message.id} to ${call!.destination} is never settled`,
        );
      }
    },
    judge() {
      for (const [actor, asks] of histories) {
        if (facts.isRolledBack(actor)) continue;
        const verdict = linearizable([...asks.values()], turns, linearStepsMax);
        unjudged += verdict === "unknown" ? 1 : 0;
        must(verdict !== "violation", "L4", () => `no order of its asks explains what ${actor} answered`);
      }
    },
  };
}
