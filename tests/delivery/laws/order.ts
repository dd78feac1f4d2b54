// L1 and L5 for what receivers apply: of each source a contiguous run of what it sent, from the start or from the gap
// that it was told of, and nothing of an older life after a newer one. Also the half of L4 that says what never happens.

import type { Deliver } from "../../../runtime/delivery/events.ts";
import type { ActorName, Epoch, Refusal, SentRecord } from "../../../runtime/delivery/protocol.ts";
import type { Must } from "./law.ts";
import { isDurable, type Message, streamKey } from "./message.ts";

/** How far one life of a receiver is with one source. */
export interface Run {
  era: Epoch;
  n: number;
  tells: number;
  epoch: Epoch;
}

export interface Told {
  readonly id: string;
  readonly run: number;
  readonly sequence: number;
}

export interface Order {
  readonly runs: Map<string, Run>;
  readonly tells: Map<string, Told[]>;
  /** Receivers that the store made forget what they had applied, after which they go on behind a gap. */
  readonly rolledBack: Set<ActorName>;
  /** What sources told in steps that their store has lost: it may still be under way. */
  readonly ghosts: Set<string>;
  numbered(source: ActorName, destination: ActorName, era: Epoch, n: number, id: string): void;
  withdrawn(id: string): void;
  gap(source: ActorName, destination: ActorName, era: Epoch, through: number): void;
  isToldOf(source: ActorName, destination: ActorName): boolean;
  /** What a committed step has told. */
  told(source: ActorName, sent: readonly SentRecord[]): void;
  /** One message that a receiver applies: `runKey` names its life. */
  applied(receiver: ActorName, runKey: string, delivery: Deliver): void;
  handled(actor: ActorName, life: string, delivery: Deliver): void;
  failed(id: string, code: Refusal | undefined): void;
}

export function order(must: Must): Order {
  const tells = new Map<string, Told[]>();
  const runs = new Map<string, Run>();
  const gaps = new Map<string, { era: Epoch; through: number }[]>();
  const rolledBack = new Set<ActorName>();
  const ghosts = new Set<string>();
  const neverApplied = new Map<string, Refusal | undefined>();
  const appliedIds = new Set<string>();
  const holes = new Set<string>();
  const numbers = new Map<string, string>();
  const handledOnce = new Set<string>();

  function nextNumber(source: string, destination: string, era: Epoch, n: number): number {
    let next = n + 1;
    while (holes.has(numbers.get(`${source}>${destination}/${era}.${next}`) ?? "")) next += 1;
    return next;
  }

  function applied(receiver: ActorName, runKey: string, { input, entry }: Deliver): void {
    const message = entry!.body as Message;
    const { source, epoch } = input;
    const run = runs.get(runKey);
    must(
      run === undefined || epoch >= run.epoch,
      "L5",
      () => `${receiver} applied ${message.id} of epoch ${epoch} after ${run!.epoch}`,
    );
    // An end that the store has lost, without having declared to keep it, is no end.
    const isUndone = rolledBack.has(receiver) && neverApplied.get(message.id) === "Ended";
    must(
      isUndone || !neverApplied.has(message.id),
      "L4",
      () => `${message.id} was reported failed and is applied by ${receiver}`,
    );
    appliedIds.add(message.id);
    const next: Run = run === undefined ? { era: 0, n: 0, tells: -1, epoch } : { ...run, epoch };
    if (!isDurable(source)) inEra(receiver, source, message, run, next);
    else if (entry!.kind === "tell") inCommits(receiver, source, message, run, next);
    runs.set(runKey, next);
  }

  /** A volatile source numbers what each of its lives sends. */
  function inEra(receiver: ActorName, source: ActorName, message: Message, run: Run | undefined, next: Run): void {
    const { era, n, id } = message;
    const isNew = run === undefined || run.era !== era;
    must(run === undefined || era >= run.era, "L5", () => `${receiver} applied ${id} of a life before ${run!.era}`);
    const wanted = nextNumber(source, receiver, era, isNew ? 0 : run.n);
    const isBehindGap = (): boolean =>
      ((run === undefined && !isDurable(receiver)) || rolledBack.has(receiver)) &&
      (gaps.get(streamKey(source, receiver)) ?? []).some((gap) =>
        gap.era === era && nextNumber(source, receiver, era, gap.through) === n
      );
    must(
      n === wanted || isBehindGap(),
      "L1",
      () => `${receiver} applied number ${n} of ${source} (life ${era}), where ${wanted} is next`,
    );
    next.era = era;
    next.n = n;
  }

  /** Of a durable source counts what its committed steps have told. */
  function inCommits(receiver: ActorName, source: ActorName, message: Message, run: Run | undefined, next: Run): void {
    const { id } = message;
    const told = tells.get(streamKey(source, receiver)) ?? [];
    const index = told.findIndex((one) => one.id === id && one.run === message.run);
    if (index < 0 && ghosts.has(`${id}#${message.run}`)) return;
    if (!must(index >= 0, "L1", () => `${receiver} applied ${id}#${message.run}, which ${source} never committed`)) {
      return;
    }
    const before = index === 0 ? 0 : told[index - 1]!.sequence;
    const wanted = (run?.tells ?? -1) + 1;
    const isBehindGap = (): boolean =>
      ((wanted === 0 && !isDurable(receiver)) || (rolledBack.has(receiver) && index > wanted)) &&
      (gaps.get(streamKey(source, receiver)) ?? []).some(({ through }) =>
        through >= before && through < told[index]!.sequence
      );
    must(
      index === wanted || isBehindGap(),
      "L1",
      () => `${receiver} applied tell ${index} of ${source}, where ${wanted} is next`,
    );
    next.tells = index;
  }

  return {
    runs,
    tells,
    rolledBack,
    ghosts,
    numbered(source, destination, era, n, id) {
      numbers.set(`${source}>${destination}/${era}.${n}`, id);
    },
    withdrawn: (id) => void holes.add(id),
    gap(source, destination, era, through) {
      const stream = streamKey(source, destination);
      const list = gaps.get(stream) ?? [];
      gaps.set(stream, list);
      list.push({ era, through });
    },
    isToldOf: (source, destination) => gaps.has(streamKey(source, destination)),
    told(source, sent) {
      for (const { destination, entries, ended } of sent) {
        const stream = streamKey(source, destination);
        const list = tells.get(stream) ?? [];
        tells.set(stream, list);
        const last = list.at(-1)?.sequence ?? 0;
        for (const { kind, sequence, body } of entries) {
          if (kind !== "tell" || sequence <= last) continue;
          const { id, run } = body as Message;
          list.push({ id, run, sequence });
        }
        // Its destination is gone for good: what its source may yet tell to that address begins another stream.
        if (ended === true) tells.delete(stream);
      }
    },
    applied,
    handled(actor, life, delivery) {
      const { id, run } = delivery.entry!.body as Message;
      const { source } = delivery.input;
      const once = `${actor}<${source}/${id}#${run}`;
      must(
        !handledOnce.has(once),
        "L1",
        () => `${actor} handled ${id} in two lives, after its sender was told of a gap`,
      );
      handledOnce.add(once);
      applied(actor, `${source}>${actor}@${life}`, delivery);
    },
    failed(id, code) {
      must(!appliedIds.has(id), "L4", () => `${id} is reported failed and was applied`);
      neverApplied.set(id, code);
    },
  };
}
