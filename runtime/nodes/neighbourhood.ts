// What joins a node's actors to those of others: each part knows little (the delivery core's driver, what leaves, what
// comes, what is kept, names, streams), and here they are given to each other.

import { ShoalError } from "../../stores/error.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { identity } from "../cells/failure.ts";
import type { Elsewhere } from "../cells/post.ts";
import { Distant, isDurable, nodeOf } from "../cells/posted.ts";
import { sameAddress } from "../cells/spawning.ts";
import type { DeliveryLimits } from "../delivery/events.ts";
import type { Environment } from "../environment.ts";
import type { Linking } from "../links/link.ts";
import type { Supervision } from "../supervision.ts";
import { decodeMessage, encodeMessage } from "../messages/codec.ts";
import type { AnyActorRef } from "../ref.ts";
import type { ActorClass, Ended, Limits, SpawnOptions, StopOptions } from "../system.ts";
import type { Classes } from "./classes.ts";
import { circles, waitingFor } from "./circles.ts";
import { deliveryLimits } from "./limits.ts";
import { type Driver, driver, type Order, type Orders } from "./driver.ts";
import { durable } from "./durable.ts";
import { incoming } from "./incoming.ts";
import type { Journal } from "./journal.ts";
import { outgoing } from "./outgoing.ts";
import { reach } from "./reach.ts";
import type { Recipe, Recipes } from "./recipe.ts";
import { nodeOfSteward, steward } from "./steward.ts";
import { streams } from "./streams.ts";

export interface Neighbourhood {
  readonly elsewhere: Elsewhere<Cell>;
  readonly driver: Driver;
  begun(): Promise<void>;
  lost(node: string): void;
  again(recipe: Recipe): Promise<void>;
  stop(error: ShoalError): void;
}

export interface NeighbourhoodParts {
  readonly run: string;
  readonly name: string;
  /** What its volatile actors' addresses begin with. */
  readonly process: string;
  readonly environment: Environment;
  readonly store: Store;
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
  readonly succeeds?: ((node: string) => boolean) | undefined;
  /** Starts an actor here, on behalf of nobody in particular. */
  spawn(Class: ActorClass, input: unknown, options: SpawnOptions): Promise<AnyActorRef>;
  /** The node has ended. */
  stopped(error: Error): void;
}

export function neighbourhood(engine: Engine, given: NeighbourhoodParts): Neighbourhood {
  const { run, name, environment, store, classes, limits } = given;
  const { home, life, program } = engine;

  const knownCells = new Set<Cell>();

  function known(cell: Cell): void {
    if (knownCells.has(cell)) return;
    knownCells.add(cell);
    cell.extra.isPosted = true;
    core.happen({ type: "spawned", actor: cell.id, durable: cell.terms.durable });
  }

  /** The actor of this process that has this address. */
  function cellAt(id: string): Cell | undefined {
    const addressed = engine.addresses.get(id);
    if (addressed !== undefined) return addressed;
    const at = id.indexOf("/");
    if (id.slice(0, at) !== given.process) return undefined;
    const serial = Number(id.slice(at + 1));
    return serial === 0 ? program : engine.cells.get(serial);
  }

  const orders: Orders = {
    order,
    expect(actor) {
      const cell = cellAt(actor);
      if (cell !== undefined) return known(cell);
      // An address that is a number was given once, and is given to nobody else. A name may yet be taken.
      if (isDurable(actor)) return;
      core.happen({ type: "spawned", actor, durable: false });
      core.happen({ type: "ended", actor });
    },
    committed: (record) => keeping.committed(record),
    refused: (error) =>
      home.log({
        type: "MessageLogged",
        level: "warn",
        text: `${error.message}${error.cause === undefined ? "" : ` (${String(error.cause)})`}`,
      }),
    settled: () => out.settled(),
    stopped: given.stopped,
  };

  const core = driver({
    run,
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
    watch: (call) => rounds.watch(call),
    refused: (cell, error) => keeping.refused(cell, error),
    cancel(target, source, number, code) {
      attendant.note(nodeOf(target), "cancel", { source, number });
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
    fire: (cell, timer) => core.happen({ type: "fired", actor: cell.id, timer }),
  });
  const into = incoming({ engine, driver: core, durable: keeping, flow: flows.serve });
  const rounds = circles({
    deadlines: home.deadlines,
    delivered: into.underWay,
    posted: out.posted,
    note: (node, what, probe) => attendant.note(node, what, probe),
  });
  const attendant = steward(engine, name, {
    ...flows.services,
    probe: rounds.follow,
    circle: rounds.broken,
    cancel: ({ source, number }: { source: string; number: number }) => into.cancelled(source, number),
    async spawn(asked: { class: string; input: unknown; options: SpawnOptions }) {
      const Class = await classes.classOf(asked.class);
      const reference = await given.spawn(Class, asked.input, asked.options);
      keepRecipe(reference.id, asked);
      return reference;
    },
    has: ({ id }: { id: string }) => cellAt(id) !== undefined,
    watch: ({ id }: { id: string }) => new Promise<Ended>((resolve) => life.watch(cellOf(id), resolve)),
    stop: ({ id, options: stopping }: { id: string; options: StopOptions }) =>
      life.stop(cellOf(id), stopping, "stopped"),
  }, { expecting: flows.expecting, send: out.send });

  /** What another node has asked for, somebody may want to ask for again when this process is gone. */
  function keepRecipe(id: string, asked: { class: string; input: unknown; options: SpawnOptions }): void {
    const { recipes } = given;
    const cell = cellOf(id);
    if (recipes === undefined || cell.terms.durable) return;
    recipes.spawned({ id, class: asked.class, input: encodeMessage(asked.input, true), options: asked.options });
    life.watch(cell, () => recipes.ended(id));
  }

  /** Makes an actor again, at the address that it had in another process of this node. */
  async function again(recipe: Recipe): Promise<void> {
    const Class = await classes.classOf(recipe.class);
    const input = decodeMessage(
      recipe.input,
      (id, className) => home.refer(engine.locate(id, className), program, program.life),
    );
    const options: SpawnOptions & { [sameAddress]: string } = { ...recipe.options, [sameAddress]: recipe.id };
    await given.spawn(Class, input, options);
    keepRecipe(recipe.id, { class: recipe.class, input, options: recipe.options });
  }

  function cellOf(id: string): Cell {
    const target = engine.locate(id, "Actor");
    if (!(target instanceof Distant)) return target as Cell;
    throw new ShoalError("Ended", `Cannot find ${id} on node ${name}`);
  }

  function order(command: Order): void {
    if ("actor" in command && keeping.putsOff(command.actor, () => order(command))) return;
    switch (command.type) {
      case "settle":
        return out.settle(command);
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
      case "pin":
        for (const pin of command.pins) store.tensors.pin(JSON.parse(pin) as TensorRef, command.holder);
        return;
      case "unpin":
        for (const pin of command.pins) store.tensors.unpin(JSON.parse(pin) as TensorRef, command.holder, command.read);
        return;
      case "gap":
        return told(
          command,
          `messages ${command.acknowledged + 1} to ${command.through} may be lost, and are not sent again`,
        );
      case "suspended":
        return told(command, "its node shows no sign of life; what is not waited for is sent when it does");
      case "resumed":
        return told(command, "its node shows signs of life again");
    }
  }

  function told({ type, source, destination }: Extract<Order, { source: string }>, text: string): void {
    const node = nodeOfSteward(destination);
    if (node !== undefined) return type === "gap" ? lost(node) : undefined;
    if (type === "suspended") look();
    home.log({ type: "MessageLogged", level: "warn", text: `from ${source} to ${destination}: ${text}` });
  }

  /** Whom nobody answers may have been replaced. */
  function look(): void {
    given.journal.standing().then((standing) => core.happen({ type: "peer", node: name, epoch: standing }), () => {});
  }

  function lost(node: string): void {
    attendant.lost(node);
    flows.lost(node);
  }

  const others = reach({
    engine,
    name,
    store: store.claims,
    environment,
    classes,
    steward: attendant,
    succeeds: given.succeeds ?? (() => false),
  });
  const elsewhere: Elsewhere<Cell> = {
    survives: store.abilities.survives,
    tell: out.tell,
    ask: out.ask,
    stream: flows.read,
    waitingFor,
    judged: into.judged,
    restore: keeping.restore,
    ended(cell) {
      const { durable: keeps } = cell.terms;
      const { reason, error } = cell.extras?.end ?? {};
      // What a durable actor keeps outlives the system; what ends it for good is a stop of its own.
      if (knownCells.delete(cell) && !(keeps && reason === "system closed")) into.ended(cell);
      keeping.ended(cell);
      if (!keeps || reason === "stopped") return others.forget(cell);
      if (reason === "system closed") return;
      const text = `${reason}: ${error?.message ?? "no more is known"}; what it committed stays for the next process`;
      home.log({ type: "MessageLogged", level: "error", text, actor: identity(cell) });
    },
    ...others,
    mail: (cell, method, message) => void home.refer(cell, attendant.cell, attendant.cell.life).tell(method, message),
    timer: keeping.timer,
    step: keeping.step,
    conceive: keeping.conceive,
    born: keeping.born,
    found: keeping.found,
    async close() {
      await core.drained();
      attendant.close();
      await core.close();
      out.stop(new ShoalError("ShuttingDown", `Cannot send from node ${name}: the system was closed`));
    },
  };

  function replaced(node: string): void {
    lost(node);
    attendant.greet(node);
  }

  return { elsewhere, driver: core, begun: keeping.begun, lost: replaced, again, stop: out.stop };
}
