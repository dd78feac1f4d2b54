// What must hold, judged from outside the core: from what programs sent, what journals hold and what handlers saw. One
// file a group of laws in laws/; here they are put together, and asked at the end.

import type { Deliver } from "../../runtime/delivery/events.ts";
import type { Node } from "../../runtime/delivery/node.ts";
import type { ActorName, StepRecord } from "../../runtime/delivery/protocol.ts";
import { type Accounts, accounts } from "./laws/accounts.ts";
import { watchBounds } from "./laws/bounds.ts";
import { type Calls, calls } from "./laws/calls.ts";
import { type Asked, type Must, mustOf } from "./laws/law.ts";
import { meaningKey, streamKey } from "./laws/message.ts";
import { type Losses, losses } from "./laws/losses.ts";
import { type Order, order } from "./laws/order.ts";
import { type Presence, presence } from "./laws/presence.ts";

export interface Laws extends Pick<Calls, "asked" | "settled" | "mustBeSettled"> {
  readonly must: Must;
  readonly order: Order;
  readonly accounts: Accounts;
  readonly presence: Presence;
  readonly losses: Losses;
  appended(records: readonly StepRecord[], meanings: ReadonlyMap<string, Deliver>): void;
  watch(core: Node): void;
  suspended(source: ActorName, destination: ActorName, isSuspended: boolean): void;
  isSuspended(source: ActorName, destination: ActorName): boolean;
  /** What must have arrived, but where the destination is gone for good. */
  judge(isGone: (actor: ActorName) => boolean): void;
}

export function laws(names: readonly ActorName[], replayMax: number, asked?: Asked): Laws {
  const must = mustOf(asked);
  const inOrder = order(must);
  const inBooks = accounts(must, names, replayMax, inOrder);
  const suspended = new Set<string>();
  const { committed } = inBooks;
  const isRolledBack = (actor: ActorName): boolean => inOrder.rolledBack.has(actor);
  const facts = {
    isRolledBack,
    isExempt: (actor: ActorName) => isRolledBack(actor) || committed.get(actor)?.ended === true,
    isCommitted: (destination: ActorName, id: string) => committed.get(destination)?.inputs.has(id) === true,
    cursorOf: (receiver: ActorName, source: ActorName) => committed.get(receiver)?.cursors.get(source),
    failed: inOrder.failed,
  };
  const ofCalls = calls(must, facts);

  return {
    must,
    order: inOrder,
    accounts: inBooks,
    presence: presence(must),
    losses: losses(must),
    asked: ofCalls.asked,
    settled: ofCalls.settled,
    mustBeSettled: ofCalls.mustBeSettled,
    appended(records, meanings) {
      for (const record of records) {
        const isMessage = record.input !== undefined && record.input.timer === "";
        inBooks.appended(record, isMessage ? meanings.get(meaningKey(record)) : undefined);
      }
    },
    watch: (core) => watchBounds(must, core, facts),
    suspended(source, destination, isSuspended) {
      if (isSuspended) suspended.add(streamKey(source, destination));
      else suspended.delete(streamKey(source, destination));
    },
    isSuspended: (source, destination) => suspended.has(streamKey(source, destination)),
    judge(isGone) {
      inBooks.judge(isGone);
      ofCalls.judge();
    },
  };
}
