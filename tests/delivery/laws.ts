// What must hold, judged from outside the core: from what programs sent, what journals hold and what handlers saw.
// Nothing here reads the core's own account of itself, but for the limits (L6) and acknowledgements (L2).

import type { Deliver } from "../../runtime/delivery/events.ts";
import type { ActorName, Change, Epoch, NodeName, Outcome, StepRecord } from "../../runtime/delivery/protocol.ts";
import { type Call, linearizable, type Model } from "./linear.ts";
import type { Node } from "../../runtime/delivery/node.ts";

export type Law = "L1" | "L2" | "L3" | "L4" | "L5" | "L6" | "L9" | "L11" | "L12" | "L16";

export class Violation extends Error {
  readonly law: Law;
  constructor(law: Law, message: string) {
    super(`${law}: ${message}`);
    this.law = law;
  }
}

function must(holds: boolean, law: Law, message: () => string): void {
  if (!holds) throw new Violation(law, message());
}

/** What an account or a desk says. `n` counts what one life of a volatile source sent to one destination. */
export interface Message {
  readonly id: string;
  readonly do: "pay" | "askpay" | "deposit" | "note" | "quiz";
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
const isDesk = (actor: ActorName): boolean => actor[0] === "d";
export const initial: AccountState = { balance: 100, handled: 0, ref: "", asks: 0 };

/** An account as its askers see it: each gets the number of its turn. */
const turns: Model<number, undefined, unknown> = {
  initial: 0,
  apply: (state) => [state + 1, state + 1],
  key: String,
  same: (a, b) => a === b,
};

/** How far one life of a receiver is with one source. */
interface Run {
  era: Epoch;
  n: number;
  tells: number;
  epoch: Epoch;
}

interface Committed {
  state: AccountState;
  /** Records since its last whole one. */
  replay: number;
  readonly inputs: Set<string>;
  readonly cursors: Map<ActorName, { epoch: Epoch; sequence: number }>;
  readonly timers: Set<string>;
}

interface Told {
  readonly id: string;
  readonly run: number;
  readonly sequence: number;
}

export interface Laws {
  readonly accounts: Map<ActorName, Committed>;
  numbered(source: ActorName, destination: ActorName, era: Epoch, n: number, id: string): void;
  withdrawn(id: string): void;
  appended(node: NodeName, records: readonly StepRecord[], meanings: Map<string, Deliver>): void;
  handled(actor: ActorName, life: string, delivery: Deliver): void;
  asked(token: number, message: Message, destination: ActorName): void;
  settled(token: number, outcome: Outcome, threw: boolean, body: unknown): void;
  refused(token: number): void;
  gap(source: ActorName, destination: ActorName, era: Epoch, through: number): void;
  restored(actor: ActorName, changes: readonly Change[]): void;
  watch(core: Node): void;
  openCalls(tokens: Iterable<number>): void;
  suspended(source: ActorName, destination: ActorName, isSuspended: boolean): void;
  isSuspended(source: ActorName, destination: ActorName): boolean;
  /** What must have arrived, but where the destination is gone for good. */
  end(isGone: (actor: ActorName) => boolean): void;
}

/** Histories that were too wide to be judged are counted, and never taken for good. */
const linearStepsMax = 10_000;
let unjudged = 0;
export const unjudgedHistories = (): number => unjudged;

const key = (a: string, b: string): string => `${a}>${b}`;

export function laws(accounts: readonly ActorName[], replayMax: number): Laws {
  const committed = new Map<ActorName, Committed>();
  for (const name of accounts) {
    committed.set(name, { state: initial, replay: 0, inputs: new Set(), cursors: new Map(), timers: new Set() });
  }
  const sum = accounts.length * initial.balance;
  /** Amounts that a committed step has told and nobody has applied, and that asks have paid before their asker. */
  let underWay = 0;
  let advanced = 0;
  const tells = new Map<string, Told[]>();
  const runs = new Map<string, Run>();
  const gaps = new Map<string, { era: Epoch; through: number }[]>();
  const calls = new Map<number, { message: Message; destination: ActorName; settled: boolean }>();
  const neverApplied = new Set<string>();
  const applied = new Set<string>();
  const holes = new Set<string>();
  const numbers = new Map<string, string>();
  const handledOnce = new Set<string>();
  const suspended = new Set<string>();
  const histories = new Map<ActorName, Map<string, Call<undefined, unknown>>>();
  let clock = 0;

  function nextNumber(source: string, destination: string, era: Epoch, n: number): number {
    let next = n + 1;
    while (holes.has(numbers.get(`${source}>${destination}/${era}.${next}`) ?? "")) next += 1;
    return next;
  }

  /** L1 and L5 for one message that a receiver applies: `runKey` names its life. */
  function inOrder(receiver: ActorName, runKey: string, { input, entry }: Deliver): void {
    const message = entry!.body as Message;
    const { source, epoch } = input;
    const told = tells.get(key(source, receiver));
    const run = runs.get(runKey);
    must(
      run === undefined || epoch >= run.epoch,
      "L5",
      () => `${receiver} applied ${message.id} of epoch ${epoch} after ${run!.epoch}`,
    );
    must(!neverApplied.has(message.id), "L4", () => `${message.id} was reported failed and is applied by ${receiver}`);
    applied.add(message.id);
    const next: Run = run === undefined ? { era: 0, n: 0, tells: -1, epoch } : { ...run, epoch };
    const gapsHere = gaps.get(key(source, receiver)) ?? [];
    if (!isDurable(source)) {
      const { era, n } = message;
      const isNew = run === undefined || run.era !== era;
      must(
        run === undefined || era >= run.era,
        "L5",
        () => `${receiver} applied ${message.id} of a life before ${run!.era}`,
      );
      const first = gapsHere.some((gap) => gap.era === era && nextNumber(source, receiver, era, gap.through) === n);
      const wanted = nextNumber(source, receiver, era, isNew ? 0 : run.n);
      const isInOrder = n === wanted || (run === undefined && !isDurable(receiver) && first);
      must(
        isInOrder,
        "L1",
        () => `${receiver} applied number ${n} of ${source} (life ${era}), where ${wanted} is next`,
      );
      next.era = era;
      next.n = n;
    } else if (entry!.kind === "tell") {
      const index = told?.findIndex(({ id, run }) => id === message.id && run === message.run) ?? -1;
      must(index >= 0, "L1", () => `${receiver} applied ${message.id}#${message.run}, which ${source} never committed`);
      const before = index === 0 ? 0 : told![index - 1]!.sequence;
      const isFirst = next.tells === -1 && !isDurable(receiver) &&
        gapsHere.some(({ through }) => through >= before && through < told![index]!.sequence);
      const isInOrder = index === next.tells + 1 || isFirst;
      must(isInOrder, "L1", () => `${receiver} applied tell ${index} of ${source}, where ${next.tells + 1} is next`);
      next.tells = index;
    }
    runs.set(runKey, next);
  }

  function account(record: StepRecord, account: Committed, delivery: Deliver | undefined): void {
    const before = account.state;
    if (record.change !== undefined) account.state = fold(before, record.change);
    const delta = account.state.balance - before.balance;
    const message = delivery?.entry?.body as Message | undefined;
    if (message === undefined) {
      must(delta === 0, "L12", () => `${record.actor} changed by ${delta} without a message`);
      return;
    }
    const told = record.sent.flatMap(({ entries }) => entries).filter(({ kind, born, body }) =>
      kind === "tell" && born === record.epoch && (body as Message).id === `${message.id}/t`
    );
    for (const { body } of told) underWay += (body as Message).amount;
    if (message.do === "deposit") {
      if (delivery!.entry!.kind === "call") advanced += delta;
      else underWay -= message.amount;
      must(
        delta === message.amount || record.change === undefined,
        "L12",
        () => `${record.actor} took ${delta} for ${message.id}`,
      );
    } else if (message.do === "askpay") advanced += delta;
    const total = [...committed.values()].reduce((all, { state }) => all + state.balance, 0);
    must(
      total + underWay - advanced === sum,
      "L1",
      () => `the bank holds ${total} with ${underWay} under way and ${advanced} advanced, not ${sum}`,
    );
  }

  return {
    accounts: committed,
    numbered(source, destination, era, n, id) {
      numbers.set(`${source}>${destination}/${era}.${n}`, id);
    },
    withdrawn(id) {
      holes.add(id);
    },
    appended(node, records, meanings) {
      for (const record of records) {
        const own = committed.get(record.actor)!;
        if (record.whole) own.replay = 0;
        else if (record.input !== undefined && record.input.timer === "") own.replay += 1;
        must(own.replay <= replayMax, "L6", () => `${own.replay} records of ${record.actor} would have to be folded`);
        for (const { source, epoch, sequence } of record.cursors) own.cursors.set(source, { epoch, sequence });
        for (const { destination, entries } of record.sent) {
          const list = tells.get(key(record.actor, destination)) ?? [];
          tells.set(key(record.actor, destination), list);
          const last = list.at(-1)?.sequence ?? 0;
          for (const { kind, sequence, body } of entries) {
            if (kind !== "tell" || sequence <= last) continue;
            const { id, run } = body as Message;
            list.push({ id, run, sequence });
          }
        }
        const { input } = record;
        if (input !== undefined && input.timer !== "") {
          must(!own.timers.has(input.timer), "L12", () => `timer ${input.timer} of ${record.actor} counted twice`);
          own.timers.add(input.timer);
        }
        const delivery = input === undefined || input.timer !== "" ? undefined : meanings.get(meaningKey(record));
        if (delivery !== undefined) {
          const { id } = delivery.entry!.body as Message;
          must(!own.inputs.has(id), "L1", () => `${record.actor} on ${node} committed ${id} twice`);
          own.inputs.add(id);
          inOrder(record.actor, key(input!.source, record.actor), delivery);
        }
        account(record, own, delivery);
      }
    },
    handled(actor, life, delivery) {
      const { id } = delivery.entry!.body as Message;
      const once = `${actor}<${delivery.input.source}/${id}#${(delivery.entry!.body as Message).run}`;
      must(
        !handledOnce.has(once),
        "L1",
        () => `${actor} handled ${id} in two lives, after its sender was told of a gap`,
      );
      handledOnce.add(once);
      inOrder(actor, `${delivery.input.source}>${actor}@${life}`, delivery);
    },
    asked(token, message, destination) {
      calls.set(token, { message, destination, settled: false });
      if (!isDurable(destination)) return;
      const asks = histories.get(destination) ?? new Map<string, Call<undefined, unknown>>();
      histories.set(destination, asks);
      // A second run asks the same again: one call, from its first beginning on.
      if (asks.has(message.id)) return;
      asks.set(message.id, { from: clock += 1, to: undefined, input: undefined, output: undefined });
    },
    settled(token, outcome, threw, body) {
      const call = calls.get(token);
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
      if (outcome === "failed") {
        must(!applied.has(message.id), "L4", () => `${message.id} is reported failed and was applied`);
        neverApplied.add(message.id);
      }
      if (outcome === "done" && !threw && isDurable(destination)) {
        must(
          committed.get(destination)!.inputs.has(message.id),
          "L4",
          () => `${message.id} is reported done before ${destination} committed it`,
        );
      }
    },
    refused(token) {
      calls.delete(token);
    },
    gap(source, destination, era, through) {
      const list = gaps.get(key(source, destination)) ?? [];
      gaps.set(key(source, destination), list);
      list.push({ era, through });
    },
    restored(actor, changes) {
      const state = changes.reduce(fold, initial);
      const { state: wanted } = committed.get(actor)!;
      must(
        state.balance === wanted.balance && state.handled === wanted.handled && state.ref === wanted.ref,
        "L12",
        () => `${actor} came back with ${JSON.stringify(state)}, not ${JSON.stringify(wanted)}`,
      );
    },
    watch(core) {
      const { mailboxMessagesMax, mailboxBytesMax, outboxMessagesMax, outboxBytesMax, answersMax } = core.limits;
      for (const actor of core.actors.values()) {
        for (const out of actor.outbounds.values()) {
          const held = out.items.length - out.head;
          must(
            held <= outboxMessagesMax,
            "L6",
            () => `outbox to ${out.destination} holds ${held} of ${outboxMessagesMax}`,
          );
          const bytes = out.lastOffset - out.ackedOffset;
          must(
            bytes <= outboxBytesMax,
            "L6",
            () => `outbox to ${out.destination} holds ${bytes} bytes of ${outboxBytesMax}`,
          );
          const cursor = committed.get(out.destination)?.cursors.get(actor.name);
          if (!isDurable(out.destination) || core.phase !== "running") continue;
          const through = cursor === undefined || (!actor.durable && cursor.epoch < core.epoch) ? 0 : cursor.sequence;
          const isOlder = cursor !== undefined && cursor.epoch > core.epoch;
          must(
            out.acked <= through || isOlder,
            "L2",
            () => `${out.destination} acknowledged ${out.acked} of ${actor.name} and committed ${through}`,
          );
        }
        for (const { kept } of actor.inbounds.values()) {
          must(kept.length <= answersMax, "L6", () => `${actor.name} keeps ${kept.length} answers of ${answersMax}`);
        }
        must(
          actor.mailMessages <= mailboxMessagesMax && actor.mailBytes <= mailboxBytesMax,
          "L6",
          () => `mailbox of ${actor.name} holds ${actor.mailMessages} messages, ${actor.mailBytes} bytes`,
        );
      }
    },
    openCalls(tokens) {
      for (const token of tokens) {
        const call = calls.get(token);
        must(
          call === undefined || call.settled,
          "L3",
          () => `${call!.message.id} to ${call!.destination} is never settled`,
        );
      }
    },
    suspended(source, destination, isSuspended) {
      if (isSuspended) suspended.add(key(source, destination));
      else suspended.delete(key(source, destination));
    },
    isSuspended: (source, destination) => suspended.has(key(source, destination)),
    end(isGone) {
      for (const [stream, list] of tells) {
        const [source, destination] = stream.split(">") as [string, string];
        if (!isDurable(destination) || isGone(destination) || isGone(source)) continue;
        const done = (runs.get(key(source, destination))?.tells ?? -1) + 1;
        must(
          done === list.length,
          "L3",
          () => `${destination} has applied ${done} of ${list.length} tells of ${source}`,
        );
      }
      for (const [actor, asks] of histories) {
        const verdict = linearizable([...asks.values()], turns, linearStepsMax);
        unjudged += verdict === "unknown" ? 1 : 0;
        must(verdict !== "violation", "L4", () => `no order of its asks explains what ${actor} answered`);
      }
      must(underWay === 0 || accounts.some(isGone), "L3", () => `${underWay} is under way for ever`);
    },
  };
}

/** Under which name a process notes what a record's input said. */
export const meaningKey = ({ actor, input }: Pick<StepRecord, "actor" | "input">): string =>
  `${actor}<${input!.source}/${input!.epoch}.${input!.sequence}`;

export { isDesk };
