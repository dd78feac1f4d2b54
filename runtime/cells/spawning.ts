// How an actor comes to be: on which terms, under which name, and what becomes of one that cannot start.

import { ShoalError } from "../../stores/error.ts";
import { Actor } from "../actor.ts";
import { type Cell, type Home, Phase } from "./cell.ts";
import type { Engine } from "./engine.ts";
import { handlerError, identity } from "./failure.ts";
import { type Kind, kindOf } from "./kind.ts";
import { isPrimitive } from "../messages/message.ts";
import { checkKeys, limitsFrom, supervisionFrom } from "../options.ts";
import { SendingReference } from "./sending.ts";
import type { Supervision } from "../supervision.ts";
import type { ActorClass, Limits, SpawnOptions } from "../system.ts";
import type { Terms } from "./terms.ts";
import { turn } from "./turn.ts";

/** Starts an actor on behalf of the program, or of an actor in one of its lives. */
export type Spawn = (
  by: Cell,
  life: number,
  Class: ActorClass,
  input: unknown,
  options: SpawnOptions,
) => Promise<SendingReference>;

export interface SpawningParts {
  readonly engine: Engine;
  readonly limits: Limits;
  readonly supervision: Supervision;
  /** Whether nobody new is let in. */
  isClosing(): boolean;
}

/** What most are spawned with. */
export const noOptions: SpawnOptions = {};
const spawnKeys = ["name", "supervision", "limits"];

export function spawning({ engine, limits, supervision, isClosing }: SpawningParts): Spawn {
  const { home, life, names, program, make } = engine;
  const kinds = new Map<ActorClass, Kind>();
  const usualTerms = new Map<ActorClass, Terms<Home>>();

  function termsOf(Class: ActorClass, options: SpawnOptions): Terms<Home> {
    const isUsual = options.supervision === undefined && options.limits === undefined;
    const usual = usualTerms.get(Class);
    if (usual !== undefined && isUsual) return usual;
    if (typeof Class !== "function" || !(Class.prototype instanceof Actor)) {
      throw new ShoalError("BadInput", `Cannot spawn ${nameOf(Class)}: it does not extend Actor`);
    }
    let kind = kinds.get(Class);
    if (kind === undefined) kinds.set(Class, kind = kindOf(Class, Actor.prototype));
    const what = `Cannot spawn ${Class.name}`;
    const { mailboxMessagesMax, mailboxBytesMax } = limitsFrom(what, limits, options.limits);
    const policy = supervisionFrom(what, supervision, options.supervision);
    const terms = { home, Class, kind, supervision: policy, mailboxMessagesMax, mailboxBytesMax };
    if (isUsual) usualTerms.set(Class, terms);
    return terms;
  }

  function checkName(name: string): void {
    if (typeof name !== "string" || name.length === 0 || name.length > limits.nameCharsMax) {
      const shown = JSON.stringify(String(name).slice(0, 40));
      throw new ShoalError(
        "BadInput",
        `Cannot name an actor ${shown}: a name has 1 to ${limits.nameCharsMax} characters`,
      );
    }
    const taken = names.get(name);
    if (taken === undefined) return;
    throw new ShoalError("Conflict", `Cannot name an actor ${name}: ${taken.className} ${taken.id} has that name`);
  }

  /** Throws where the one who spawns has no say any more: what it starts would be nobody's. */
  function checkSpawner(by: Cell, lived: number, Class: ActorClass): void {
    // What an actor spawns while it is drained ends with it.
    if (by === program && isClosing()) {
      throw new ShoalError("ShuttingDown", `Cannot spawn ${nameOf(Class)}: the system is closing`);
    }
    if (by.life === lived && by.phase !== Phase.ended) return;
    throw new ShoalError(
      "Fenced",
      `Cannot spawn ${nameOf(Class)}: ${by.className} ${by.id} has ended its life ${lived}`,
    );
  }

  /** A start that never settles is settled by the actor's end. */
  async function startOrEnd(cell: Cell, starting: Promise<void>): Promise<void> {
    let unwatch: (() => void) | undefined;
    const end = new Promise<never>((_, reject) => unwatch = life.watch(cell, reject));
    try {
      await Promise.race([starting, end]);
    } finally {
      unwatch?.();
    }
  }

  return async (by, lived, Class, input, options) => {
    checkSpawner(by, lived, Class);
    if (options !== noOptions) checkKeys(`Cannot spawn ${nameOf(Class)}`, options, spawnKeys);
    const terms = termsOf(Class, options);
    const { name } = options;
    if (name !== undefined) checkName(name);
    const passed = isPrimitive(input) ? input : home.pass(input, home.passage(program, program.life));
    const cell = make(terms, by === program ? undefined : by, passed);
    if (name !== undefined) {
      cell.extra.name = name;
      names.set(name, cell);
    }
    home.record(() => ({ type: "ActorSpawned", actor: identity(cell), ...(by === program ? {} : { parent: by.id }) }));
    // While a handler waits for this start, the new actor cannot wait for that handler.
    const isHandling = by !== program && (by.busy || turn.actor === by);
    if (isHandling) (by.extra.waitsFor ??= new Set()).add(cell);
    try {
      const starting = life.begin(cell);
      if (starting !== undefined) await startOrEnd(cell, starting);
    } catch (error) {
      const wasEnded = cell.phase >= Phase.stopping;
      await life.stop(cell, { now: true }, "crashed", error);
      const what = `Cannot spawn ${Class.name}`;
      if (wasEnded) throw new ShoalError("Ended", `${what}: it was ended before it had started`);
      throw handlerError(`${what}: it threw while starting`, error);
    } finally {
      if (isHandling) by.extras?.waitsFor?.delete(cell);
    }
    try {
      checkSpawner(by, lived, Class);
    } catch (error) {
      await life.stop(cell, { now: true }, "parent ended");
      throw error;
    }
    return new SendingReference(cell, by, lived);
  };
}

export function nameOf(value: unknown): string {
  return typeof value === "function" ? value.name || "an anonymous class" : String(value);
}
