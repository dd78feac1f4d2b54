// Writes down the part of each actor in a run: what it is given and what it does, one port a life. What happens is not
// changed by that: actors get the very promises that they would get without.

import { AsyncLocalStorage } from "node:async_hooks";
import type { Cell } from "../cells/cell.ts";
import type { Onlooker } from "../cells/onlooker.ts";
import type { Environment } from "../environment.ts";
import { nodeOfSteward } from "../nodes/steward.ts";
import type { Random } from "../random.ts";
import { type Generating, isGenerator } from "../stream.ts";
import { clockOver, groundOver, PlayedReference } from "./facade.ts";
import { words } from "./foreign.ts";
import type { Line, Part, Port, Shelf, Written } from "./part.ts";
import { stateOf, write, writeError } from "./written.ts";

export interface Recorder {
  /** Looks on for one node; `handles` is told of each message as its handler begins. */
  onlooker(handles: (cell: Cell, method: string) => void): Onlooker<Cell>;
  /** The clock and the dice of whoever runs, where those that are not the runtime's are used. */
  clock(base: () => Environment): () => Environment;
  dice(base: Random): Random;
  /** The port of whoever runs; nothing where it is the runtime. */
  port(): Port | undefined;
  /** From then on nothing is written down. */
  end(): void;
}

export interface RecorderParts {
  step(): { readonly step: number; readonly timeMs: number };
  /** Takes a line of an actor. */
  take(cell: Cell, line: Line): void;
  /** An actor was made. */
  made?(cell: Cell, actor: object): void;
  /** Looks at the state of an actor when a turn has ended, or at none. */
  look?(cell: Cell, state: () => Written): Written | undefined;
  readonly shelf?: Shelf;
  /** Random numbers are made again from where they began. */
  readonly isSeeded?: boolean;
}

interface Life {
  readonly cell: Cell;
  readonly number: number;
  readonly port: Port;
  turns: number;
  /** A later life of the same cell has another. */
  actor: object | undefined;
  add(line: Omit<Line, "step" | "timeMs" | "life">): void;
}

export function recorder(parts: RecorderParts): Recorder {
  const { step, take, look = (_, state) => state() } = parts;
  const counts = new Map<string, number>();
  const lives = new Map<Cell, Map<number, Life>>();
  /** Whose code runs; nobody where it is the runtime's own, at work for an actor. */
  const running = new AsyncLocalStorage<Life | undefined>();
  let isOver = false;

  function lifeOf(cell: Cell, life: number): Life {
    let own = lives.get(cell);
    if (own === undefined) lives.set(cell, own = new Map());
    const known = own.get(life);
    if (known !== undefined) return known;
    const made = newLife(cell);
    own.set(life, made);
    return made;
  }

  function newLife(cell: Cell): Life {
    let number = 0;
    let calls = 0;
    let drawn: Random | undefined;

    function add(line: Omit<Line, "step" | "timeMs" | "life">): void {
      if (isOver) return;
      if (number === 0) counts.set(cell.id, number = (counts.get(cell.id) ?? 0) + 1);
      take(cell, { ...step(), life: number, ...line });
    }

    const isOwn = (): boolean => !isOver && running.getStore() === life;

    const port: Port = {
      shelf: parts.shelf,
      ...parts.isSeeded === true ? { random } : {},
      act: (what, given, real) => void port.now(what, given, () => (real(), null)),
      now(what, given, real) {
        if (!isOwn()) return real();
        const does = { type: "does", number: ++calls, what, value: write(given) } as const;
        try {
          const answer = running.run(undefined, real);
          add({ ...does, answer: write(answer) });
          return answer;
        } catch (error) {
          add({ ...does, answer: writeError(error), isError: true });
          throw error;
        }
      },
      later<T>(what: string, given: unknown, real: () => PromiseLike<T>, form?: { keep(answer: T): unknown }) {
        if (!isOwn()) return real() as Promise<T>;
        const learns = { type: "learns", number: ++calls, what } as const;
        add({ ...learns, type: "does", value: write(given) });
        const learned = (answer: T): void =>
          add({ ...learns, value: write(form === undefined ? answer : form.keep(answer)) });
        const failed = (error: unknown): void => add({ ...learns, value: writeError(error), isError: true });
        const answer = running.run(undefined, real);
        if (answer instanceof Promise) {
          answer.then(learned, failed);
          return answer as Promise<T>;
        }
        // What nobody waits for must stay so: it may mean something that it does.
        const then: PromiseLike<T>["then"] = (taken, refused) =>
          answer.then(
            (value) => (learned(value), taken === null || taken === undefined ? value as never : taken(value)),
            (error: unknown) => {
              failed(error);
              if (refused === null || refused === undefined) throw error;
              return refused(error);
            },
          );
        // oxlint-disable-next-line no-thenable
        return { then } as Promise<T>;
      },
      once(what, given, real, call) {
        if (!isOwn()) return real(call);
        const learns = { type: "learns", number: ++calls, what } as const;
        add({ ...learns, type: "does", value: write(given) });
        return running.run(undefined, () =>
          real(() => {
            add({ ...learns, value: "" });
            running.run(life, call);
          }));
      },
    };
    /** Of a life or a durable step it is one and the same: that it begins is written down once. */
    function random(own: Random | undefined): Random {
      if (own !== drawn && isOwn()) {
        drawn = own;
        port.now(drawsFrom, null, () => own !== undefined && "origin" in own ? own.origin : null);
      }
      return own!;
    }
    const life: Life = { cell, number, port, turns: 0, actor: undefined, add };
    return life;
  }

  /** Runs a turn of an actor, and writes down what it comes to. */
  function runTurn<T>(cell: Cell, type: "begins" | "gets", what: string, given: unknown, run: () => T): T {
    if (nodeOfSteward(cell.id) !== undefined) return running.run(undefined, run);
    const life = lifeOf(cell, cell.life);
    const number = ++life.turns;
    life.add({ type, number, what, value: write(given) });
    const ends = (line: Pick<Line, "value" | "isError">): void => {
      const { actor } = life;
      const state = isOver || actor === undefined
        ? undefined
        : look(cell, () => write(stateOf(actor, cell.terms.durable)));
      life.add({ type: "ends", number, what, ...line, ...(state === undefined ? {} : { state }) });
    };
    const threw = (error: unknown): void => ends({ value: writeError(error), isError: true });
    let result: T;
    try {
      result = running.run(life, run);
    } catch (error) {
      threw(error);
      throw error;
    }
    if (result instanceof Promise) result.then((value: unknown) => ends({ value: write(value) }), threw);
    else if (type === "begins") {
      life.actor = result as object;
      parts.made?.(cell, life.actor);
      ends({ value: "" });
    } else if (typeof result === "object" && result !== null && isGenerator(result)) {
      ends({ value: write("a generator") });
      return read(life, number, what, result) as T;
    } else ends({ value: write(result) });
    return result;
  }

  /** A generator goes on when it is asked to, which is one more thing that its actor is given. */
  function read(life: Life, number: number, what: string, generator: Generating): Generating {
    function resume(how: "next" | "return"): ReturnType<Generating["next"]> {
      life.add({ type: "resumes", number, what, value: write(how) });
      const yields = (line: Pick<Line, "value" | "isError">): void =>
        life.add({ type: "yields", number, what, ...line });
      const threw = (error: unknown): void => yields({ value: writeError(error), isError: true });
      try {
        const step = running.run(life, () => how === "next" ? generator.next() : generator.return!(undefined));
        if (step instanceof Promise) step.then((value: unknown) => yields({ value: write(value) }), threw);
        else yields({ value: write(step) });
        return step;
      } catch (error) {
        threw(error);
        throw error;
      }
    }
    return {
      next: () => resume("next"),
      ...(generator.return === undefined ? {} : { return: () => resume("return") }),
      [Symbol.asyncIterator]: (): unknown => generator,
    } as Generating;
  }

  return {
    onlooker: (handles) => ({
      handle(cell, handler, message) {
        handles(cell, handler.name);
        return runTurn(cell, "gets", handler.name, message, () => handler.run.call(cell.actor!, message));
      },
      occasion(cell, what, given, run) {
        if (what === "begins") return runTurn(cell, "begins", what, given, run);
        const { actor, terms } = cell;
        if (what === "starts" && terms.durable && actor !== undefined) {
          const state = write(stateOf(actor, true));
          lifeOf(cell, cell.life).add({ type: "restores", number: 0, what: "its state", value: state });
        }
        return runTurn(cell, "gets", what === "starts" ? "started" : "stopping", undefined, run);
      },
      refer(sender) {
        const cell = sender.source as Cell;
        return new PlayedReference(sender.target, cell, sender.life, () => lifeOf(cell, sender.life).port, sender);
      },
      aside: (run) => running.run(undefined, run),
      ground: (cell, life, ground) => groundOver(lifeOf(cell, life).port, ground.self as never, ground),
    }),
    clock: (base) => () => {
      const life = running.getStore();
      return life === undefined ? base() : { ...base(), ...clockOver(life.port, base()) };
    },
    dice: (base) => ({
      ...base,
      next() {
        const life = running.getStore();
        return life === undefined ? base.next() : life.port.now(words.random, null, base.next);
      },
    }),
    port: () => isOver ? undefined : running.getStore()?.port,
    end: () => void (isOver = true),
  };
}

/** What is said of where random numbers begin. */
export const drawsFrom = "takes random numbers";

/** Lines in memory, of each actor its own: so many bytes in all. */
export function keptParts(bytesMax: number): Pick<RecorderParts, "take"> & { parts(): Readonly<Record<string, Part>> } {
  const parts = new Map<string, Part & { readonly lines: Line[]; lacks?: string }>();
  let bytes = 0;
  return {
    take({ id, className }, line) {
      let own = parts.get(id);
      if (own === undefined) parts.set(id, own = { actor: id, class: className, lines: [] });
      if (own.lacks !== undefined) return;
      bytes += lineBytes + line.value.length + (line.answer?.length ?? 0) + (line.state?.length ?? 0);
      if (bytes <= bytesMax) own.lines.push(line);
      else own.lacks = `it ends at step ${line.step}, at ${bytesMax} bytes in all; raise recordBytesMax`;
    },
    parts: () => Object.fromEntries(parts),
  };
}

/** What a line costs beside its values. */
const lineBytes = 100;
