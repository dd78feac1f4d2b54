// The timers of one durable actor, and whom it watches: set and cancelled by its steps, committed with them, and there
// again after a crash.

import type { Timer as Cancelling } from "../actor.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Timer } from "../delivery/protocol.ts";
import { copyMessage } from "../messages/message.ts";
import type { Ended } from "../system.ts";
import { type Body, bodyFrom, openBody, plainBody } from "./body.ts";

export interface Timers {
  /** A step begins: of this timer, or of a message. */
  began(timer: string): void;
  /** When a timer that fired was to fire. */
  dueAt(timer: string): number;
  /** The next time of a timer that repeats. */
  repeats(timer: string): readonly Timer[];
  set(delayMs: number, repeat: boolean, method: string, message: unknown): Cancelling;
  /** Sends itself the end of an actor. */
  watch(address: string, method: string): void;
  /** What the running step has set and cancelled. */
  taken(): { readonly timersSet: readonly Timer[]; readonly timersDone: readonly string[] };
  /** It is committed: from here on it fires. */
  schedule(timer: Timer): void;
  meaning(timer: string): { readonly method: string; readonly message: unknown };
  close(): void;
}

/** What a timer's name says: the delivery core keeps names and times, no more. */
interface Meaning {
  /** Whose end it stands for; empty for a time. Comes first in the name. */
  readonly watches: string;
  readonly token: string;
  readonly method: string;
  readonly message: Body;
  /** 0 for one that fires once. */
  readonly everyMs: number;
}

export interface TimersParts {
  readonly engine: Engine;
  readonly cell: Cell;
  fire(timer: string): void;
  /** Tells of an actor's end; the answer stops that. */
  watch(address: string, watcher: (ended: Ended) => void): () => void;
}

const watching = '{"watches":"';
const watched = (timer: string): string => (JSON.parse(timer) as Meaning).watches;
const isWatch = (timer: string): boolean => timer.startsWith(watching) && timer[watching.length] !== '"';

export function timers({ engine, cell, fire, watch }: TimersParts): Timers {
  const { home } = engine;
  const { environment } = home;
  const clocks = new Map<string, () => void>();
  const due = new Map<string, number>();
  const ends = new Map<string, Ended>();
  let timersSet: Timer[] = [];
  let timersDone: string[] = [];

  function repeats(timer: string): readonly Timer[] {
    const everyMs = timer === "" ? 0 : (JSON.parse(timer) as Meaning).everyMs;
    return everyMs > 0 ? [{ id: timer, at: environment.date() + everyMs }] : [];
  }

  return {
    dueAt(timer) {
      const at = due.get(timer) ?? environment.date();
      due.delete(timer);
      return at;
    },
    repeats,
    began(timer) {
      timersSet = [];
      timersDone = [];
      timersSet.push(...repeats(timer));
    },
    set(delayMs, repeat, method, message) {
      const passage = home.passage(cell, cell.life);
      const body = plainBody(copyMessage(message, passage), passage);
      const token = environment.token();
      const meaning: Meaning = { watches: "", token, method, message: body, everyMs: repeat ? delayMs : 0 };
      const id = JSON.stringify(meaning);
      timersSet.push({ id, at: environment.date() + delayMs });
      return {
        cancel() {
          clocks.get(id)?.();
          clocks.delete(id);
          timersSet = timersSet.filter((timer) => timer.id !== id);
          timersDone.push(id);
        },
      };
    },
    watch(address, method) {
      const token = environment.token();
      const meaning: Meaning = { watches: address, token, method, message: plainBody(undefined), everyMs: 0 };
      timersSet.push({ id: JSON.stringify(meaning), at: environment.date() });
    },
    taken() {
      const taken = { timersSet, timersDone };
      timersSet = [];
      timersDone = [];
      return taken;
    },
    schedule({ id, at }) {
      clocks.get(id)?.();
      if (isWatch(id)) {
        clocks.delete(id);
        const stop = watch(watched(id), (ended) => {
          clocks.delete(id);
          ends.set(id, ended);
          fire(id);
        });
        if (!ends.has(id)) clocks.set(id, stop);
        return;
      }
      due.set(id, at);
      const ring = (): void => {
        clocks.delete(id);
        fire(id);
      };
      clocks.set(id, environment.after(Math.max(0, at - environment.date()), ring));
    },
    meaning(timer) {
      const { method, message } = JSON.parse(timer) as Meaning;
      if (isWatch(timer)) {
        const ended = ends.get(timer);
        ends.delete(timer);
        return { method, message: ended };
      }
      const resolve = (id: string, className: string): unknown =>
        home.refer(engine.locate(id, className), cell, cell.life);
      return { method, message: openBody(bodyFrom(message), resolve) };
    },
    close() {
      for (const cancel of clocks.values()) cancel();
      clocks.clear();
    },
  };
}
