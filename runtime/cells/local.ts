// The system of one thread: what `launch` gives to a program that runs all its actors beside itself.

import { ShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import { Cell, Phase } from "./cell.ts";
import { type Engine, engine } from "./engine.ts";
import type { Environment } from "../environment.ts";
import { identity } from "./failure.ts";
import { type Doings, groundOf } from "./ground.ts";
import { isTaken, taskOf, untaken } from "../kinds.ts";
import { checkStop } from "../options.ts";
import { pooling } from "./pooling.ts";
import { random } from "../random.ts";
import type { AnyActorRef } from "../ref.ts";
import type { Ledger } from "../run/ledger.ts";
import type { RunRecord } from "../run/records.ts";
import type { Onlooker } from "./onlooker.ts";
import type { Elsewhere } from "./post.ts";
import { Distant } from "./posted.ts";
import { Reference, type Sender } from "../reference.ts";
import { noOptions, spawning } from "./spawning.ts";
import type { Supervision } from "../supervision.ts";
import { topics as topicsOf } from "../topics/topics.ts";
import { systems } from "./turn.ts";
import type { ActorClass, Ended, Limits, SpawnOptions, StopOptions, System } from "../system.ts";
import type { Topic } from "../topic.ts";

export interface LocalOptions {
  readonly run: string;
  readonly node: string;
  readonly seed: number;
  readonly strict: boolean;
  readonly environment: Environment;
  readonly store: Store;
  readonly limits: Limits;
  readonly supervision: Supervision;
  readonly record: ((record: RunRecord) => void) | undefined;
  /** Keeps what the tasks of pools answered. */
  readonly ledger?: Ledger | undefined;
  readonly onlooker?: Onlooker<Cell> | undefined;
  /** Picks the next of so many that are ready; the first unless said. */
  readonly choose?: ((ready: number) => number) | undefined;
  /** The other nodes; nothing for one that is alone. */
  readonly elsewhere?: ((engine: Engine) => Elsewhere<Cell>) | undefined;
  /** The nodes that are other threads of this process; nothing where there are none. */
  readonly threads?: (() => Promise<readonly string[]>) | undefined;
  /** The nodes of other processes that take actors for a kind of task; nothing where there are none. */
  readonly processes?: ((task: string | undefined) => Promise<readonly string[]>) | undefined;
  /** The kinds of task that pools place here where they live everywhere, "" for those without one; all unless said. */
  readonly takes?: readonly string[] | undefined;
  /** Where pools live that do not say it. */
  readonly poolsOn?: PoolsOn | undefined;
  /** Called when all has ended well, before the store is closed. */
  readonly over?: (() => Promise<void>) | undefined;
}

/** `everywhere`: on the threads of this process, or in it where it has none, and in the others. */
export type PoolsOn = "threads" | "everywhere";
type Where = PoolsOn | "processes";

/** A system, and what a simulator may do to it. */
export interface Local {
  readonly system: System;
  /** Ends all actors, and leaves the system open to those who have to hear of it. */
  drain(stopping: StopOptions): Promise<void>;
  /** The addresses of those that could crash now. */
  actors(): readonly string[];
  /** Ends the system at once, with this as the reason. */
  fail(error: Error): void;
  /** Makes an actor fail, wherever it is: between two messages, or in the middle of a handler. */
  crash(id: string, error: Error): void;
}

/** The system alone, for programs. */
export function localSystem(options: LocalOptions): System {
  return local(options).system;
}

export function local(options: LocalOptions): Local {
  const { environment, limits, run, seed, store } = options;
  const timers = { count: 0 };
  let closing: Promise<void> | undefined;
  let isClosing = false;
  let settleEnded!: { resolve: () => void; reject: (error: unknown) => void };
  const ended = new Promise<void>((resolve, reject) => settleEnded = { resolve, reject });
  // Whoever waits for the end learns of it; a program that does not is not ended by it.
  ended.catch(() => {});
  let failure: { error: unknown } | undefined;

  const beyond: { elsewhere?: Elsewhere<Cell> } = {};
  const actors = engine({
    node: options.node,
    environment,
    store: store.tensors,
    limits,
    strict: options.strict,
    record: options.record,
    onlooker: options.onlooker,
    choose: options.choose,
    post: options.elsewhere === undefined ? undefined : (made) => beyond.elsewhere = options.elsewhere!(made),
    ground: (cell, lived) => groundOf(cell, lived, doings, timers),
    escalated(cell, error) {
      const text = `no one above ${cell.className} ${cell.id} can judge its failure: the system ends`;
      log({ type: "MessageLogged", level: "error", text, actor: identity(cell) });
      failure ??= { error };
      close({ now: true }).catch(() => {});
    },
  });
  const { home, life, letters, log, counts, cells, names, program } = actors;
  const { elsewhere } = beyond;
  const here = (): Iterable<Cell> => cells.values();
  systems.add(here);
  const spawn = spawning({
    engine: actors,
    limits,
    supervision: options.supervision,
    isClosing: () => isClosing,
    elsewhere,
    nextPlace: async (what, on, task) => (await placesFor(what, on, task))[0]!,
  });
  let turns = 0;

  async function placesOn(what: string, on: Where, task: string | undefined): Promise<readonly string[]> {
    const own = on === "processes" || (on === "everywhere" && !isTaken(options.takes, task))
      ? []
      : on === "everywhere" && options.threads === undefined
      ? [options.node]
      : await options.threads?.() ?? [];
    const others = on === "threads" ? [] : await options.processes?.(task) ?? [];
    if (own.length + others.length > 0) return [...own, ...others];
    if (options.takes !== undefined && on !== "threads") throw untaken(what, task);
    const cure = on === "threads" ? "a number of threads" : "nodes: 2, or more, or the run --nodes 2";
    throw new ShoalError("BadInput", `${what} on ${on}: this system has none; give launch ${cure}`);
  }

  /** The nodes that take actors there, another one first each time. */
  async function placesFor(what: string, on: Where, task: string | undefined): Promise<readonly string[]> {
    const nodes = await placesOn(what, on, task);
    const first = turns++ % nodes.length;
    return [...nodes.slice(first), ...nodes.slice(0, first)];
  }

  /** The actor that is referred to, or its address where it is on another node. */
  function cellOf(actor: AnyActorRef): Cell | Distant {
    if (actor instanceof Reference) {
      const target = actor.target instanceof Distant ? actors.locate(actor.id, actor.target.className) : actor.target;
      if (target instanceof Cell ? target.home === home : target instanceof Distant) return target;
    }
    throw new ShoalError(
      "BadInput",
      `Cannot use ${String(actor)} as an actor: it is no reference to one of this system`,
    );
  }

  const pool = pooling({
    engine: actors,
    ledger: options.ledger,
    usually: options.poolsOn,
    spawn,
    placesFor,
    watch: (member, watcher) => watch(cellOf(member), watcher),
    stop: (member, stopping) => stop(cellOf(member), stopping),
  });

  function watch(actor: Cell | Distant, watcher: (ended: Ended) => void): () => void {
    return actor instanceof Cell ? life.watch(actor, watcher) : elsewhere!.watch(actor.id, watcher);
  }

  function stop(actor: Cell | Distant, stopping: StopOptions): Promise<Ended> {
    checkStop(`Cannot stop ${actor.className} ${actor.id}`, stopping);
    return actor instanceof Cell ? life.stop(actor, stopping, "stopped") : elsewhere!.stop(actor.id, stopping);
  }

  async function find(by: Cell, Class: ActorClass, name: string): Promise<Sender | undefined> {
    const cell = names.get(name);
    if (cell === undefined || cell.phase === Phase.ended) return await elsewhere?.find(by, Class, name);
    if (cell.terms.Class !== Class && !(cell.terms.Class.prototype instanceof Class)) {
      throw new ShoalError("Incompatible", `Cannot find ${name} as ${Class.name}: it is a ${cell.className}`);
    }
    return home.refer(cell, by, by.life);
  }

  const topics = topicsOf({
    engine: actors,
    logs: store.logs,
    claims: store.claims,
    tensors: store.tensors,
    watch: (id, watcher) => watch(actors.locate(id, "Actor"), watcher),
  });

  elsewhere?.carries(topics);

  const doings: Doings = {
    store: (task) => (task && store.topic?.(task)) ?? store.tensors,
    log,
    random({ life: lived, serial, extras }) {
      // No name can be taken for a number, and a new life does not repeat what the last one drew.
      const who = extras?.name === undefined ? `serial:${serial}` : `name:${extras.name}`;
      return random(`${seed}/${lived}/${who}`);
    },
    spawn,
    pool,
    find,
    topic: topics.of,
    watch: (actor, watcher) => watch(cellOf(actor), watcher),
    stop: (actor, stopping) => stop(cellOf(actor), stopping),
  };

  async function drain(stopping: StopOptions): Promise<void> {
    isClosing = true;
    const roots = [...cells.values()].filter((cell) => cell.parent === undefined);
    await Promise.all(roots.map((cell) => life.stop(cell, stopping, "system closed")));
  }

  function close(stopping: StopOptions = {}): Promise<void> {
    try {
      checkStop("Cannot close the system", stopping);
    } catch (error) {
      return Promise.reject(error);
    }
    // Again also when it is closing already: one that cannot wait any more hastens it.
    const drained = drain(stopping);
    return closing ??= end(drained);
  }

  async function end(drained: Promise<void>): Promise<void> {
    try {
      await drained;
      await topics.close();
      await elsewhere?.close();
      home.deadlines.close();
      if (failure === undefined) await options.over?.();
      await store.close();
    } catch (error) {
      failure ??= { error };
      throw error;
    } finally {
      systems.delete(here);
      if (failure === undefined) settleEnded.resolve();
      else settleEnded.reject(failure.error);
    }
  }

  const system: System = {
    run,
    seed,
    store: store.tensors,
    storeOf: (task) => doings.store(taskOf("Cannot find a store", task)),
    spawn(Class, ...rest) {
      const [input, options] = rest as [unknown?, SpawnOptions?];
      return spawn(program, program.life, Class, input, options ?? noOptions);
    },
    pool: (Class, pooling) => pool(program, program.life, Class, pooling),
    find: (Class, name) => find(program, Class, name),
    topic: <T>(name: string, options = {}) => topics.of(program, program.life, name, options) as Topic<T>,
    watch: (actor) => new Promise((resolve) => watch(cellOf(actor), resolve)),
    // deno-lint-ignore require-await
    stop: async (actor, stopping = {}) => doings.stop(actor, stopping),
    deadLetters: letters.list,
    statistics: () => ({
      actors: cells.size,
      spawned: counts.spawned,
      handled: counts.handled,
      crashes: counts.crashes,
      restarts: counts.restarts,
      deadLetters: letters.total,
    }),
    ended,
    close,
    [Symbol.asyncDispose]: () => close(),
  };

  /** Those that have an actor, and are not on their way out. */
  function canCrash(cell: Cell): boolean {
    return cell.actor !== undefined && cell.phase < Phase.stopping && cell.phase > Phase.due;
  }

  return {
    system,
    drain,
    fail(error) {
      failure ??= { error };
      close({ now: true }).catch(() => {});
    },
    actors: () => [...cells.values()].filter(canCrash).map(({ id }) => id),
    crash(id, error) {
      for (const cell of cells.values()) {
        if (cell.id === id && canCrash(cell)) return home.failed(cell, error, "anything");
      }
    },
  };
}
