// L12, the bank's sum, and L5 for what journals take: what journals hold of each account, folded as they are written; each input counts once, and
// money is only ever where it was paid. Where a store loses what it did not declare to keep, the fold goes back with it.

import type { Deliver } from "../../../runtime/delivery/events.ts";
import type { ActorName, Change, Epoch, StepRecord } from "../../../runtime/delivery/protocol.ts";
import type { Must } from "./law.ts";
import { type AccountState, fold, initial, isDurable, type Message, streamKey } from "./message.ts";
import type { Order, Run } from "./order.ts";

/** A record that stands in a journal, and how far its actor was with the source of its input. */
interface Kept {
  readonly record: StepRecord;
  readonly delivery: Deliver | undefined;
  readonly run: Run | undefined;
}

export interface Committed {
  state: AccountState;
  /** Records since its last whole one. */
  replay: number;
  ended: boolean;
  readonly inputs: Set<string>;
  readonly cursors: Map<ActorName, { epoch: Epoch; sequence: number }>;
  readonly timers: Set<string>;
  /** The newest epoch of each node that anything was applied from. */
  readonly newest: Map<string, Epoch>;
  readonly history: Kept[];
}

export interface Accounts {
  readonly committed: Map<ActorName, Committed>;
  appended(record: StepRecord, delivery: Deliver | undefined): void;
  restored(actor: ActorName, changes: readonly Change[]): void;
  /** The store has lost these, the last of their actors' records. */
  lost(records: readonly StepRecord[]): void;
  /** It has lost all that it ever had of these. */
  lostAll(actors: readonly ActorName[]): void;
  judge(isGone: (actor: ActorName) => boolean): void;
}

export function accounts(must: Must, names: readonly ActorName[], replayMax: number, order: Order): Accounts {
  const committed = new Map<ActorName, Committed>();
  for (const name of names) committed.set(name, fresh());
  const sum = names.length * initial.balance;
  /** Amounts that a committed step has told and nobody has applied, and that asks have paid before their asker. */
  let underWay = 0;
  let advanced = 0;

  function take(own: Committed, { whole, input, cursors, change, ended }: StepRecord): void {
    if (whole) own.replay = 0;
    else if (input !== undefined && input.timer === "") own.replay += 1;
    for (const { source, epoch, sequence } of cursors) own.cursors.set(source, { epoch, sequence });
    if (input !== undefined && input.timer !== "") own.timers.add(input.timer);
    if (change !== undefined) own.state = fold(own.state, change);
    if (ended === true) own.ended = true;
  }

  function appended(record: StepRecord, delivery: Deliver | undefined): void {
    const { actor, input, sent } = record;
    const own = committed.get(actor);
    if (own === undefined) return;
    must(
      !own.ended || (input === undefined && record.change === undefined),
      "L16",
      () => `${actor} acts after its end`,
    );
    order.told(actor, sent);
    const timer = input?.timer ?? "";
    must(timer === "" || !own.timers.has(timer), "L12", () => `timer ${timer} of ${actor} counted twice`);
    if (delivery !== undefined) {
      const { id } = delivery.entry!.body as Message;
      must(!own.inputs.has(id) || order.rolledBack.size > 0, "L1", () => `${actor} committed ${id} twice`);
      own.inputs.add(id);
      fromNewest(actor, own, input!);
      order.applied(actor, streamKey(input!.source, actor), delivery);
    }
    const before = own.state;
    take(own, record);
    must(own.replay <= replayMax, "L6", () => `${own.replay} records of ${actor} would have to be folded`);
    const run = delivery === undefined ? undefined : order.runs.get(streamKey(input!.source, actor));
    own.history.push({ record, delivery, run });
    book(record, own.state.balance - before.balance, delivery?.entry);
  }

  /** What an actor has committed of one process of a node, no process before that can add to: not in its successor. */
  function fromNewest(
    actor: ActorName,
    { newest }: Committed,
    { source, epoch }: NonNullable<StepRecord["input"]>,
  ): void {
    const from = source[1]!;
    const known = newest.get(from) ?? 0;
    must(
      epoch >= known,
      "L5",
      () => `${actor} committed a message of epoch ${epoch} of n${from} after one of ${known}`,
    );
    newest.set(from, Math.max(epoch, known));
  }

  function book({ actor, sent, epoch, change }: StepRecord, delta: number, entry: Deliver["entry"]): void {
    const message = entry?.body as Message | undefined;
    if (message === undefined) {
      must(delta === 0, "L12", () => `${actor} changed by ${delta} without a message`);
      return;
    }
    for (const { entries } of sent) {
      for (const { kind, born, body } of entries) {
        if (kind !== "tell" || born !== epoch || (body as Message).id !== `${message.id}/t`) continue;
        if ((body as Message).do === "deposit") underWay += (body as Message).amount;
      }
    }
    if (message.do === "deposit") {
      if (entry!.kind === "call") advanced += delta;
      else underWay -= message.amount;
      must(delta === message.amount || change === undefined, "L12", () => `${actor} took ${delta} for ${message.id}`);
    } else if (message.do === "askpay") advanced += delta;
    if (order.rolledBack.size > 0) return;
    let total = 0;
    for (const { state } of committed.values()) total += state.balance;
    must(
      total + underWay - advanced === sum,
      "L1",
      () => `the bank holds ${total} with ${underWay} under way and ${advanced} advanced, not ${sum}`,
    );
  }

  /** What is left of it is all that there was: as a receiver, and as a source. */
  function rollBack(actor: ActorName, own: Committed): void {
    const { history } = own;
    order.rolledBack.add(actor);
    Object.assign(own, { state: initial, replay: 0, ended: false });
    for (const all of [own.inputs, own.cursors, own.timers, own.newest]) all.clear();
    for (const name of order.runs.keys()) if (name.endsWith(`>${actor}`)) order.runs.delete(name);
    for (const [stream, told] of order.tells) {
      if (!stream.startsWith(`${actor}>`)) continue;
      for (const { id, run } of told.splice(0)) order.ghosts.add(`${id}#${run}`);
    }
    for (const { record, delivery, run } of history) {
      order.told(actor, record.sent);
      take(own, record);
      if (delivery === undefined) continue;
      own.inputs.add((delivery.entry!.body as Message).id);
      order.runs.set(streamKey(record.input!.source, actor), run!);
    }
    for (const [stream, run] of order.runs) {
      if (!stream.startsWith(`${actor}>`)) continue;
      const told = order.tells.get(stream.split("@")[0]!) ?? [];
      run.tells = Math.min(run.tells, told.length - 1);
    }
  }

  return {
    committed,
    appended,
    restored(actor, changes) {
      const own = committed.get(actor);
      if (own === undefined || !must(!own.ended, "L16", () => `${actor} comes back after its end`)) return;
      const state = changes.reduce(fold, initial);
      const wanted = own.state;
      must(
        state.balance === wanted.balance && state.handled === wanted.handled && state.ref === wanted.ref,
        "L12",
        () => `${actor} came back with ${JSON.stringify(state)}, not ${JSON.stringify(wanted)}`,
      );
    },
    lost(records) {
      const touched = new Map<ActorName, Committed>();
      for (const { actor } of records) {
        const own = committed.get(actor);
        if (own === undefined) continue;
        own.history.pop();
        touched.set(actor, own);
      }
      for (const [actor, own] of touched) rollBack(actor, own);
    },
    lostAll(actors) {
      for (const actor of actors) {
        const own = committed.get(actor)!;
        own.history.length = 0;
        rollBack(actor, own);
      }
    },
    judge(isGone) {
      const isOut = (actor: ActorName): boolean =>
        isGone(actor) || order.rolledBack.has(actor) || committed.get(actor)?.ended === true;
      for (const [stream, list] of order.tells) {
        const [source, destination] = stream.split(">") as [string, string];
        if (!isDurable(destination) || isOut(destination) || isGone(source)) continue;
        const done = (order.runs.get(stream)?.tells ?? -1) + 1;
        must(
          done === list.length,
          "L3",
          () => `${destination} has applied ${done} of ${list.length} tells of ${source}`,
        );
      }
      must(underWay === 0 || names.some(isOut), "L3", () => `${underWay} is under way for ever`);
    },
  };
}

const fresh = (): Committed => ({
  state: initial,
  replay: 0,
  ended: false,
  inputs: new Set(),
  cursors: new Map(),
  timers: new Set(),
  newest: new Map(),
  history: [],
});
