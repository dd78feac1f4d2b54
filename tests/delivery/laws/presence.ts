// L11 and L16, and L5 for leases: who is there and who is gone. Handlers of one life run one after the other, and
// nothing that was fenced, ended, trimmed or released comes back.

import type { ActorName, Epoch } from "../../../runtime/delivery/protocol.ts";
import type { Must } from "./law.ts";

export interface Presence {
  /** Each step of a handler, from its beginning to its end: `life` is one incarnation, `run` one handler. */
  stepped(life: string, run: number, isEnd: boolean): void;
  /** A process does something: with a handler, or with its core. */
  acted(process: number): void;
  /** A process may do nothing any more: it stopped, or its lease went to a successor. */
  isOver(process: number, why: string): void;
  ended(process: number, actor: ActorName): void;
  hasEnded(actor: ActorName): boolean;
  /** The senders of a durable actor heard that it has ended. */
  toldOfEnd(actor: ActorName, epoch: Epoch): void;
  delivered(process: number, actor: ActorName, epoch: Epoch): void;
  opened(journal: string, epoch: Epoch): void;
  /** An append that a journal accepts. */
  appended(journal: string, epoch: Epoch, number: number): void;
  /** A store that loses commits may see their numbers again. */
  lost(journal: string, epoch: Epoch, through: number): void;
  written(tensor: string): void;
  released(tensor: string): void;
}

export function presence(must: Must): Presence {
  const running = new Map<string, number>();
  const over = new Map<number, string>();
  const ended = new Set<string>();
  const endings = new Map<ActorName, Epoch>();
  const epochs = new Map<string, Epoch>();
  const highest = new Map<string, number>();
  const released = new Set<string>();

  return {
    stepped(life, run, isEnd) {
      const before = running.get(life);
      must(before === undefined || before === run, "L11", () => `handler ${run} of ${life} runs beside ${before}`);
      if (isEnd) running.delete(life);
      else running.set(life, run);
    },
    acted(process) {
      const why = over.get(process);
      must(
        why === undefined,
        why?.startsWith("lease") === true ? "L5" : "L16",
        () => `process ${process} acts: ${why}`,
      );
    },
    isOver: (process, why) => void over.set(process, why),
    ended: (process, actor) => void ended.add(`${process}/${actor}`).add(actor),
    hasEnded: (actor) => ended.has(actor),
    toldOfEnd: (actor, epoch) => void endings.set(actor, epoch),
    delivered(process, actor, epoch) {
      // What a zombie does is fenced later.
      const isLater = epoch >= (endings.get(actor) ?? Infinity);
      must(!isLater, "L16", () => `${actor} gets a message after its senders were told of its end`);
      must(!ended.has(`${process}/${actor}`), "L16", () => `${actor} gets a message after its end`);
    },
    opened: (journal, epoch) => void epochs.set(journal, Math.max(epoch, epochs.get(journal) ?? 0)),
    appended(journal, epoch, number) {
      const opened = epochs.get(journal) ?? 0;
      must(epoch >= opened, "L16", () => `${journal} takes commit ${epoch}.${number} after epoch ${opened} was opened`);
      const name = `${journal} ${epoch}`;
      const known = highest.get(name) ?? 0;
      must(number > known, "L16", () => `${journal} takes commit ${epoch}.${number} again, after ${epoch}.${known}`);
      highest.set(name, Math.max(known, number));
    },
    lost: (journal, epoch, through) => void highest.set(`${journal} ${epoch}`, through),
    written(tensor) {
      must(!released.has(tensor), "L16", () => `${tensor} is written again after it was released`);
    },
    released: (tensor) => void released.add(tensor),
  };
}
