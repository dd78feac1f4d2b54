// How an actor comes to be: on which terms, under which name, and what becomes of one that cannot start.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import { isSurvives, outlasts } from "../../stores/open.ts";
import type { Survives } from "../../stores/store.ts";
import { Actor } from "../actor.ts";
import { Cell, type Home, Phase } from "./cell.ts";
import type { Engine } from "./engine.ts";
import { handlerError, identity } from "./failure.ts";
import { type Kind, kindOf } from "./kind.ts";
import { noKind, taskOf } from "../kinds.ts";
import { isPrimitive } from "../messages/message.ts";
import { checkKeys, limitsFrom, supervisionFrom } from "../options.ts";
import type { Elsewhere } from "./post.ts";
import type { Sender } from "../reference.ts";
import { resourcesFrom, type Wanted } from "../resources.ts";
import type { Supervision } from "../supervision.ts";
import type { ActorClass, Limits, Resources, SpawnOptions } from "../system.ts";
import type { Terms } from "./terms.ts";
import { turn } from "./turn.ts";

/** Starts an actor on behalf of the program, or of an actor in one of its lives. */
export type Spawn = (
  by: Cell,
  life: number,
  Class: ActorClass,
  input: unknown,
  options: SpawnOptions,
) => Promise<Sender>;

export interface SpawningParts {
  readonly engine: Engine;
  readonly limits: Limits;
  readonly supervision: Supervision;
  /** Whether nobody new is let in. */
  isClosing(): boolean;
  /** The other nodes; nothing for one that is alone. */
  readonly elsewhere: Elsewhere<Cell> | undefined;
  /** The node that the next actor of a kind of task goes to that is to live in another thread, or another process. */
  nextPlace(what: string, on: "threads" | "processes", task: string | undefined): Promise<string>;
}

/** What most are spawned with. */
export const noOptions: SpawnOptions = {};
/** In options of our own: the address that an actor had before, which it has again. */
export const sameAddress: unique symbol = Symbol("same address");
/** In options of our own: the number of what was reserved for an actor. */
export const allotted: unique symbol = Symbol("allotted");
const spawnKeys = ["name", "node", "on", "task", "resources", "supervision", "limits"];

export function spawning({ engine, limits, supervision, isClosing, elsewhere, nextPlace }: SpawningParts): Spawn {
  const { home, life, names, program, make } = engine;
  const kinds = new Map<ActorClass, Kind>();
  const usualTerms = new Map<ActorClass, Terms<Home>>();

  function termsOf(Class: ActorClass, options: SpawnOptions): Terms<Home> {
    const isUsual = options.supervision === undefined && options.limits === undefined && options.task === undefined;
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
    const task = taskOf(what, options.task);
    const survives = survivesOf(Class);
    const durable = survives !== undefined;
    if (durable && !outlasts(elsewhere?.survives ?? "nothing", survives)) {
      const text = `${what}: it is durable, and its store survives ${
        elsewhere?.survives ?? "nothing"
      }, not ${survives}`;
      throw new ShoalError("BadInput", `${text}; choose another, as --store file:///scratch/run`);
    }
    const terms = { home, Class, kind, supervision: policy, task, durable, mailboxMessagesMax, mailboxBytesMax };
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

  async function placed(Class: ActorClass, { on, resources, ...rest }: SpawnOptions): Promise<SpawnOptions> {
    const what = `Cannot spawn ${nameOf(Class)}`;
    if (on === undefined) return resources === undefined ? rest : await allot(what, Class, resources, "", rest);
    if (on !== "threads" && on !== "processes") {
      throw new ShoalError("BadInput", `${what}: on is ${String(on)}, expected "threads" or "processes"`);
    }
    if (rest.node !== undefined) throw new ShoalError("BadInput", `${what}: node and on say both where it lives`);
    if (survivesOf(Class) !== undefined) {
      const which = on === "threads" ? "in the main thread, however many others there are" : "on the node of its name";
      const cure = on === "threads" ? "leave out on" : `name the node, as in node: "n2"`;
      throw new ShoalError("BadInput", `${what} on ${on}: it is durable, and is found again ${which}; ${cure}`);
    }
    if (resources !== undefined) return await allot(what, Class, resources, on, rest);
    return { ...rest, node: await nextPlace(what, on, taskOf(what, rest.task)) };
  }

  /** Where there is room for it, which is its own from here on. */
  async function allot(
    what: string,
    Class: ActorClass,
    resources: Resources,
    on: Wanted["on"],
    rest: SpawnOptions,
  ): Promise<SpawnOptions & { readonly [allotted]: number }> {
    const needs = resourcesFrom(what, resources);
    const durable = survivesOf(Class) === undefined ? "" : durableName(Class, rest.name);
    if (elsewhere === undefined) throw new ShoalError("BadInput", `${what}: this system counts no resources`);
    const { node = "" } = rest;
    const task = taskOf(what, rest.task) ?? noKind;
    const given = await elsewhere.allot({ what, needs, on, node, task, durable });
    return { ...rest, node: given.node, [allotted]: given.lease };
  }

  const holders = new WeakSet<Cell>();

  /** What was reserved for an actor is its own until it ends. */
  function hold(cell: Cell, lease: number): void {
    // One that was there before has what it needs.
    if (holders.has(cell)) return elsewhere?.freed(lease);
    holders.add(cell);
    life.watch(cell, () => elsewhere?.freed(lease));
  }

  function leased(spawn: Spawn): Spawn {
    return async (by, lived, Class, input, options) => {
      const lease = Reflect.get(options, allotted) as number | undefined;
      if (lease === undefined || lease === 0) return await spawn(by, lived, Class, input, options);
      const isHere = options.node === undefined || options.node === home.node;
      try {
        const actor = await spawn(by, lived, Class, input, options);
        if (isHere && actor.target instanceof Cell) hold(actor.target, lease);
        return actor;
      } catch (error) {
        // Of a process that was lost with what it was asked, nobody knows whether it has begun.
        if (!isShoalError(error, "Lost")) elsewhere?.freed(lease);
        throw error;
      }
    };
  }

  const spawn: Spawn = async (by, lived, Class, input, options) => {
    const { name } = options;
    if (options.node !== undefined && options.node !== home.node) {
      if (elsewhere !== undefined) return await elsewhere.spawn(by, lived, Class, input, options);
      throw new ShoalError("BadInput", `Cannot spawn ${nameOf(Class)} on ${options.node}: this system has one node`);
    }
    const terms = termsOf(Class, options);
    const before = terms.durable ? elsewhere?.found(durableName(Class, name)) : undefined;
    if (before !== undefined) return home.refer(checkFound(before, Class), by, lived);
    if (name !== undefined) checkName(name);
    const passed = isPrimitive(input) ? input : home.pass(input, home.passage(program, program.life));
    // A durable actor outlives those who asked for it.
    const cell = make(terms, by === program || terms.durable ? undefined : by, passed);
    if (name !== undefined) {
      cell.extra.name = name;
      names.set(name, cell);
      if (terms.durable) {
        cell.extra.address = addressOf(home.node, name);
        engine.addresses.set(cell.extra.address, cell);
      }
    }
    const address = Reflect.get(options, sameAddress) as string | undefined;
    if (address !== undefined) {
      cell.extra.address = address;
      engine.addresses.set(address, cell);
    }
    home.record(() => ({ type: "ActorSpawned", actor: identity(cell), ...(by === program ? {} : { parent: by.id }) }));
    try {
      if (terms.durable) elsewhere?.conceive(cell, options);
      if (name !== undefined) await elsewhere?.name(cell, name);
    } catch (error) {
      await life.stop(cell, { now: true }, "stopped");
      throw error;
    }
    // While a handler waits for this start, the new actor cannot wait for that handler.
    let hasBegun = false;
    const isHandling = by !== program && (by.busy || turn.actor === by);
    if (isHandling) (by.extra.waitsFor ??= new Set()).add(cell);
    try {
      const starting = life.begin(cell);
      if (starting !== undefined) await startOrEnd(cell, starting);
      hasBegun = true;
      if (terms.durable) await elsewhere?.born(cell);
    } catch (error) {
      const wasEnded = cell.phase >= Phase.stopping;
      await life.stop(cell, { now: true }, "crashed", error);
      if (hasBegun) throw error;
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
    return home.refer(cell, by, lived);
  };
  const spawnLeased = leased(spawn);

  return async (by, lived, Class, input, asked) => {
    checkSpawner(by, lived, Class);
    if (asked === noOptions) return await spawn(by, lived, Class, input, asked);
    checkKeys(`Cannot spawn ${nameOf(Class)}`, asked, spawnKeys);
    const isPlaced = asked.on === undefined && asked.resources === undefined;
    return await spawnLeased(by, lived, Class, input, isPlaced ? asked : await placed(Class, asked));
  };
}

export function nameOf(value: unknown): string {
  return typeof value === "function" ? value.name || "an anonymous class" : String(value);
}

/** What a class says that its actors outlive: `durable = true` is the end of their process. */
export function survivesOf(Class: ActorClass): Survives | undefined {
  if (!("durable" in Class) || Class.durable === undefined || Class.durable === false) return undefined;
  if (Class.durable === true) return "process";
  if (isSurvives(Class.durable)) return Class.durable;
  const text = `Cannot spawn ${nameOf(Class)}: durable is ${String(Class.durable)}`;
  throw new ShoalError("BadInput", `${text}; expected true, or what its store must survive: process, host, power`);
}

function durableName(Class: ActorClass, name: string | undefined): string {
  if (name !== undefined) return name;
  throw new ShoalError("BadInput", `Cannot spawn ${nameOf(Class)}: a durable actor needs a name to be found by again`);
}

function checkFound(cell: Cell, Class: ActorClass): Cell {
  if (cell.terms.Class === Class) return cell;
  const text = `Cannot spawn ${nameOf(Class)}: the durable actor of that name is a ${cell.className}`;
  throw new ShoalError("Incompatible", text);
}

/** The address of a durable actor: the same in every process that its node ever is. */
export function addressOf(node: string, name: string): string {
  const logical = node.includes(".") ? node.slice(0, node.lastIndexOf(".")) : node;
  const written = encodeURIComponent(name).replace(/[()~]/g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  return `${logical}/@${written}`;
}
