// What joins a node's actors to those of others: each part knows little (the delivery core's driver, what leaves, what
// comes, what is kept, names, streams), and here they are given to each other.

import { ShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { identity } from "../cells/failure.ts";
import type { Elsewhere } from "../cells/post.ts";
import { Distant, isDurable, nodeOf } from "../cells/posted.ts";
import type { DeliveryLimits } from "../delivery/events.ts";
import type { Environment } from "../environment.ts";
import type { Linking } from "../links/link.ts";
import type { Supervision } from "../supervision.ts";
import type { AnyActorRef } from "../ref.ts";
import type { ActorClass, Ended, Limits, SpawnOptions, StopOptions } from "../system.ts";
import type { Classes } from "./classes.ts";
import { circles, type Probe, waitingFor } from "./circles.ts";
import { deliveryLimits } from "./limits.ts";
import { type Driver, driver, type Order, type Orders } from "./driver.ts";
import { durable } from "./durable.ts";
import { incoming } from "./incoming.ts";
import type { Journal } from "./journal.ts";
import { type Asked, nursery } from "./nursery.ts";
import { outgoing } from "./outgoing.ts";
import { pinning } from "./pinning.ts";
import { reach } from "./reach.ts";
import type { Recipe, Recipes } from "./recipe.ts";
import { type Services, steward } from "./steward.ts";
import { residents } from "./residents.ts";
import { runs } from "./runs.ts";
import { strangers } from "./strangers.ts";
import { streams } from "./streams.ts";
import { tidings } from "./tidings.ts";

export interface Neighbourhood {
  readonly elsewhere: Elsewhere<Cell>;
  readonly driver: Driver;
  begun(): Promise<void>;
  lost(node: string): void;
  gone(node: string): void;
  reached(node: string): Promise<void>;
  request(node: string, what: string, argument: unknown): Promise<unknown>;
  note(node: string, what: string, argument: unknown): void;
  again(recipe: Recipe): Promise<void>;
  stop(error: ShoalError): void;
}

export interface NeighbourhoodParts {
  readonly run: string;
  readonly token?: string | undefined;
  readonly name: string;
  /** What its volatile actors' addresses begin with. */
  readonly process: string;
  readonly environment: Environment;
  readonly store: Store;
  /** What keeps durable actors. */
  readonly home: Store;
  readonly link: Linking;
  readonly classes: Classes;
  readonly limits: Limits;
  readonly delivery?: Partial<DeliveryLimits>;
  readonly tickMs: number;
  readonly supervision: Supervision;
  readonly seed: number;
  readonly journal: Journal;
  readonly givenUp?: ((node: string) => void) | undefined;
  readonly recipes?: Recipes | undefined;
  readonly services?: Services | undefined;
  readonly knows?: ((node: string) => boolean) | undefined;
  readonly succeeds?: ((node: string) => boolean) | undefined;
  readonly accounts?: string | undefined;
  /** Starts an actor here, on behalf of nobody in particular. */
  spawn(Class: ActorClass, input: unknown, options: SpawnOptions): Promise<AnyActorRef>;
  /** The node has ended. */
  stopped(error: Error): void;
}

export function neighbourhood(engine: Engine, given: NeighbourhoodParts): Neighbourhood {
  const { run, name, environment, store, classes, limits } = given;
  const { home, life } = engine;
  const here = residents(engine, given.process, (cell) => {
    core.happen({ type: "spawned", actor: cell.id, durable: cell.terms.durable });
  });
  const { known, at: cellAt } = here;
  const holding = pinning(store.tensors);
  const orders: Orders = {
    order,
    expect(actor) {
      const cell = cellAt(actor);
      if (cell !== undefined) return known(cell);
      // An address that is a number was given once, and is given to nobody else. A name may yet be taken.
      if (isDurable(actor)) return;
      core.happen({ type: "spawned", actor, durable: false });
      core.happen({ type: "ended", actor, forgotten: true });
    },
    committed: (record) => keeping.committed(record),
    ...strangers({
      run,
      claims: store.claims,
      log: home.log,
      heardOf: (node) => core.core.peers.has(node),
      refuses(node, error) {
        attendant.gone(node, error);
        out.strange(node, error);
      },
    }),
    turned: home.scheduler.turned,
    settled: () => out.settled(),
    stopped: given.stopped,
  };

  const core = driver({
    run,
    token: given.token ?? "",
    name,
    limits: { ...deliveryLimits(limits), ...given.delivery },
    environment,
    journal: given.journal,
    link: given.link,
    tickMs: given.tickMs,
    orders,
  });

  const out = outgoing({
    engine,
    driver: core,
    known,
    knows: given.knows,
    watch: (call) => rounds.watch(call),
    refused: (cell, error) => keeping.refused(cell, error),
    cancel(target, source, number, code) {
      attendant.note(nodeOf(target), "cancel", { target, source, number });
      // Who was too late may still be wanted by others; who was cancelled computes for nobody.
      if (code === "Cancelled") given.givenUp?.(nodeOf(target));
    },
  });
  const flows = streams(engine, { outgoing: () => out, steward: () => attendant });
  const keeping = durable({
    engine,
    driver: core,
    classes,
    supervision: given.supervision,
    seed: given.seed,
    known,
    tensorsSurvive: store.abilities.survives,
    hasTold: (cell) => out.hasTold(cell),
    named: (cell, actorName) => others.name(cell, actorName),
    fire: (cell, timer) => core.happen({ type: "fired", actor: cell.id, timer }),
    watch(id, watcher) {
      const target = engine.locate(id, "Actor");
      return target instanceof Distant ? others.watch(id, watcher) : life.watch(target as Cell, watcher);
    },
  });
  const into = incoming({ engine, driver: core, durable: keeping, flow: flows.serve });
  const together = runs({
    engine,
    driver: core,
    deliver: (cell, command, fault) => into.deliver(cell, command, undefined, undefined, fault),
    ask: into.ask,
  });
  const rounds = circles({
    deadlines: home.deadlines,
    delivered: (target, source, number) => into.underWay(cellAt(target), source, number),
    posted: out.posted,
    note: (node, what, probe) => attendant.note(node, what, probe),
  });
  const attendant = steward(engine, name, {
    ...given.services,
    ...flows.services,
    probe: rounds.follow,
    circle: rounds.broken,
    cancel: ({ target, source, number }: Omit<Probe, "chain">) => into.cancelled(cellAt(target), source, number),
    spawn: (asked: Asked) => made.spawn(asked),
    reach: () => undefined,
    childEnded: ({ id }: { id: string }) => others.childEnded(id),
    has: ({ id }: { id: string }) => cellAt(id) !== undefined,
    watch: ({ id }: { id: string }) => new Promise<Ended>((resolve) => life.watch(cellOf(id), resolve)),
    stop: ({ id, options: stopping }: { id: string; options: StopOptions }) =>
      life.stop(cellOf(id), stopping, "stopped"),
  }, { expecting: flows.expecting, send: out.send });

  function cellOf(id: string): Cell {
    const target = engine.locate(id, "Actor");
    if (!(target instanceof Distant)) return target as Cell;
    throw new ShoalError("Ended", `Cannot find ${id} on node ${name}`);
  }

  function order(command: Order): void {
    if (keeping.isReviving() && "actor" in command && keeping.putsOff(command.actor, () => order(command))) return;
    switch (command.type) {
      case "settle":
        return out.settle(command);
      case "left":
        return out.left(command.tokens);
      case "answered":
        return out.answered(command.tokens, command.bodies);
      case "deliverAll":
        return together(cellAt(command.actor), command);
      case "deliver": {
        const cell = cellAt(command.actor);
        if (command.input.timer === "") return into.deliver(cell, command);
        const timed = cell === undefined ? undefined : keeping.timed(cell, command.input.timer);
        const handler = timed === undefined ? undefined : cell?.terms.kind.handler(timed.method);
        return into.deliver(cell, command, handler, timed?.message);
      }
      case "restore":
        return keeping.restored(command);
      case "reload":
        return keeping.reload(engine.addresses.get(command.actor));
      case "snapshot":
        return keeping.snapshot(engine.addresses.get(command.actor));
      case "schedule":
        return keeping.schedule(engine.addresses.get(command.actor), command.timer);
      case "gap":
      case "suspended":
      case "resumed":
        return told(command);
      default:
        return holding(command);
    }
  }

  const look = (epoch: number): void => core.happen({ type: "peer", node: name, epoch });
  const told = tidings({ log: home.log, lost, look: () => void given.journal.standing().then(look, () => {}) });

  function lost(node: string): void {
    attendant.lost(node);
    flows.lost(node);
  }

  const made = nursery({
    engine,
    classes,
    recipes: given.recipes,
    spawn: given.spawn,
    cellOf,
    childEnded: (node, id) => attendant.note(node, "childEnded", { id }),
  });
  const others = reach({
    engine,
    name,
    store: store.claims,
    environment,
    classes,
    steward: attendant,
    succeeds: given.succeeds ?? (() => false),
    accounts: given.accounts,
  });
  const elsewhere: Elsewhere<Cell> = {
    ...keeping,
    ...others,
    survives: given.home.abilities.survives,
    tell: out.tell,
    ask: out.ask,
    stream: flows.read,
    waitingFor,
    judged: into.judged,
    ended(cell) {
      const { durable: keeps } = cell.terms;
      const { reason, error } = cell.extras?.end ?? {};
      // What a durable actor keeps outlives the system; what ends it for good is a stop of its own.
      if (here.left(cell) && !(keeps && reason === "system closed")) into.ended(cell);
      keeping.ended(cell);
      others.ended(cell);
      if (!keeps || reason === "stopped" || reason === "system closed") return;
      const text = `${reason}: ${error?.message ?? "no more is known"}; what it committed stays for the next process`;
      home.log({ type: "MessageLogged", level: "error", text, actor: identity(cell) });
    },
    mail: (cell, method, message) => void home.refer(cell, attendant.cell, attendant.cell.life).tell(method, message),
    async close() {
      await core.drained();
      attendant.close();
      out.end();
      await core.close();
      out.stop(new ShoalError("ShuttingDown", `Cannot send from node ${name}: the system was closed`));
    },
  };

  return {
    elsewhere,
    driver: core,
    begun: keeping.begun,
    lost(node) {
      lost(node);
      attendant.greet(node);
    },
    gone(node) {
      lost(node);
      attendant.gone(node);
      out.gone(node);
    },
    reached: (node) => attendant.request(node, "reach", null).then(() => {}),
    request: attendant.request,
    note: attendant.note,
    again: made.again,
    stop: out.stop,
  };
}
