// The system of one thread: what `launch` gives to a program that runs all its actors beside itself.

import { ShoalError } from "../stores/error.ts";
import type { Store } from "../stores/store.ts";
import { Actor } from "./actor.ts";
import { type Cell, handlerError, Phase, type Terms } from "./cell.ts";
import { engine } from "./engine.ts";
import type { Environment } from "./environment.ts";
import { type Doings, groundOf } from "./ground.ts";
import { type Kind, kindOf } from "./kind.ts";
import { identity } from "./life.ts";
import { isPrimitive, passageTo } from "./message.ts";
import { poolOf } from "./pool.ts";
import { random } from "./random.ts";
import type { ActorRef, AnyActorRef } from "./ref.ts";
import type { RunRecord } from "./run/records.ts";
import { SendingReference } from "./sending.ts";
import type { Supervision } from "./supervision.ts";
import type { ActorClass, Limits, PoolOptions, SpawnOptions, StopOptions, System } from "./system.ts";

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
}

/** How often a task of a pool is tried when the members that had it ended. */
const attemptsMaxDefault = 3;

export function localSystem(options: LocalOptions): System {
  const { environment, limits, run, seed, store } = options;
  const timers = { count: 0 };
  const kinds = new Map<ActorClass, Kind>();
  const usualTerms = new Map<ActorClass, Terms>();
  let closing: Promise<void> | undefined;
  let settleEnded!: { resolve: () => void; reject: (error: unknown) => void };
  const ended = new Promise<void>((resolve, reject) => settleEnded = { resolve, reject });
  // Whoever waits for the end learns of it; a program that does not is not ended by it.
  ended.catch(() => {});
  let failure: { error: unknown } | undefined;

  const { home, life, letters, log, counts, cells, names, program, make } = engine({
    node: options.node,
    environment,
    store: store.tensors,
    limits,
    strict: options.strict,
    record: options.record,
    ground: (cell, lived) => groundOf(cell, lived, doings, timers),
    escalated(cell, error) {
      const text = `no one above ${cell.className} ${cell.id} can judge its failure: the system ends`;
      log({ type: "MessageLogged", level: "error", text, actor: identity(cell) });
      failure ??= { error };
      void close({ now: true });
    },
  });

  function termsOf(Class: ActorClass, spawning: SpawnOptions): Terms {
    const usual = usualTerms.get(Class);
    if (usual !== undefined && spawning.supervision === undefined && spawning.limits === undefined) return usual;
    if (typeof Class !== "function" || !(Class.prototype instanceof Actor)) {
      throw new ShoalError("BadInput", `Cannot spawn ${nameOf(Class)}: it does not extend Actor`);
    }
    let kind = kinds.get(Class);
    if (kind === undefined) kinds.set(Class, kind = kindOf(Class, Actor.prototype));
    const { mailboxMessagesMax, mailboxBytesMax } = { ...limits, ...spawning.limits };
    const supervision = { ...options.supervision, ...spawning.supervision };
    const terms = { Class, kind, supervision, mailboxMessagesMax, mailboxBytesMax };
    if (spawning.supervision === undefined && spawning.limits === undefined) usualTerms.set(Class, terms);
    return terms;
  }

  async function spawn<C extends ActorClass>(
    by: Cell | undefined,
    Class: C,
    input: unknown,
    spawning: SpawnOptions,
  ): Promise<ActorRef<InstanceType<C>>> {
    if (closing !== undefined) throw new ShoalError("ShuttingDown", `Cannot spawn ${Class.name}: the system is closing`);
    const terms = termsOf(Class, spawning);
    const { name } = spawning;
    if (name !== undefined) checkName(name);
    const unbound = passageTo((reference) => reference, limits.messageBytesMax);
    const cell = make(terms, by, isPrimitive(input) ? input : home.pass(input, unbound));
    if (name !== undefined) {
      cell.extra.name = name;
      names.set(name, cell);
    }
    try {
      const starting = life.begin(cell);
      if (starting !== undefined) await starting;
    } catch (error) {
      const failed = handlerError(`Cannot spawn ${Class.name}: it threw while starting`, error);
      await life.stop(cell, { now: true }, "crashed", error);
      throw failed;
    }
    home.record({ type: "ActorSpawned", actor: identity(cell), ...(by === undefined ? {} : { parent: by.id }) });
    const holder = by ?? program;
    return home.refer(cell, holder, holder.life) as SendingReference;
  }

  function checkName(name: string): void {
    if (name.length === 0 || name.length > limits.nameCharsMax) {
      const text = `Cannot name an actor ${JSON.stringify(name.slice(0, 40))}: a name has 1 to ${limits.nameCharsMax} characters`;
      throw new ShoalError("BadInput", text);
    }
    const taken = names.get(name);
    if (taken === undefined) return;
    const text = `Cannot name an actor ${name}: ${taken.className} ${taken.id} has that name`;
    throw new ShoalError("Conflict", text);
  }

  function cellOf(actor: AnyActorRef): Cell {
    if (actor instanceof SendingReference) return actor.target;
    throw new ShoalError("BadInput", `Cannot use ${String(actor)} as an actor: it is no reference to one`);
  }

  async function pool<C extends ActorClass>(by: Cell | undefined, Class: C, pooling: PoolOptions<C>) {
    const { size, input, attemptsMax = attemptsMaxDefault, ...spawning } = pooling;
    if (!Number.isInteger(size) || size < 1) {
      throw new ShoalError("BadInput", `Cannot make a pool of ${Class.name}: size is ${size}, expected a whole number from 1`);
    }
    const members: SendingReference[] = [];
    try {
      for (let i = 0; i < size; i++) members.push(await spawn(by, Class, input, spawning) as unknown as SendingReference);
    } catch (error) {
      for (const member of members) void life.stop(member.target, { now: true }, "stopped");
      throw error;
    }
    return poolOf({
      className: Class.name,
      members,
      attemptsMax,
      watch: (member, watcher) => life.watch(cellOf(member as SendingReference), watcher),
      stop: (member, stopping) => life.stop(cellOf(member as SendingReference), stopping, "stopped"),
    });
  }

  // deno-lint-ignore require-await
  async function find<C extends ActorClass>(by: Cell, Class: C, name: string): Promise<ActorRef<InstanceType<C>> | undefined> {
    const cell = names.get(name);
    if (cell === undefined || cell.phase === Phase.ended) return undefined;
    if (cell.terms.Class !== Class && !(cell.terms.Class.prototype instanceof Class)) {
      throw new ShoalError("Incompatible", `Cannot find ${name} as ${Class.name}: it is a ${cell.className}`);
    }
    return home.refer(cell, by, by.life) as SendingReference;
  }

  const doings: Doings = {
    store: store.tensors,
    log,
    random: (cell) => random(`${seed}/${cell.extras?.name ?? cell.serial}`),
    spawn,
    pool,
    find,
    watch: (actor, watcher) => life.watch(cellOf(actor), watcher),
    stop: (actor, stopping) => life.stop(cellOf(actor), stopping, "stopped"),
  };

  function close(stopping: StopOptions = {}): Promise<void> {
    return closing ??= (async () => {
      const roots = [...cells.values()].filter((cell) => cell.parent === undefined);
      await Promise.all(roots.map((cell) => life.stop(cell, stopping, "system closed")));
      home.deadlines.close();
      await store.close();
      if (failure === undefined) settleEnded.resolve();
      else settleEnded.reject(failure.error);
    })();
  }

  return {
    run,
    seed,
    store: store.tensors,
    spawn(Class, ...rest) {
      const [input, spawning] = rest as [unknown?, SpawnOptions?];
      return spawn(undefined, Class, input, spawning ?? {});
    },
    pool: (Class, pooling) => pool(undefined, Class, pooling),
    find: (Class, name) => find(program, Class, name),
    watch: (actor) => new Promise((resolve) => life.watch(cellOf(actor), resolve)),
    stop: doings.stop,
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
}

function nameOf(value: unknown): string {
  return typeof value === "function" ? value.name || "an anonymous class" : String(value);
}
