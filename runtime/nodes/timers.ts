// The timers of one durable actor: set and cancelled by its steps, committed with them, and there again after a crash.

import type { Timer as Cancelling } from "../actor.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Timer } from "../delivery/protocol.ts";
import { copyMessage } from "../messages/message.ts";
import { type Body, bodyFrom, openBody, plainBody } from "./body.ts";

export interface Timers {
  /** A step begins: of this timer, or of a message. */
  began(timer: string): void;
  /** When a timer that fired was to fire. */
  dueAt(timer: string): number;
  /** The next time of a timer that repeats. */
  repeats(timer: string): readonly Timer[];
  set(delayMs: number, repeat: boolean, method: string, message: unknown): Cancelling;
  /** What the running step has set and cancelled. */
  taken(): { readonly timersSet: readonly Timer[]; readonly timersDone: readonly string[] };
  /** It is committed: from here on it fires. */
  schedule(timer: Timer): void;
  meaning(timer: string): { readonly method: string; readonly message: unknown };
  close(): void;
}

/** What a timer's name says: the delivery core keeps names and times, no more. */
interface Meaning {
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
}

export function timers({ engine, cell, fire }: TimersParts): Timers {
  const { home } = engine;
  const { environment } = home;
  const clocks = new Map<string, () => void>();
  const due = new Map<string, number>();
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
      const meaning: Meaning = { token: environment.token(), method, message: body, everyMs: repeat ? delayMs : 0 };
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
    taken() {
      const taken = { timersSet, timersDone };
      timersSet = [];
      timersDone = [];
      return taken;
    },
    schedule({ id, at }) {
      clocks.get(id)?.();
      due.set(id, at);
      const ring = (): void => {
        clocks.delete(id);
        fire(id);
      };
      clocks.set(id, environment.after(Math.max(0, at - environment.date()), ring));
    },
    meaning(timer) {
      const { method, message } = JSON.parse(timer) as Meaning;
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
