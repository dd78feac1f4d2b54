// A node: the actors of one process, and their place among those of others.

import { ShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import type { Cell } from "../cells/cell.ts";
import { local, type PoolsOn } from "../cells/local.ts";
import type { Onlooker } from "../cells/onlooker.ts";
import type { DeliveryLimits } from "../delivery/events.ts";
import type { Environment } from "../environment.ts";
import type { Linking } from "../links/link.ts";
import type { Ledger } from "../run/ledger.ts";
import type { RunRecord } from "../run/records.ts";
import type { Supervision } from "../supervision.ts";
import type { AnyActorRef } from "../ref.ts";
import type { ActorClass, Limits, SpawnOptions, StopOptions, System } from "../system.ts";
import type { Classes } from "./classes.ts";
import { journal } from "./journal.ts";
import type { Recipe, Recipes } from "./recipe.ts";
import { type Neighbourhood, neighbourhood } from "./neighbourhood.ts";
import type { Services } from "./steward.ts";

export interface NodeOptions {
  readonly run: string;
  /** What only the nodes of the run know: mail from and to others is refused. */
  readonly token?: string | undefined;
  /** The logical node: whoever opens the same one later is its successor, and fences it. */
  readonly name: string;
  /** Of the start that was asked for: one process is the node by it, and no other. */
  readonly ticket?: string | undefined;
  /** Of a name that is made for one process: whether nobody has been the node before. As the store says, unless set. */
  readonly isFirst?: boolean | undefined;
  readonly seed: number;
  readonly strict: boolean;
  readonly environment: Environment;
  /** Home: its claims and logs carry the node's epochs and journal. The node closes it. */
  readonly store: Store;
  /** What carries the node's epochs and journal in its place, where it does not outlive the process. Closed like it. */
  readonly home?: Store | undefined;
  readonly link: Linking;
  readonly classes: Classes;
  readonly limits: Limits;
  readonly delivery?: Partial<DeliveryLimits>;
  /** How often what is not acknowledged is said again. */
  readonly tickMs?: number;
  readonly supervision: Supervision;
  readonly record: ((record: RunRecord) => void) | undefined;
  /** Keeps what the tasks of pools answered. */
  readonly ledger?: Ledger | undefined;
  /** The nodes that are other threads of this process, and those that are other processes. */
  readonly threads?: (() => Promise<readonly string[]>) | undefined;
  readonly processes?: ((task: string | undefined) => Promise<readonly string[]>) | undefined;
  /** The kinds of task that pools place here where they live everywhere, "" for those without one; all unless said. */
  readonly takes?: readonly string[] | undefined;
  /** Where pools live that do not say it. */
  readonly poolsOn?: PoolsOn | undefined;
  /** A call to an actor of another node was given up that may have begun there. */
  readonly givenUp?: ((node: string) => void) | undefined;
  /** Is told of the actors that other nodes have asked for. */
  readonly recipes?: Recipes | undefined;
  /** Whether the run has such a node; unless given, mail to any is kept until it comes. */
  readonly knows?: ((node: string) => boolean) | undefined;
  /** What other nodes may ask of this one, beside what each node does for others. */
  readonly services?: Services | undefined;
  /** Whether a node whose process is gone has, or will have, another. */
  readonly succeeds?: ((node: string) => boolean) | undefined;
  /** The node that knows what each process has, for actors that need something of it. */
  readonly accounts?: string | undefined;
  /** Called when all has ended well, before the store is closed. */
  readonly over?: (() => Promise<void>) | undefined;
  readonly onlooker?: Onlooker<Cell> | undefined;
  /** Picks the next of so many that are ready; the first unless said. */
  readonly choose?: ((ready: number) => number) | undefined;
}

/** A node that has claimed its name, and has its durable actors back. */
export interface RunningNode {
  readonly name: string;
  readonly epoch: number;
  /** Its system: `spawn` with `node` places an actor on another node, `find` finds one by name there too. */
  readonly system: System;
  /** The addresses of those that could crash now. */
  actors(): readonly string[];
  /** Makes an actor fail, wherever it is: between two messages, or in the middle of a handler. */
  crash(id: string, error: Error): void;
  /** The process of another node is gone: what was under way to it settles. */
  lost(node: string): void;
  /** The same, and nobody will be that node again. */
  gone(node: string): void;
  /** Settles when another node has taken in all that was sent to it before, and what it had sent before that is here. */
  reached(node: string): Promise<void>;
  /** Asks another node for one of its services. It may take as long as it takes; a node that is lost settles it. */
  request(node: string, what: string, argument: unknown): Promise<unknown>;
  /** Tells it, and expects nothing. */
  note(node: string, what: string, argument: unknown): void;
  /** Ends all actors, and leaves the node open to those who have to hear of it. */
  drain(stopping: StopOptions): Promise<void>;
  /** Makes an actor again that a process before this one had. */
  again(recipe: Recipe): Promise<void>;
  /** Settles when the node has ended: with `Fenced` where a successor has taken its place. */
  readonly ended: Promise<Error | undefined>;
}

/** How often what is not acknowledged is said again. */
const tickMsDefault = 100;

/** Claims a node's name, takes over what a predecessor committed, and lets its actors run. */
export async function openNode(options: NodeOptions): Promise<RunningNode> {
  const { name, environment, store, tickMs = tickMsDefault } = options;
  const home = options.home ?? store;
  const keeper = journal({
    node: name,
    token: environment.token(),
    ticket: options.ticket,
    isFirst: options.isFirst,
    logs: home.logs,
    claims: home.claims,
    environment,
  });
  const standing = await keeper.standing();
  const epoch = standing + 1;
  /** What its volatile actors' addresses begin with: those of an earlier process are not to be mistaken for them. */
  const process = epoch === 1 ? name : `${name}.${epoch}`;
  let settleEnded!: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => settleEnded = resolve);
  let parts!: Neighbourhood;
  // It is used until the last.
  const held: Store = options.home === undefined ? store : {
    ...store,
    async close() {
      await store.close();
      await home.close();
    },
  };
  const { system, drain, actors, crash, fail } = local({
    ...options,
    store: held,
    node: process,
    elsewhere(engine) {
      parts = neighbourhood(engine, { ...options, process, home, journal: keeper, tickMs, spawn, stopped });
      return parts.elsewhere;
    },
  });

  function spawn(Class: ActorClass, input: unknown, spawning: SpawnOptions): Promise<AnyActorRef> {
    return system.spawn(Class, ...([input ?? undefined, spawning] as never));
  }

  function stopped(error: Error): void {
    parts.stop(error instanceof ShoalError ? error : new ShoalError("Unavailable", error.message, { cause: error }));
    settleEnded(error);
    fail(error);
  }

  try {
    await parts.driver.start(standing);
    await parts.begun();
  } catch (error) {
    await system.close({ now: true }).catch(() => {});
    throw error;
  }
  system.ended.then(() => settleEnded(undefined), (error: unknown) => settleEnded(error as Error));
  const { lost, gone, reached, again, request, note } = parts;
  return { name, epoch, system, drain, actors, crash, lost, gone, reached, request, note, again, ended };
}
