// Plays one actor of a recorded run again, alone: it is given what it was given, message by message and answer by answer,
// and what it does is compared with what it did. There is no system, no store and no other actor.

import { AsyncLocalStorage } from "node:async_hooks";
import { Actor, construct, type Ground, type Lives } from "../actor.ts";
import { turn } from "../cells/turn.ts";
import { kindOf } from "../cells/kind.ts";
import { isShoalError } from "../../stores/error.ts";
import type { Environment } from "../environment.ts";
import { type Random, random } from "../random.ts";
import type { Reference, Source, Target } from "../reference.ts";
import { type Generating, isGenerator } from "../stream.ts";
import type { ActorClass } from "../system.ts";
import { clockOver, groundOver, PlayedReference } from "./facade.ts";
import { platform, takeOver, words } from "./foreign.ts";
import { isOutput, type Line, type Part, type Port, type Shelf } from "./part.ts";
import { drawsFrom } from "./recorder.ts";
import { type Difference, type Said, script } from "./script.ts";
import { cannot, isShortened, read, readError, restore, shortened, stateOf, write, writeError } from "./written.ts";

/** What a solo tells: which line was expected next, if any, and what there was instead, if anything. */
export interface Solo {
  readonly played: readonly Line[];
  readonly difference: Difference | undefined;
  /** The first clock or dice that it used which are not the runtime's. */
  readonly foreign: string | undefined;
  /** Why it could be played no further, and was the same up to there. */
  readonly lacks: string | undefined;
}

export interface SoloOptions {
  readonly shelf?: Shelf;
  /**
   * How long what an actor does may take that has its answers from elsewhere than its record, as from a file: so many
   * times as it took, and so long in any case. No time unless set.
   */
  readonly patience?: { readonly factor: number; readonly leastMs: number };
}

export type { Said };

/** One life of the actor. */
interface Life extends Lives, Source, Target {
  readonly port: Port;
  actor: object | undefined;
  readonly turns: Map<number, Generating>;
  /** What waits for the answers to come, by the number of what it did. */
  readonly waiting: Map<number, (line: Line) => void>;
}

const settled = Promise.resolve();
/** How many links a chain of promises may have before it is taken for one that waits. */
const roundsMax = 1_000;

const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function solo(Class: ActorClass, part: Part, { shelf, patience }: SoloOptions = {}): Promise<Solo> {
  const { isOpen = false, isSeeded = false } = part;
  if (part.lacks !== undefined && !isOpen) throw cannot(`the record of ${part.actor} is not whole: ${part.lacks}`);
  const isDurable = "durable" in Class && Class.durable !== undefined && Class.durable !== false;
  const kind = kindOf(Class, Actor.prototype);
  const { lines } = part;
  const plot = script(lines, { isOpen, isLoose: patience !== undefined });
  const lives = new Map<number, Life>();
  let foreign: string | undefined;
  let lacks: string | undefined;
  const running = new AsyncLocalStorage<Life>();

  function newLife(number: number): Life {
    let drawn: Random | undefined;
    const port: Port = {
      shelf,
      ...isSeeded ? { random: numbers } : {},
      act(what, given) {
        try {
          port.now(what, given, () => null);
        } catch (error) {
          // What goes another way goes no further; but nobody waits for this to say so.
          if (plot.difference === undefined && !plot.isBeyond) throw error;
        }
      },
      now<T>(what: string, given: unknown, real: () => T): T {
        if (!plot.seek(what)) return real();
        const { answer = "", isError = false } = expectedNow(what, given);
        if (isError) throw readError(answer);
        return read(answer, refer) as T;
      },
      later<T>(what: string, given: unknown, _: unknown, form?: { make(kept: unknown): T }): Promise<T> {
        return new Promise((resolve, reject) => {
          wait(what, given, ({ value, isError }) => {
            if (isError === true) return reject(readError(value));
            const answer = read(value, refer);
            resolve(form === undefined ? answer as T : form.make(answer));
          });
        });
      },
      once(what, given, real, call) {
        if (!plot.seek(what)) return real(() => running.run(life, call));
        const own = wait(what, given, call);
        return () => void life.waiting.delete(own);
      },
    };
    /** Where it began with others, it begins with others. */
    function numbers(): Random {
      plot.seek(drawsFrom);
      const { next } = plot;
      if (drawn === undefined || (next?.life === number && next.what === drawsFrom)) {
        drawn = random(port.now<string>(drawsFrom, null, () => ""));
      }
      return drawn;
    }
    function wait(what: string, given: unknown, then: (line: Line) => void): number {
      try {
        const { number: own } = plot.does({ life: number, type: "does", what, value: write(given) });
        life.waiting.set(own, then);
        return own;
      } catch {
        // It has gone another way, and waits for ever.
        return 0;
      }
    }
    /** Whether it was answered with an error is not the actor's doing. */
    function expectedNow(what: string, given: unknown): Line {
      const { isError } = plot.next ?? {};
      return plot.does({
        life: number,
        type: "does",
        what,
        value: write(given),
        ...(isError === true ? { isError } : {}),
      });
    }
    const refer = (id: string, className: string): Reference =>
      new PlayedReference({ id, className }, life, number, () => port);
    let ground: Ground | undefined;
    const life: Life = {
      id: part.actor,
      className: part.class,
      life: number,
      port,
      actor: undefined,
      turns: new Map(),
      waiting: new Map(),
      ground: () => ground ??= groundOver(port, refer(part.actor, part.class)),
    };
    lives.set(number, life);
    return life;
  }

  const referTo = ({ port, life }: Life) => (id: string, className: string): Reference =>
    new PlayedReference({ id, className }, lives.get(life)!, life, () => port);

  /** Does something as the actor, and says what came of it. */
  function as(life: Life, type: "yields" | "ends", { what, number }: Line, call: () => unknown): void {
    const over = (line: Pick<Line, "value" | "isError">): void => {
      if (plot.difference !== undefined) return;
      plot.seek(what);
      const wanted = type === "ends" ? plot.next?.state : undefined;
      const state = wanted === undefined || life.actor === undefined ? {} : { state: stateNow(life.actor, wanted) };
      try {
        plot.does({ life: life.life, type, what, ...line, ...state });
      } catch {
        // It is known, and the replay ends with it.
      }
    };
    const threw = (error: unknown): void => over({ value: writeError(error), isError: true });
    let result: unknown;
    turn.actor = life;
    try {
      result = running.run(life, call);
    } catch (error) {
      return threw(error);
    } finally {
      turn.actor = undefined;
    }
    if (result instanceof Promise) return void result.then((value: unknown) => over({ value: write(value) }), threw);
    if (type === "ends" && typeof result === "object" && result !== null && isGenerator(result)) {
      life.turns.set(number, result);
      return over({ value: write("a generator") });
    }
    over({ value: write(result) });
  }

  const stateNow = (actor: object, expected: string): string => {
    const state = write(stateOf(actor, isDurable));
    return isShortened(expected) ? shortened(state) : state;
  };

  /** Until it has done so much, or will not. */
  async function comesTo(count: number, tookMs: number): Promise<void> {
    const isComing = (): boolean => plot.done < count && plot.difference === undefined;
    for (let round = 0; isComing() && round < roundsMax; round++) await settled;
    if (isComing()) await pause();
    const deadline = patience === undefined ? 0 : before.now() + patience.leastMs + patience.factor * tookMs;
    while (isComing() && before.now() < deadline) await new Promise<void>((resolve) => before.after(1, resolve));
    plot.lags(count);
  }

  function give(line: Line): void {
    const { type, number, what, value } = line;
    if (type === "begins") {
      const life = newLife(line.life);
      return as(life, "ends", line, () => {
        const input = read(value, referTo(life));
        life.actor = construct(life, () => new Class(input as never));
      });
    }
    const life = lives.get(line.life);
    if (life?.actor === undefined) throw cannot(`${part.actor} ${type} ${what} in a life that has not begun`);
    const { actor } = life;
    switch (type) {
      case "restores":
        return restore(actor, read(value, referTo(life)));
      case "gets":
        return as(life, "ends", line, () => {
          const run = kind.handler(what)?.run ??
            (Reflect.get(actor, what) as ((message: unknown) => unknown) | undefined);
          if (run !== undefined) return run.call(actor, read(value, referTo(life)));
          if (what === "started") return undefined;
          throw kind.unknown(what);
        });
      case "resumes": {
        const generator = life.turns.get(number);
        if (generator === undefined) throw cannot(`${part.actor} goes on with ${what}, which has not begun`);
        const how = read(value, referTo(life));
        return as(life, "yields", line, () => how === "next" ? generator.next() : generator.return!(undefined));
      }
      default: {
        const waits = life.waiting.get(number);
        life.waiting.delete(number);
        return running.run(life, () => waits?.(line));
      }
    }
  }

  // Another clock is answered as it was; where it was not asked before, that is another way.
  const before = platform();
  const clock = (): Environment => {
    const life = running.getStore();
    return { ...before, ...(life === undefined ? {} : clockOver(life.port, before)) };
  };
  const dice = {
    ...random(part.actor),
    next: () => {
      const life = running.getStore();
      return life === undefined ? before.random() : life.port.now(words.random, null, before.random);
    },
  };
  const putBack = takeOver(clock, dice, (what) => running.getStore() && (foreign ??= what));
  let at = 0;
  try {
    let expected = 0;
    let givenMs = lines[0]?.timeMs ?? 0;
    for (; at < lines.length && plot.difference === undefined && lacks === undefined; at++) {
      const line = lines[at]!;
      if (isOutput(line)) {
        expected++;
        continue;
      }
      if (line.step !== lines[at - 1]?.step) await pause();
      await comesTo(expected, line.timeMs - givenMs);
      // What it did before was different: this is not given any more.
      if (plot.difference !== undefined) break;
      givenMs = line.timeMs;
      try {
        give(line);
      } catch (error) {
        if (!isShoalError(error, "Missing")) throw error;
        lacks = error.message;
      }
    }
    if (lacks === undefined) await comesTo(expected, (lines.at(-1)?.timeMs ?? 0) - givenMs);
    await pause();
  } finally {
    putBack();
  }
  const { difference } = plot;
  return { played: lines.slice(0, at), difference, foreign, lacks: lacks ?? (isOpen ? part.lacks : undefined) };
}
