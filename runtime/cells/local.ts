// The system of one thread: what `launch` gives to a program that runs all its actors beside itself.

import { ShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import { Parcel } from "./call.ts";
import { Cell, Phase } from "./cell.ts";
import { type Engine, engine } from "./engine.ts";
import type { Environment } from "../environment.ts";
import { identity } from "./failure.ts";
import { type Doings, groundOf } from "./ground.ts";
import { checkKeys, checkStop } from "../options.ts";
import { type Pooling, poolOf, type Work } from "../pool.ts";
import { random } from "../random.ts";
import type { AnyActorRef } from "../ref.ts";
import type { Ledger } from "../run/ledger.ts";
import type { RunRecord } from "../run/records.ts";
import type { Elsewhere } from "./post.ts";
import { Distant } from "./posted.ts";
import { Reference, type Sender } from "../reference.ts";
import { nameOf, noOptions, spawning } from "./spawning.ts";
import type { Supervision } from "../supervision.ts";
import type { ActorClass, Ended, Limits, SpawnOptions, StopOptions, System } from "../system.ts";

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
  /** Told of each message as its handler begins. */
  readonly trace?: ((actor: string, method: string) => void) | undefined;
  /** Picks the next of so many that are ready; the first unless said. */
  readonly choose?: ((ready: number) => number) | undefined;
  /** The other nodes; nothing for one that is alone. */
  readonly elsewhere?: ((engine: Engine) => Elsewhere<Cell>) | undefined;
  /** The nodes that are other threads of this process; nothing where there are none. */
  readonly threads?: (() => Promise<readonly string[]>) | undefined;
  /** Where pools live that do not say it. */
  readonly poolsOn?: "threads" | undefined;
}

const poolKeys = ["size", "input", "nodes", "on", "attemptsMax", "supervision", "limits"];

/** How often a task of a pool may begin when the members that had it ended. */
const attemptsMaxDefault = 3;

/** A system, and what a simulator may do to it. */
export interface Local {
  readonly system: System;
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
    trace: options.trace,
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
  const spawn = spawning({
    engine: actors,
    limits,
    supervision: options.supervision,
    isClosing: () => isClosing,
    elsewhere,
    nextThread: async (what) => (await threadsFor(what))[0]!,
  });
  let turns = 0;

  /** The other threads, another one first each time. */
  async function threadsFor(what: string): Promise<readonly string[]> {
    const nodes = await options.threads?.() ?? [];
    if (nodes.length === 0) {
      throw new ShoalError("BadInput", `${what} on threads: this system has none; give launch a number of threads`);
    }
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

  async function pool(by: Cell, lived: number, Class: ActorClass, pooling: Pooling): Promise<Work> {
    const { size, input, nodes: said, on, attemptsMax = attemptsMaxDefault, ...rest } = pooling;
    const what = `Cannot make a pool of ${nameOf(Class)}`;
    checkKeys(what, pooling, poolKeys);
    if (on !== undefined && on !== "threads") {
      throw new ShoalError("BadInput", `${what}: on is ${String(on)}, expected "threads"`);
    }
    for (const [name, value] of Object.entries({ size, attemptsMax })) {
      if (Number.isSafeInteger(value) && value >= 1) continue;
      throw new ShoalError("BadInput", `${what}: ${name} is ${String(value)}, expected a whole number from 1`);
    }
    const nodes = said ?? ((on ?? options.poolsOn) === "threads" ? await threadsFor(what) : undefined);
    const members: Sender[] = [];
    try {
      for (let i = 0; i < size; i++) {
        const where = nodes === undefined ? rest : { ...rest, node: nodes[i % nodes.length]! };
        members.push(await spawn(by, lived, Class, input, where));
      }
    } catch (error) {
      for (const member of members) void stop(cellOf(member), { now: true });
      throw error;
    }
    return poolOf({
      className: Class.name,
      members,
      ledger: options.ledger,
      attemptsMax,
      deadlines: home.deadlines,
      replyTimeoutMs: limits.replyTimeoutMs,
      now: () => environment.now(),
      accept(message) {
        const passage = home.passage(program, program.life);
        const passed = home.pass(message, passage);
        if (passage.tensors === undefined) return { message: passed, done() {} };
        const parcel = new Parcel(
          home.refer(program, program, program.life),
          passage.tensors,
          home.hold(passage.tensors),
        );
        return { message: passed, done: () => home.over(parcel, false) };
      },
      isOpen: ({ target }) => !(target instanceof Cell) || target.open,
      whenIdle(member, call) {
        const cell = member.target;
        // Of one elsewhere nobody knows what others send it; when it has answered, it is as good as idle.
        if (!(cell instanceof Cell)) return call(member);
        if (cell.phase === Phase.running && !cell.busy && cell.mailbox === undefined) call(member);
        else (cell.extra.idle ??= []).push(() => call(member));
      },
      watch: (member, watcher) => watch(cellOf(member), watcher),
      stop: (member, stopping) => stop(cellOf(member), stopping),
    });
  }

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

  const doings: Doings = {
    store: store.tensors,
    log,
    random({ life: lived, serial, extras }) {
      // No name can be taken for a number, and a new life does not repeat what the last one drew.
      const who = extras?.name === undefined ? `serial:${serial}` : `name:${extras.name}`;
      return random(`${seed}/${lived}/${who}`);
    },
    spawn,
    pool,
    find,
    watch: (actor, watcher) => watch(cellOf(actor), watcher),
    stop: (actor, stopping) => stop(cellOf(actor), stopping),
  };

  function close(stopping: StopOptions = {}): Promise<void> {
    try {
      checkStop("Cannot close the system", stopping);
    } catch (error) {
      return Promise.reject(error);
    }
    isClosing = true;
    const roots = [...cells.values()].filter((cell) => cell.parent === undefined);
    // Again also when it is closing already: one that cannot wait any more hastens it.
    const stops = roots.map((cell) => life.stop(cell, stopping, "system closed"));
    return closing ??= end(stops);
  }

  async function end(stops: readonly Promise<unknown>[]): Promise<void> {
    try {
      await Promise.all(stops);
      await elsewhere?.close();
      home.deadlines.close();
      await store.close();
    } catch (error) {
      failure ??= { error };
      throw error;
    } finally {
      if (failure === undefined) settleEnded.resolve();
      else settleEnded.reject(failure.error);
    }
  }

  const system: System = {
    run,
    seed,
    store: store.tensors,
    spawn(Class, ...rest) {
      const [input, options] = rest as [unknown?, SpawnOptions?];
      return spawn(program, program.life, Class, input, options ?? noOptions);
    },
    pool: (Class, pooling) => pool(program, program.life, Class, pooling),
    find: (Class, name) => find(program, Class, name),
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
